"""Servers and clients for the exchange tests."""

from __future__ import annotations

from collections.abc import Iterator

import ccxt
import pytest

from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config
from tests.support.scripted_market import ScriptedMarket, Step, quiet

QUIET = [step for step in quiet() if step[0] <= 0]
# After the start: a dip through 95 at minute one, up through 110 at minute two, back to 100 at minute three.
PATH: list[Step] = [(60, "94.0", "4"), (120, "111.0", "4"), (180, "100.0", "4")]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Two pairs; BTC/USD follows PATH; the account holds 10,000 USD and 10 BTC."""
    market = ScriptedMarket({"BTC/USD": [*QUIET, *PATH], "ETH/USD": quiet("50.00")})
    with running_sandbox(market, sandbox_config(opening_balances={"USD": "10000", "BTC": "10"})) as running:
        yield running


@pytest.fixture
def client(sandbox: RunningSandbox) -> ccxt.kraken:
    return ccxt.kraken(sandbox.ccxt_options())

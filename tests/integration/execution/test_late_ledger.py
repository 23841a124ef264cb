"""Fills whose lines in the venue's own ledger come late: nothing is booked by a guess, and nothing is taken for a difference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, TradingState
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.ledger import Ledger
from tests.support.ledger import sqlite_url
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config
from tests.support.sandbox_tick import BTC, connect, tick_of

NO_LINES = '{"error":[],"result":{"ledger":{},"count":0}}'


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config(opening_balances={"USD": "50000"})) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as opened:
        yield opened


@pytest.fixture
def venue(sandbox: RunningSandbox) -> CcxtVenue:
    return connect(sandbox.base_url)


def test_fill_is_booked_when_its_ledger_lines_come_and_its_symbol_waits_until_then(
    sandbox: RunningSandbox, venue: CcxtVenue, ledger: Ledger
) -> None:
    tick_of(venue, ledger, "first", {BTC: Action.HOLD})
    sandbox.control.fault("Ledgers", status=200, body=NO_LINES, count=None)
    report = tick_of(venue, ledger, "buy", {BTC: Action.BUY}, 1)
    assert "filled but not listed yet" in report.unknown[BTC]
    assert ledger.fills() == ()
    assert (report.differences, report.state) == ((), TradingState.NORMAL)
    assert len(venue.open_orders()) >= 1, "the stop that came with the fill is left where it is"
    sandbox.control.clear_faults()
    sandbox.control.advance(5)
    healed = tick_of(venue, ledger, "next", {BTC: Action.HOLD}, 2)
    assert (healed.unknown, healed.unprotected) == ({}, ())
    assert ledger.check_balances(venue.balances()) == ()


def test_fill_without_lines_is_booked_as_history_tells_it_after_a_minute(
    sandbox: RunningSandbox, venue: CcxtVenue, ledger: Ledger
) -> None:
    tick_of(venue, ledger, "first", {BTC: Action.HOLD})
    sandbox.control.fault("Ledgers", status=200, body=NO_LINES, count=None)
    assert BTC in tick_of(venue, ledger, "buy", {BTC: Action.BUY}, 1).unknown
    sandbox.control.advance(61)
    report = tick_of(venue, ledger, "next", {BTC: Action.HOLD}, 2)
    assert report.unknown == {}
    assert BTC in ledger.positions()
    assert report.unprotected == ()

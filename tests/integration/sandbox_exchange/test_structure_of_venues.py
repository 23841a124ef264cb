"""The structural checks that ccxt ships for its exchanges, run on the other three venues: synchronous and asynchronous.

The clock follows the wall here: two of these clients, and the checks themselves, ask for candles by the wall's time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from kracken_tasks.sandbox.clock import ClockMode
from tests.support.ccxt_checks import NumericFees, check
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

SYMBOLS = {"binance": "BTC/USDT", "coinbase": "BTC/USD", "bitstamp": "BTC/USD"}
DERIVATIVES = ("swap", "future", "option")  # the venues have them, this sandbox does not: it is a spot market
# What the faithful venue cannot give, or ccxt does not read as its own check wants it.
SKIPS: dict[str, dict[str, dict[str, Any]]] = {
    "binance": {"fetch_order_book": {"timestamp": True, "datetime": True}},  # its book carries no time
    "coinbase": {},
    "bitstamp": {
        "fetch_trades": {"sideSequence": True},  # whole seconds, newest first: ccxt cannot order trades within one
    },
}
PUBLIC = ["load_markets", "fetch_ticker", "fetch_tickers", "fetch_ohlcv", "fetch_trades", "fetch_order_book"]
PRIVATE = ["fetch_balance", "fetch_open_orders", "fetch_my_trades"]
MORE = {
    "binance": ["fetch_closed_orders", "fetch_orders", "fetch_trading_fee", "fetch_trading_fees", "fetch_status"],
    "coinbase": ["fetch_closed_orders", "fetch_orders", "fetch_trading_fees", "fetch_accounts"],
    # not fetch_trading_fees: ccxt puts the raw answer among the fees and its check trips over it
    "bitstamp": ["fetch_trading_fee"],
}
WITHOUT_SYMBOL = ("load_markets", "fetch_balance", "fetch_trading_fees", "fetch_status", "fetch_accounts")
CHECKS = [(venue, name) for venue, more in MORE.items() for name in (*PUBLIC, *PRIVATE, *more)]


@pytest.fixture(scope="module")
def busy() -> Iterator[RunningSandbox]:
    """Three venues with an account each that has bought, sold and left an order standing."""
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as running:
        for venue, symbol in SYMBOLS.items():
            client = getattr(ccxt, venue)(running.options_of(venue))
            price = client.fetch_ticker(symbol)["last"]
            client.create_order(symbol, "market", "buy", 0.01, price)
            client.create_order(symbol, "market", "sell", 0.004)
            client.create_order(symbol, "limit", "buy", 0.01, client.price_to_precision(symbol, price * 0.8))
        yield running


def client_of(module: Any, venue: str, sandbox: RunningSandbox) -> Any:
    """ccxt's own class; spot only, as this sandbox is."""
    client = type(venue, (NumericFees, getattr(module, venue)), {})(sandbox.options_of(venue))
    client.has.update(dict.fromkeys(DERIVATIVES, False))
    return client


def arguments_of(venue: str, name: str) -> tuple[str, ...]:
    return () if name in WITHOUT_SYMBOL else (SYMBOLS[venue],)


@pytest.mark.parametrize(("venue", "name"), CHECKS)
def test_ccxt_finds_the_structure_sound(busy: RunningSandbox, venue: str, name: str) -> None:
    client = client_of(ccxt, venue, busy)
    client.load_markets()
    check(name, "sync")(client, SKIPS[venue].get(name, {}), *arguments_of(venue, name))


@pytest.fixture
async def async_clients(busy: RunningSandbox) -> AsyncIterator[dict[str, Any]]:
    clients = {venue: client_of(ccxt.async_support, venue, busy) for venue in SYMBOLS}
    yield clients
    for client in clients.values():
        await client.close()


@pytest.mark.parametrize(("venue", "name"), CHECKS)
async def test_ccxt_async_finds_the_structure_sound(async_clients: dict[str, Any], venue: str, name: str) -> None:
    client = async_clients[venue]
    await client.load_markets()
    await check(name, "async")(client, SKIPS[venue].get(name, {}), *arguments_of(venue, name))

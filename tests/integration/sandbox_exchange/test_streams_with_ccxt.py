"""Real ccxt.pro on the sandbox's sockets, every call within a time limit: a hanging subscription is a failure, not a pause."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import ccxt.pro
import pytest

from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

SYMBOL = "BTC/USD"
SECONDS = 10.0
# The real Kraken fails these, too: ccxt reads no time from its ticker, nor from a book's snapshot.
NO_TIME = {"timestamp": True, "datetime": True}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config()) as found:
        yield found


@pytest.fixture
async def client(running: RunningSandbox) -> AsyncIterator[Any]:
    found = ccxt.pro.kraken(running.ccxt_options())
    yield found
    await found.close()


async def soon(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, SECONDS)


async def hear(watch: Callable[[], Any], done: Callable[[], bool]) -> None:
    """Listen until ``done``.  What came between two calls is in ccxt's cache already, so no single call may wait for long."""
    async with asyncio.timeout(SECONDS):
        while not done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(watch(), 0.2)


async def test_the_ticker_of_the_stream_is_the_ticker_of_rest(running: RunningSandbox, client: Any) -> None:
    told = await soon(client.watch_ticker(SYMBOL))
    asked = await client.fetch_ticker(SYMBOL)
    for name in ("bid", "ask", "last", "high", "low", "baseVolume"):
        assert told[name] == asked[name], name


async def test_the_trades_of_the_stream_are_the_trades_of_rest(running: RunningSandbox, client: Any) -> None:
    await soon(client.watch_trades(SYMBOL, None, None, {"snapshot": True}))
    since = running.control.now_ms()
    running.control.advance(300)
    asked = [trade for trade in await client.fetch_trades(SYMBOL) if trade["timestamp"] > since]
    assert asked
    heard = client.trades[SYMBOL]
    await hear(lambda: client.watch_trades(SYMBOL), lambda: heard[-1]["id"] == asked[-1]["id"])
    told = {trade["id"]: trade for trade in heard}
    assert len(told) == len(heard)
    for trade in asked:
        for name in ("timestamp", "price", "amount", "side"):
            assert told[trade["id"]][name] == trade[name]


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h"])
async def test_the_candles_of_the_stream_are_the_candles_of_rest(
    running: RunningSandbox, client: Any, timeframe: str
) -> None:
    await soon(client.watch_ohlcv(SYMBOL, timeframe))
    running.control.advance(1200)
    last = (await client.fetch_trades(SYMBOL))[-1]["timestamp"]
    asked = {row[0]: row for row in await client.fetch_ohlcv(SYMBOL, timeframe)}
    newest = max(stamp for stamp in asked if stamp <= last)
    heard = client.ohlcvs[SYMBOL][timeframe]
    await hear(lambda: client.watch_ohlcv(SYMBOL, timeframe), lambda: heard[-1] == asked[newest])
    assert len(heard) >= 10
    assert {row[0]: list(row) for row in heard} == {row[0]: asked[row[0]] for row in heard}


@pytest.mark.parametrize("depth", [10, 25, 100])
async def test_the_book_of_the_stream_is_the_book_of_rest(running: RunningSandbox, client: Any, depth: int) -> None:
    book = await soon(client.watch_order_book(SYMBOL, depth))
    running.control.advance(61)
    asked = await client.fetch_order_book(SYMBOL, depth)

    def prices(found: Any, side: str) -> list[float]:
        return [price for price, *_ in found[side]]

    await hear(
        lambda: client.watch_order_book(SYMBOL, depth),
        lambda: [prices(book, side) for side in ("bids", "asks")] == [prices(asked, side) for side in ("bids", "asks")],
    )
    assert len(book["bids"]) == depth
    for side in ("bids", "asks"):
        for (_, told), (_, shown) in zip(book[side], [row[:2] for row in asked[side]], strict=True):
            assert shown == pytest.approx(max(told, 0.001), abs=0.001)  # REST cuts volumes to three decimals


async def test_the_best_prices_come_whenever_they_change(running: RunningSandbox, client: Any) -> None:
    first = (await soon(client.watch_bids_asks([SYMBOL])))[SYMBOL]
    assert first["bid"] < first["ask"]
    running.control.advance(60)
    asked = await client.fetch_ticker(SYMBOL)
    assert (first["bid"], first["ask"]) != (asked["bid"], asked["ask"])
    await hear(
        lambda: client.watch_bids_asks([SYMBOL]),
        lambda: [client.tickers[SYMBOL][side] for side in ("bid", "ask")] == [asked["bid"], asked["ask"]],
    )


class Hurried(ccxt.pro.kraken):
    """ccxt's checks listen for 15 seconds by the client's clock; this one's goes ten times as fast."""

    times = 10

    def milliseconds(self) -> int:
        real = super().milliseconds()
        self.first = getattr(self, "first", real)
        return int(self.first + (real - self.first) * self.times)


BOTH = [SYMBOL, "ETH/USD"]
CHECKS: list[tuple[str, Any, dict[str, bool]]] = [
    ("watch_ticker", SYMBOL, NO_TIME),
    ("watch_tickers", SYMBOL, NO_TIME),
    ("watch_bids_asks", SYMBOL, NO_TIME),
    ("watch_trades", SYMBOL, {}),
    ("watch_trades_for_symbols", BOTH, {}),
    ("watch_order_book", SYMBOL, NO_TIME),
    ("watch_order_book_for_symbols", BOTH, NO_TIME),
    ("watch_ohlcv", SYMBOL, {}),
]


@pytest.mark.parametrize(("name", "argument", "skips"), CHECKS, ids=[name for name, *_ in CHECKS])
async def test_ccxt_finds_the_structure_of_streams_sound(
    running: RunningSandbox, name: str, argument: Any, skips: dict[str, bool]
) -> None:
    check = getattr(importlib.import_module(f"ccxt.pro.test.Exchange.test_{name}"), f"test_{name}")
    client = Hurried(running.ccxt_options())

    async def keep_trading() -> None:
        while True:
            await asyncio.to_thread(running.control.advance, 5)

    market = asyncio.create_task(keep_trading())
    try:
        await asyncio.wait_for(check(client, skips, argument), 60)
    finally:
        market.cancel()
        await client.close()

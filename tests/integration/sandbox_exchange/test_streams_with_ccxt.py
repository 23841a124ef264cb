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
# The real Kraken's ticker fails these properties, too: ccxt reads no time from it, nor from a book's snapshot.
SKIPS: dict[str, dict[str, bool]] = {
    "watch_ticker": {"timestamp": True, "datetime": True},
    "watch_order_book": {"timestamp": True, "datetime": True},
    "watch_bids_asks": {"timestamp": True, "datetime": True},
}


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
    await soon(client.watch_trades(SYMBOL))
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
    first = await soon(client.watch_bids_asks([SYMBOL]))
    running.control.advance(60)
    second = await soon(client.watch_bids_asks([SYMBOL]))
    assert first[SYMBOL]["bid"] < first[SYMBOL]["ask"]
    assert (first[SYMBOL]["bid"], first[SYMBOL]["ask"]) != (second[SYMBOL]["bid"], second[SYMBOL]["ask"])


class Hurried(ccxt.pro.kraken):
    """ccxt's checks listen for 15 seconds by the client's clock; this one's goes ten times as fast."""

    times = 10

    def milliseconds(self) -> int:
        real = super().milliseconds()
        self.first = getattr(self, "first", real)
        return int(self.first + (real - self.first) * self.times)


@pytest.mark.parametrize("name", ["watch_ticker", "watch_trades", "watch_order_book", "watch_ohlcv", "watch_bids_asks"])
async def test_ccxt_finds_the_structure_of_streams_sound(running: RunningSandbox, name: str) -> None:
    check = getattr(importlib.import_module(f"ccxt.pro.test.Exchange.test_{name}"), f"test_{name}")
    client = Hurried(running.ccxt_options())

    async def keep_trading() -> None:
        while True:
            await asyncio.to_thread(running.control.advance, 5)

    market = asyncio.create_task(keep_trading())
    try:
        await asyncio.wait_for(check(client, SKIPS.get(name, {}), SYMBOL), 60)
    finally:
        market.cancel()
        await client.close()

"""``WebSocketManager`` on real ccxt.pro and a real server that misbehaves: every trap of the library, sprung on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange import WebSocketManager
from kracken_tasks.exchange.streams import Channel, FeedKey, FeedSource, StreamTiming
from kracken_tasks.exchange.venue import CcxtVenue
from tests.support.listening import PATIENCE, Ear
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

BTC = "BTC/USD"
TRADES = FeedKey("kraken", BTC, Channel.TRADES)
TICKER = FeedKey("kraken", BTC, Channel.TICKER)
BOOK = FeedKey("kraken", BTC, Channel.BOOK, depth=10)
MINUTES = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M1)
FIVES = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M5)

# The server's heartbeat comes once a second; its clock stands until a test moves it, so it is asked all the time.
TIMING = StreamTiming(
    backup_polling_interval=0.1, quiet=0.15, silence=1.6, subscribe=0.6, patience=15.0, settle=0.05, stable=5.0,
    backoff_first=0.01, backoff_most=0.05, clock=0.05,
)  # fmt: skip


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config()) as found:
        yield found


@pytest.fixture
async def manager(sandbox: RunningSandbox) -> AsyncIterator[WebSocketManager]:
    async with WebSocketManager("kraken", options={"kraken": sandbox.ccxt_options()}, timing=TIMING) as made:
        yield made


async def live(sandbox: RunningSandbox, seconds: float = 60.0) -> None:
    """Let market time pass."""
    await asyncio.to_thread(sandbox.control.advance, seconds)


async def fault(sandbox: RunningSandbox, endpoint: str, **rule: Any) -> None:
    await asyncio.to_thread(lambda: sandbox.control.fault(endpoint, **rule))


async def streaming(ear: Ear) -> None:
    await ear.until(lambda: ear.status.source is FeedSource.STREAM and bool(ear.items))


async def require_all_trades(ear: Ear, sandbox: RunningSandbox) -> None:
    """Everything the venue's Trades endpoint has from the first heard on, each once, in the same words."""
    venue = CcxtVenue("kraken", sandbox.ccxt_options())
    first = ear.items[0].ts
    frame, _ = await asyncio.to_thread(lambda: venue.trades(BTC, None, first))
    wanted = frame["trade_id"].tolist()
    await ear.until(lambda: len(ear.items) >= len(wanted))
    heard = sorted(ear.items, key=lambda trade: trade.trade_id)
    assert [trade.trade_id for trade in heard] == wanted
    assert [trade.price for trade in heard] == frame["price"].tolist()
    assert [trade.volume for trade in heard] == frame["volume"].tolist()
    assert [trade.side for trade in heard] == frame["side"].tolist()
    assert [trade.kind for trade in heard] == frame["kind"].tolist()
    assert ear.gaps == []


async def test_trades_of_the_stream_are_those_of_the_trades_endpoint(
    sandbox: RunningSandbox, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TRADES)
    await streaming(ear)
    for _ in range(3):
        await live(sandbox)
    await require_all_trades(ear, sandbox)
    assert ear.status.reconnects == 0


async def test_dropped_socket_costs_no_trade(sandbox: RunningSandbox, manager: WebSocketManager) -> None:
    ear = Ear(manager, TRADES)
    await streaming(ear)
    await fault(sandbox, "ws/send/trade", drop=True, count=1)
    await live(sandbox, 120)
    await ear.until(lambda: ear.status.reconnects >= 1)
    await live(sandbox)
    await require_all_trades(ear, sandbox)


async def test_muted_channel_on_a_living_socket_costs_no_trade(
    sandbox: RunningSandbox, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TRADES)
    await streaming(ear)
    await fault(sandbox, "ws/send/trade", mute=True, count=None, seconds=1.0)
    await live(sandbox, 120)
    await live(sandbox)
    await require_all_trades(ear, sandbox)


async def test_frames_that_come_twice_are_told_once(sandbox: RunningSandbox, manager: WebSocketManager) -> None:
    ear = Ear(manager, TRADES)
    await streaming(ear)
    await fault(sandbox, "ws/send/trade", spoil="twice", count=None)
    await live(sandbox, 120)
    await require_all_trades(ear, sandbox)


async def test_silent_socket_is_found_dead_and_replaced(sandbox: RunningSandbox, manager: WebSocketManager) -> None:
    ear = Ear(manager, TICKER)
    await streaming(ear)
    await fault(sandbox, "ws/send/*", mute=True, count=None, seconds=3.0)
    await ear.until(lambda: ear.status.reconnects >= 1)
    assert "no frame of any kind" in ear.status.trouble
    assert ear.status.polls >= 1
    await live(sandbox)
    await ear.until(lambda: ear.status.source is FeedSource.STREAM)


async def test_refused_subscription_is_polled_until_it_is_granted(
    sandbox: RunningSandbox, manager: WebSocketManager
) -> None:
    await fault(sandbox, "ws/subscribe/ticker", error="Currency pair not supported", count=None)
    ear = Ear(manager, TICKER)
    await ear.until(lambda: ear.status.source is FeedSource.POLLING and bool(ear.items))
    await ear.until(lambda: "refuses the subscription" in ear.status.trouble)
    await asyncio.to_thread(sandbox.control.clear_faults)
    await ear.until(lambda: ear.status.source is FeedSource.STREAM)


async def test_subscription_that_is_never_answered_is_given_up_and_polled(
    sandbox: RunningSandbox, manager: WebSocketManager
) -> None:
    await fault(sandbox, "ws/subscribe/ticker", mute=True, count=None)
    ear = Ear(manager, TICKER)
    await ear.until(lambda: ear.status.source is FeedSource.POLLING and ear.status.reconnects >= 1)
    assert "brought nothing" in ear.status.trouble
    await asyncio.to_thread(sandbox.control.clear_faults)
    await ear.until(lambda: ear.status.source is FeedSource.STREAM)


async def test_refused_connection_is_polled_until_it_opens(sandbox: RunningSandbox, manager: WebSocketManager) -> None:
    await fault(sandbox, "ws/connect", status=503, count=3)
    ear = Ear(manager, TICKER)
    await ear.until(lambda: ear.status.reconnects >= 1)
    await ear.until(lambda: ear.status.source is FeedSource.STREAM)


async def test_two_timeframes_of_a_symbol_bring_their_own_candles(
    sandbox: RunningSandbox, manager: WebSocketManager
) -> None:
    minutes, fives = Ear(manager, MINUTES), Ear(manager, FIVES)
    for ear in (minutes, fives):
        await ear.until(lambda ear=ear: ear.status.messages > 0)  # type: ignore[misc]
    for _ in range(12):
        await live(sandbox)
    venue = CcxtVenue("kraken", sandbox.ccxt_options())
    for ear, width in ((minutes, Timeframe.M1), (fives, Timeframe.M5)):
        await ear.until(lambda ear=ear: len(ear.items) >= 3)  # type: ignore[misc]
        frame = await asyncio.to_thread(lambda width=width: venue.ohlc(BTC, width))  # type: ignore[misc]
        theirs = {row.ts.to_pydatetime(): row for row in frame.itertuples()}
        now = await asyncio.to_thread(venue.now)
        for candle in ear.items:
            assert candle.ts + width.delta <= now
            row = theirs[candle.ts]
            assert candle[1:6] == (row.open, row.high, row.low, row.close, row.volume)
            assert candle.trades == row.trades


async def test_candle_of_another_timeframe_is_refused(sandbox: RunningSandbox, manager: WebSocketManager) -> None:
    ear = Ear(manager, MINUTES)
    await ear.until(lambda: ear.status.messages > 0)
    await fault(sandbox, "ws/send/ohlc", spoil="interval", count=None)
    async with asyncio.timeout(PATIENCE):
        while not ear.status.reconnects:  # a frame that comes while nobody waits for one is never read
            await live(sandbox, 30)
    await asyncio.to_thread(sandbox.control.clear_faults)
    await live(sandbox, 90)
    await ear.until(lambda: ear.status.source is FeedSource.STREAM)
    frame = await asyncio.to_thread(lambda: CcxtVenue("kraken", sandbox.ccxt_options()).ohlc(BTC, Timeframe.M1))
    theirs = {row.ts.to_pydatetime(): (row.open, row.high, row.low, row.close) for row in frame.itertuples()}
    assert ear.items
    assert all(candle[1:5] == theirs[candle.ts] for candle in ear.items)


async def test_book_with_a_wrong_checksum_is_never_told(sandbox: RunningSandbox, manager: WebSocketManager) -> None:
    ear = Ear(manager, BOOK)
    await streaming(ear)
    await fault(sandbox, "ws/send/book", spoil="checksum", count=1)
    await live(sandbox, 10)
    await ear.until(lambda: ear.status.reconnects >= 1)
    await live(sandbox, 10)
    await ear.until(lambda: ear.status.source is FeedSource.STREAM)
    assert all(batch.items[0].checked for batch in ear.batches if batch.source is FeedSource.STREAM)


async def test_symbol_that_is_not_listed_ends_the_listening(manager: WebSocketManager) -> None:
    with pytest.raises(Misconfigured, match="lists no FOO/BAR"):
        await asyncio.wait_for(anext(manager.ticker("FOO/BAR")), PATIENCE)


async def test_nothing_is_left_open_after_closing(sandbox: RunningSandbox) -> None:
    before = asyncio.all_tasks()
    manager = WebSocketManager("kraken", options={"kraken": sandbox.ccxt_options()}, timing=TIMING)
    ears = [Ear(manager, key) for key in (TRADES, TICKER, BOOK, MINUTES)]
    for ear in ears:
        await ear.until(lambda ear=ear: ear.status.messages > 0)  # type: ignore[misc]
    await manager.close()
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=PATIENCE)
    assert left == set()
    async with asyncio.timeout(PATIENCE):  # the server hears of it a moment later
        while await asyncio.to_thread(lambda: sandbox.control.call("GET", "sockets")["sockets"]):
            continue


async def test_feed_with_no_way_to_the_venue_tells_none_and_recovers(sandbox: RunningSandbox) -> None:
    hasty = replace(TIMING, backup_polling_interval=0.05)
    async with WebSocketManager("kraken", options={"kraken": sandbox.ccxt_options()}, timing=hasty) as manager:
        ear = Ear(manager, TICKER)
        await streaming(ear)
        await fault(sandbox, "Ticker", status=503, count=None, seconds=2.0)
        await fault(sandbox, "ws/connect", status=503, count=None, seconds=2.0)
        await fault(sandbox, "ws/send/*", drop=True, count=1)
        await live(sandbox, 10)
        await ear.until(lambda: ear.status.source is FeedSource.NONE)
        await ear.until(lambda: ear.status.source is FeedSource.STREAM)

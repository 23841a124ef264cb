"""Candles of a stream: told when they have closed and REST agrees, each once, none of another width."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import pytest

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.exchange.streams import Candle, Channel, FeedKey, WebSocketManager
from kracken_tasks.exchange.streams.tracks import CandleTrack
from tests.support.listening import Ear
from tests.support.streams import BTC, FAST, ScriptedStreams, candles_of

TRADES = FeedKey("kraken", BTC, Channel.TRADES)
TICKER = FeedKey("kraken", BTC, Channel.TICKER)
MINUTES = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M1)


async def test_running_candle_is_never_given_as_closed(venue: ScriptedStreams, manager: WebSocketManager) -> None:
    ear = Ear(manager, MINUTES)
    await ear.until(lambda: venue.subscriptions > 0)
    venue.happen(150)
    manager.clock().told(venue.market_now)
    await ear.until(lambda: len(ear.items) >= 2)
    closed = candles_of(venue.tape, Timeframe.M1)[:-1]
    assert ear.items == closed[: len(ear.items)]


async def test_candle_is_closed_by_the_clock_where_nobody_trades_any_more(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, MINUTES)
    await ear.until(lambda: venue.subscriptions > 0)
    venue.happen(58)
    await ear.until(lambda: ear.status.messages >= 1)
    # The venue's clock goes on without a trade; the manager hears of it with its next question of the time.
    manager.clock().told(venue.tape[-1].ts.replace(minute=2, second=0))
    await ear.until(lambda: len(ear.items) == 1)
    assert ear.items == candles_of(venue.tape, Timeframe.M1)


async def test_candles_lost_with_a_socket_are_fetched_and_none_comes_twice(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, MINUTES)
    await ear.until(lambda: venue.subscriptions > 0)
    venue.happen(70)
    manager.clock().told(venue.market_now)
    await ear.until(lambda: len(ear.items) >= 1)
    venue.cut()
    venue.happen(60 * 9)
    manager.clock().told(venue.market_now)
    await ear.until(lambda: len(ear.items) >= 10)
    assert ear.items == candles_of(venue.tape, Timeframe.M1)[: len(ear.items)]
    spans = [batch.covered for batch in ear.batches if batch.covered]
    assert all(before[1] == after[0] for before, after in pairwise(spans))


async def test_candle_whose_last_frames_were_swallowed_is_told_as_rest_has_it(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, MINUTES)
    await ear.until(lambda: venue.subscriptions > 0)
    venue.happen(50)
    venue.mute()
    venue.happen(9)
    venue.loud()
    venue.happen(70)
    manager.clock().told(venue.market_now)
    await ear.until(lambda: len(ear.items) >= 2)
    assert ear.items == candles_of(venue.tape, Timeframe.M1)[:2]


async def test_closed_candles_wait_while_rest_cannot_confirm_them(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, MINUTES)
    await ear.until(lambda: venue.subscriptions > 0)
    venue.deaf()
    venue.happen(70)
    manager.clock().told(venue.market_now)
    await ear.until(lambda: "no answer" in ear.status.trouble)
    assert ear.items == []
    venue.answer()
    await ear.until(lambda: len(ear.items) == 1)


@pytest.mark.parametrize("flat_rows", [False, True])
async def test_windows_without_trades_are_spoken_for_and_are_no_candles(
    venue: ScriptedStreams, manager: WebSocketManager, flat_rows: bool
) -> None:
    venue.flat_rows = flat_rows
    ear = Ear(manager, MINUTES)
    await ear.until(lambda: venue.subscriptions > 0)
    venue.happen(3, seconds=10.0)
    venue.happen(2, seconds=240.0)
    manager.clock().told(venue.market_now)
    await ear.until(lambda: len(ear.items) >= 2)
    closed = candles_of(venue.tape, Timeframe.M1)[:-1]
    assert ear.items == closed
    spans = [batch.covered for batch in ear.batches if batch.covered]
    assert spans[0][0] == closed[0].ts
    assert all(before[1] == after[0] for before, after in pairwise(spans))


async def test_candle_off_the_grid_of_its_timeframe_is_refused(venue: ScriptedStreams) -> None:
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as manager:
        five = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M5)
        venue.happen(400)
        venue.wrong_width = True
        venue.made = lambda timeframe: candles_of(venue.tape, Timeframe.M1)  # type: ignore[method-assign]
        ear = Ear(manager, five)
        await ear.until(lambda: ear.status.messages >= 1)
        venue.happen(1)
        await ear.until(lambda: ear.status.reconnects >= 1)
        assert all(item.ts.minute % 5 == 0 for item in ear.items)


class _Paging(ScriptedStreams):
    """Candles of 300 windows from where it is asked, and no further."""

    async def candles(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> Sequence[Candle]:
        told = await super().candles(symbol, timeframe, since)
        return [one for one in told if since is None or one.ts < since + 300 * timeframe.delta]

    def reach(self, timeframe: Timeframe) -> int | None:
        return None


async def test_candle_that_follows_a_silence_longer_than_a_page_is_told() -> None:
    venue = _Paging()
    async with WebSocketManager("coinbase", timing=FAST, halves=venue.halves) as manager:
        ear = Ear(manager, FeedKey("coinbase", BTC, Channel.CANDLES, Timeframe.M1))
        await ear.until(lambda: venue.subscriptions > 0)
        venue.happen(70)
        manager.clock().told(venue.market_now)
        await ear.until(lambda: len(ear.items) >= 1)
        venue.happen(1, seconds=700 * 60.0)
        venue.happen(70)
        manager.clock().told(venue.market_now)
        closed = candles_of(venue.tape, Timeframe.M1)[:-1]
        await ear.until(lambda: len(ear.items) >= len(closed))
        assert ear.items == closed
        spans = [batch.covered for batch in ear.batches if batch.covered]
        assert all(before[1] == after[0] for before, after in pairwise(spans))


class _NewestOnly(ScriptedStreams):
    """Whatever it is asked for, it gives the newest candles, and says of itself that it pages."""

    async def candles(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> Sequence[Candle]:
        return [
            one for one in (await super().candles(symbol, timeframe, None))[-5:] if since is None or one.ts >= since
        ]

    def reach(self, timeframe: Timeframe) -> int | None:
        return None


async def test_candles_that_a_venue_gives_no_more_are_a_gap_and_not_windows_without_trades() -> None:
    venue = _NewestOnly()
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as manager:
        ear = Ear(manager, MINUTES)
        await ear.until(lambda: venue.subscriptions > 0)
        venue.happen(70)
        manager.clock().told(venue.market_now)
        await ear.until(lambda: len(ear.items) >= 1)
        venue.cut()
        venue.happen(60 * 60)
        manager.clock().told(venue.market_now)
        closed = candles_of(venue.tape, Timeframe.M1)[:-1]
        await ear.until(lambda: closed[-1] in ear.items)
        told = {one.ts for one in ear.items}
        spans = [batch.covered for batch in ear.batches if batch.covered]
        lost = [one.ts for one in closed if one.ts not in told]
        assert lost
        assert not any(start <= ts < end for ts in lost for start, end in spans)
        assert all(any(gap.start <= ts < gap.end for gap in ear.gaps) for ts in lost)


def test_broken_connection_does_not_forget_which_candle_was_not_told_yet() -> None:
    venue = ScriptedStreams()
    venue.happen(3, seconds=60.0)
    first, *later = candles_of(venue.tape, Timeframe.M1)
    track = CandleTrack(Timeframe.M1)
    track.note([first])
    track.forget()
    track.note(later)
    assert track.first() == first.ts
    track.skip_to(later[0].ts)
    assert track.first() == later[0].ts

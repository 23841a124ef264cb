"""What a listener sees of a feed whose stream breaks, hangs, lies or goes quiet.  No venue, no network: a scripted one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.streams import Channel, FeedKey, FeedSource, WebSocketManager
from kracken_tasks.exchange.streams.source import StreamTrouble
from kracken_tasks.exchange.streams.tracks import CandleTrack
from tests.support.listening import PATIENCE, Ear
from tests.support.streams import BTC, FAST, ScriptedStreams, candles_of

TRADES = FeedKey("kraken", BTC, Channel.TRADES)
TICKER = FeedKey("kraken", BTC, Channel.TICKER)
MINUTES = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M1)


@pytest.fixture
def venue() -> ScriptedStreams:
    return ScriptedStreams()


@pytest.fixture
async def manager(venue: ScriptedStreams) -> AsyncIterator[WebSocketManager]:
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as made:
        yield made
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:  # whoever listened has to be given the turn in which he ends
        _, left = await asyncio.wait(others, timeout=PATIENCE)
        assert left == set(), "tasks were left behind"


async def first_trades(ear: Ear, venue: ScriptedStreams, count: int = 3) -> None:
    """A session that works, and so many trades of it heard."""
    await ear.until(lambda: venue.subscriptions > 0)
    venue.happen(count)
    await ear.until(lambda: len(ear.items) >= count)


async def test_trades_lost_with_a_socket_are_fetched_before_newer_ones_are_told(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TRADES)
    await first_trades(ear, venue)
    venue.cut()
    venue.happen(12)
    await ear.until(lambda: len(ear.items) >= 15)
    assert ear.items == venue.tape
    assert ear.status.reconnects >= 1


async def test_jump_of_trade_ids_on_a_living_socket_is_filled(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TRADES)
    await first_trades(ear, venue)
    venue.mute()
    venue.happen(4)
    venue.loud()
    venue.happen(1)
    await ear.until(lambda: len(ear.items) >= 8)
    assert ear.items == venue.tape
    assert ear.status.filled >= 1


async def test_muted_stream_is_found_out_by_asking_and_not_by_waiting(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TRADES)
    await first_trades(ear, venue)
    venue.mute()
    venue.happen(2)
    manager.clock().told(venue.tape[-1].ts + timedelta(minutes=1))  # by now they are overdue
    await ear.until(lambda: len(ear.items) >= 5 and ear.status.reconnects >= 1)
    assert ear.items == venue.tape
    assert ear.batches[-1].source is FeedSource.POLLING


async def test_rejected_subscription_that_hangs_in_the_library_falls_back_to_polling_and_returns(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    venue.happen(1)
    venue.reject()
    ear = Ear(manager, TICKER)
    await ear.until(lambda: bool(ear.batches))
    await ear.until(lambda: ear.status.source is FeedSource.POLLING and "refused" in ear.status.trouble)
    assert ear.batches[0].source is FeedSource.POLLING
    venue.accept()
    venue.happen(1)
    await ear.until(lambda: ear.status.source is FeedSource.STREAM)


async def test_quiet_pair_whose_rest_agrees_keeps_its_subscription(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TRADES)
    await first_trades(ear, venue)
    polls = ear.status.polls
    await ear.until(lambda: ear.status.polls >= polls + 4)
    assert ear.status.reconnects == 0
    assert ear.status.source is FeedSource.STREAM


async def test_feed_says_so_when_neither_stream_nor_rest_answers(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TICKER)
    await ear.until(lambda: bool(ear.batches) and ear.status.source is FeedSource.STREAM)
    venue.deaf()
    venue.reject()
    venue.cut()
    await ear.until(lambda: ear.status.source is FeedSource.NONE)
    confirmed = ear.status.confirmed_at
    await ear.until(lambda: len(venue.questions) >= 3)
    assert ear.status.confirmed_at == confirmed


async def test_hole_that_rest_does_not_fill_in_time_is_told_as_a_gap() -> None:
    venue = ScriptedStreams()
    hasty = replace(FAST, patience=0.05)
    async with WebSocketManager("kraken", timing=hasty, halves=venue.halves) as manager:
        ear = Ear(manager, TRADES)
        await first_trades(ear, venue)
        venue.deaf()
        venue.mute()
        venue.happen(3)
        venue.loud()
        venue.happen(1)
        await ear.until(lambda: bool(ear.gaps) and len(ear.items) >= 4)
        assert [trade.trade_id for trade in ear.items] == [1, 2, 3, 7]
        (gap,) = ear.gaps
        assert venue.tape[2].ts < gap.start <= venue.tape[3].ts
        assert venue.tape[5].ts < gap.end <= venue.tape[6].ts
        assert "not to be had over REST" in gap.reason


async def test_hole_is_filled_although_rest_lags_behind_the_stream(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    ear = Ear(manager, TRADES)
    await first_trades(ear, venue)
    venue.lag = 3
    venue.cut()
    venue.happen(2)
    await ear.until(lambda: venue.subscriptions >= 2)
    venue.happen(1)
    asked = len(venue.questions)
    await ear.until(lambda: len(venue.questions) >= asked + 3)
    venue.lag = 0
    await ear.until(lambda: len(ear.items) >= 6)
    assert ear.items == venue.tape
    assert ear.gaps == []


async def test_feed_resumes_behind_the_trades_that_are_known(venue: ScriptedStreams, manager: WebSocketManager) -> None:
    venue.happen(20)
    ear = Ear(manager, TRADES, resume={TRADES: venue.tape[5:8]})
    await ear.until(lambda: len(ear.items) >= 12)
    assert ear.items == venue.tape[8:]


async def test_trades_without_consecutive_ids_are_joined_by_overlap() -> None:
    venue = ScriptedStreams(consecutive_ids=False)
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as manager:
        ear = Ear(manager, TRADES)
        await first_trades(ear, venue)
        venue.cut()
        venue.happen(4)
        await ear.until(lambda: venue.subscriptions >= 2)
        venue.happen(1)
        await ear.until(lambda: len(ear.items) >= 8)
        assert ear.items == venue.tape


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


async def test_channel_that_a_venue_does_not_stream_is_polled_and_is_no_trouble(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    venue.not_streamed = {Channel.TRADES}
    ear = Ear(manager, TRADES)
    await ear.until(lambda: ear.status.polls >= 1)
    venue.happen(4)
    manager.clock().told(venue.market_now)
    await ear.until(lambda: len(ear.items) == 4)
    assert ear.items == venue.tape
    assert (ear.status.source, ear.status.reconnects, ear.status.trouble) == (FeedSource.POLLING, 0, "")
    assert venue.subscriptions == 0


async def test_unlisted_symbol_ends_the_listening_with_a_sentence(venue: ScriptedStreams) -> None:
    class Unlisted(ScriptedStreams):
        async def next_items(self, key: FeedKey) -> Any:
            raise Misconfigured("kraken lists no FOO/BAR", symbol=key.symbol)

    async with WebSocketManager("kraken", timing=FAST, halves=Unlisted().halves) as manager:
        with pytest.raises(Misconfigured, match="lists no"):
            await asyncio.wait_for(anext(manager.ticker("FOO/BAR")), PATIENCE)


async def test_a_symbol_taken_off_the_list_later_is_trouble_of_its_own_feed_and_no_other() -> None:
    class Delisting(ScriptedStreams):
        delisted = False

        async def next_items(self, key: FeedKey) -> Any:
            if self.delisted and key == TRADES:
                raise Misconfigured("kraken lists no BTC/USD", symbol=key.symbol)
            return await super().next_items(key)

    venue = Delisting()
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as manager:
        ear = Ear(manager, TRADES, TICKER)
        await first_trades(ear, venue, 6)
        venue.delisted = True
        venue.cut()
        await ear.until(lambda: "lists no" in ear.status.trouble)
        heard = [batch for batch in ear.batches if batch.key == TICKER]
        venue.happen(3)
        await ear.until(lambda: len([batch for batch in ear.batches if batch.key == TICKER]) > len(heard))


async def test_two_listeners_share_one_subscription_and_both_hear_everything(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    one = Ear(manager, TRADES)
    await first_trades(one, venue)
    two = Ear(manager, TRADES)
    await two.until(lambda: len(manager._listeners) == 2)
    venue.happen(5)
    await two.until(lambda: len(two.items) >= 5)
    await one.until(lambda: len(one.items) >= 8)
    assert venue.subscriptions == 1
    assert one.items[-5:] == two.items


async def test_callbacks_hear_what_iterators_hear(venue: ScriptedStreams, manager: WebSocketManager) -> None:
    heard: list[Any] = []
    task = manager.on_trade(heard.append, BTC)
    ear = Ear(manager, TRADES)
    await first_trades(ear, venue)
    await ear.until(lambda: len(heard) >= 3)
    assert heard == venue.tape
    task.cancel()


async def test_closing_ends_iterators_instead_of_leaving_them_waiting(venue: ScriptedStreams) -> None:
    manager = WebSocketManager("kraken", timing=FAST, halves=venue.halves)
    ear = Ear(manager, TRADES)
    await first_trades(ear, venue)
    await manager.close()
    async with asyncio.timeout(PATIENCE):
        await ear.task


def test_stream_trouble_is_a_thing_to_retry() -> None:
    assert "silent" in str(StreamTrouble("silent", feed="kraken BTC/USD trades"))


@pytest.mark.parametrize("consecutive", [True, False])
async def test_rest_that_no_longer_reaches_the_newest_trade_seen_leaves_a_told_gap(consecutive: bool) -> None:
    venue = ScriptedStreams(consecutive_ids=consecutive)
    venue.not_streamed.add(Channel.TRADES)
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as manager:
        ear = Ear(manager, TRADES)
        await ear.until(lambda: "trades" in venue.questions)
        venue.happen(3)
        await ear.until(lambda: len(ear.items) == 3)
        venue.deaf()
        venue.happen(12)
        venue.trades_reach = 4
        venue.answer()
        await ear.until(lambda: len(ear.items) >= 7)
    assert ear.items == [*venue.tape[:3], *venue.tape[11:]]
    (gap,) = ear.gaps
    assert venue.tape[2].ts < gap.start <= venue.tape[3].ts
    assert venue.tape[10].ts < gap.end <= venue.tape[11].ts
    assert all(batch.covered[0] >= gap.end or batch.covered[1] <= gap.start for batch in ear.batches if batch.covered)


async def test_polling_that_reaches_back_far_enough_tells_no_gap() -> None:
    venue = ScriptedStreams(consecutive_ids=False)
    venue.not_streamed.add(Channel.TRADES)
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as manager:
        ear = Ear(manager, TRADES)
        await ear.until(lambda: "trades" in venue.questions)
        venue.happen(3)
        await ear.until(lambda: len(ear.items) == 3)
        venue.deaf()
        venue.happen(12)
        venue.answer()
        await ear.until(lambda: len(ear.items) == 15)
    assert ear.items == venue.tape
    assert ear.gaps == []


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

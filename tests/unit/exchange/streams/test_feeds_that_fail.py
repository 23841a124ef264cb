"""What a listener sees of a feed whose stream breaks, hangs, lies or goes quiet.  No venue, no network: a scripted one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.exchange.streams import Channel, FeedKey, FeedSource, WebSocketManager
from kracken_tasks.exchange.streams.source import StreamTrouble
from tests.support.listening import Ear, first_trades
from tests.support.streams import BTC, FAST, ScriptedStreams

TRADES = FeedKey("kraken", BTC, Channel.TRADES)
TICKER = FeedKey("kraken", BTC, Channel.TICKER)
MINUTES = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M1)


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

"""Who listens to a feed: several share it, the late are brought what they missed, and each hears how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.streams import Channel, FeedKey, WebSocketManager
from tests.support.listening import PATIENCE, Ear, first_trades
from tests.support.streams import BTC, FAST, ScriptedStreams

TRADES = FeedKey("kraken", BTC, Channel.TRADES)
TICKER = FeedKey("kraken", BTC, Channel.TICKER)
MINUTES = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M1)


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


async def test_a_second_listener_is_brought_what_happened_since_it_last_listened_although_the_feed_runs(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    first = Ear(manager, TRADES)
    await first_trades(first, venue, 12)
    second = Ear(manager, TRADES, resume={TRADES: venue.tape[1:3]})
    await second.until(lambda: len(second.items) >= 9)
    venue.happen(4)
    await second.until(lambda: len(second.items) >= 13)
    assert second.items == venue.tape[3:]
    assert first.items[: len(venue.tape)] == venue.tape


async def test_a_second_listener_misses_nothing_that_happens_while_its_past_is_fetched(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    first = Ear(manager, TRADES)
    await first_trades(first, venue, 12)
    venue.lag = 2
    asked = len(venue.questions)
    second = Ear(manager, TRADES, resume={TRADES: venue.tape[:1]})
    await second.until(lambda: len(venue.questions) > asked)
    venue.happen(3)
    await second.until(lambda: len(venue.questions) > asked + 6)
    venue.happen(5)
    await second.until(lambda: len(second.items) >= 19)
    assert second.items == venue.tape[1:]
    assert second.gaps == []


async def test_a_second_listener_is_brought_the_past_of_a_feed_on_which_nothing_has_happened_yet(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    venue.happen(12)
    venue.deaf()
    first = Ear(manager, TRADES)
    await first.until(lambda: venue.subscriptions > 0)
    second = Ear(manager, TRADES, resume={TRADES: venue.tape[1:3]})
    await second.until(lambda: venue.questions.count("trades") > 2)
    venue.answer()
    await second.until(lambda: len(second.items) >= 9)
    venue.happen(2)
    await second.until(lambda: len(second.items) >= 11)
    assert second.items == venue.tape[3:]


async def test_a_past_that_cannot_be_had_is_told_to_the_second_listener_as_a_gap() -> None:
    venue = ScriptedStreams()
    async with WebSocketManager("kraken", timing=replace(FAST, patience=0.03), halves=venue.halves) as manager:
        first = Ear(manager, TRADES)
        await first_trades(first, venue, 12)
        venue.deaf()
        second = Ear(manager, TRADES, resume={TRADES: venue.tape[:3]})
        await second.until(lambda: len(second.gaps) == 1)
        venue.answer()
        venue.happen(2)
        await second.until(lambda: len(second.items) >= 2)
    (gap,) = second.gaps
    assert gap.start > venue.tape[2].ts
    assert gap.end <= venue.tape[11].ts
    assert "not to be had over REST" in gap.reason
    assert first.gaps == []


async def test_a_past_beyond_the_venues_reach_is_told_to_the_second_listener_as_a_gap() -> None:
    venue = ScriptedStreams(consecutive_ids=False)
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as manager:
        first = Ear(manager, TRADES)
        await first_trades(first, venue, 12)
        venue.trades_reach = 4
        second = Ear(manager, TRADES, resume={TRADES: venue.tape[:3]})
        await second.until(lambda: len(second.items) >= 4)
    assert second.items == venue.tape[8:]
    assert [(gap.start > venue.tape[2].ts, gap.end) for gap in second.gaps] == [(True, venue.tape[8].ts)]


async def test_candles_that_run_cannot_begin_again_for_a_second_listener(
    venue: ScriptedStreams, manager: WebSocketManager
) -> None:
    first = Ear(manager, MINUTES)
    await first.until(lambda: venue.subscriptions > 0)
    second = Ear(manager, MINUTES, resume={MINUTES: venue.market_now})
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(Misconfigured, match="begun by another listener"):
            await second.task

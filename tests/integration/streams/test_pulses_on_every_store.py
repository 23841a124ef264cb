"""Pulses of feeds lie where the lake lies: in a folder or in a bucket, told by one process and read by another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import BadData
from kracken_tasks.exchange.streams import Channel, FeedKey, FeedSource, FeedStatus
from kracken_tasks.feeds import FeedBoard
from kracken_tasks.lake import Store
from tests.support.lake_stores import STORES, store_of

NOON = utc(2024, 3, 1, 12)
STATUS = FeedStatus(
    FeedKey("kraken", "BTC/USD", Channel.TICKER), FeedSource.STREAM, NOON, NOON, 0.0, 0.1, 1, 1, 0, 0, 0, 0, 0, ""
)  # fmt: skip


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


def later(seconds: float) -> FeedStatus:
    return replace(STATUS, confirmed_at=NOON + timedelta(seconds=seconds))


def test_a_pulse_replaces_the_one_before_and_is_gone_when_it_is_taken_away(store: Store) -> None:
    board, elsewhere = FeedBoard(store), FeedBoard(store)
    for second in range(3):
        board.beat("kraken", "one", [later(second)], now=NOON + timedelta(seconds=second))
    (pulse,) = elsewhere.pulses("kraken")
    assert pulse.confirmed_at == NOON + timedelta(seconds=2)
    assert pulse.age(NOON + timedelta(seconds=5)) == 3.0
    board.retire("kraken", "one")
    assert elsewhere.pulses("kraken") == ()
    assert elsewhere.pulse("kraken", "BTC/USD", now=NOON) is None


def test_the_freshest_of_several_recorders_counts_and_the_dead_one_is_not_asked(store: Store) -> None:
    board = FeedBoard(store)
    board.beat("kraken", "dead", [STATUS], now=NOON)
    board.beat("kraken", "alive", [later(60)], now=NOON + timedelta(seconds=60))
    pulse = board.pulse("kraken", "BTC/USD", now=NOON + timedelta(seconds=61))
    assert pulse is not None
    assert pulse.holder == "alive"
    assert board.pulse("kraken", "ETH/USD", now=NOON) is None
    assert board.pulse("binance", "BTC/USD", now=NOON) is None


def test_quotes_count_before_trades_and_trades_where_no_quotes_are_recorded(store: Store) -> None:
    board = FeedBoard(store)
    trades = replace(later(30), key=FeedKey("kraken", "BTC/USD", Channel.TRADES))
    board.beat("kraken", "one", [STATUS, trades], now=NOON)
    pulse = board.pulse("kraken", "BTC/USD", now=NOON + timedelta(seconds=30))
    assert pulse is not None
    assert pulse.channel is Channel.TICKER
    board.beat("kraken", "one", [trades], now=NOON)
    pulse = board.pulse("kraken", "BTC/USD", now=NOON + timedelta(seconds=30))
    assert pulse is not None
    assert pulse.channel is Channel.TRADES


def test_a_feed_that_brought_nothing_yet_is_endlessly_old(store: Store) -> None:
    board = FeedBoard(store)
    board.beat("kraken", "one", [replace(STATUS, confirmed_at=None)], now=NOON)
    pulse = board.pulse("kraken", "BTC/USD", now=NOON)
    assert pulse is not None
    assert pulse.age(NOON) == float("inf")
    assert "brought nothing yet" in pulse.sentence(NOON)


def test_something_else_under_the_name_of_a_pulse_is_refused_and_not_taken_for_health(store: Store) -> None:
    store.put_scratch("_feeds/kraken/odd.json", b'{"format": 2}')
    with pytest.raises(BadData, match="no pulse"):
        FeedBoard(store).pulses("kraken")


TRADES = FeedKey("kraken", "BTC/USD", Channel.TRADES)


def test_a_dead_recorder_of_quotes_does_not_hide_a_living_one_of_trades(store: Store) -> None:
    board = FeedBoard(store)
    board.beat("kraken", "dead", [STATUS], now=NOON)
    board.beat("kraken", "alive", [replace(later(60), key=TRADES)], now=NOON + timedelta(seconds=60))
    pulse = board.pulse("kraken", "BTC/USD", now=NOON + timedelta(seconds=61))
    assert pulse is not None
    assert (pulse.holder, pulse.channel) == ("alive", Channel.TRADES)


def test_a_dead_pulse_blocks_until_others_record_its_symbols_or_a_day_has_gone(store: Store) -> None:
    board = FeedBoard(store)
    ether = replace(STATUS, key=FeedKey("kraken", "ETH/USD", Channel.TICKER))
    board.beat("kraken", "dead", [STATUS, ether], now=NOON)
    hour = NOON + timedelta(hours=1)
    board.beat("kraken", "half", [replace(STATUS, confirmed_at=hour)], now=hour)
    assert board.sweep("kraken", now=hour) == 0, "nobody else records ether"
    pulse = board.pulse("kraken", "ETH/USD", now=hour)
    assert pulse is not None
    assert pulse.age(hour) == 3600
    board.beat("kraken", "whole", [replace(STATUS, confirmed_at=hour), replace(ether, confirmed_at=hour)], now=hour)
    assert board.sweep("kraken", now=hour) == 1
    assert {pulse.holder for pulse in board.pulses("kraken")} == {"half", "whole"}
    tomorrow = hour + timedelta(days=1, seconds=1)
    assert board.pulse("kraken", "ETH/USD", now=tomorrow) is None
    assert board.sweep("kraken", now=tomorrow) == 2
    assert board.pulses("kraken") == ()


def test_a_living_recorder_sweeps_up_after_the_dead_by_itself(store: Store) -> None:
    board = FeedBoard(store)
    board.beat("kraken", "dead", [STATUS], now=NOON)
    for minutes in (1, 9, 20):
        board.beat("kraken", "alive", [later(60 * minutes)], now=NOON + timedelta(minutes=minutes))
    assert {pulse.holder for pulse in board.pulses("kraken")} == {"alive"}

"""The planner takes the cheapest source that can really answer, says why, and never passes over a hole in silence."""

from __future__ import annotations

from datetime import timedelta

from kracken_tasks.candles.sources import Offers, Source, choose_sources, fill_command, trade_calls
from kracken_tasks.candles.windows import Window
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe

KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
START, REACH, NOW = utc(2025, 1, 1), utc(2025, 3, 1), utc(2025, 3, 31)
ALL = [(START, NOW)]


def test_a_hole_across_the_reach_is_cut_there_and_each_part_gets_its_source() -> None:
    older, newer = choose_sources(KEY, ALL, Offers(REACH, trades_a_day=10_000, seconds_a_call=1.2))
    assert (older.source, older.window, older.calls) == (Source.TRADES, Window(START, REACH), 590)
    assert older.seconds == 590 * 1.2
    assert older.reason == "about 590 calls for 10,000 trades a day"
    assert older.passed_over[1] == "ohlc: kraken gives none before 2025-03-01T00:00:00Z"
    assert (newer.source, newer.window, newer.calls) == (Source.OHLC, Window(REACH, NOW), 1)
    assert newer.passed_over[-1] == "trades: about 300 calls for 10,000 trades a day, dearer"


def test_a_file_that_holds_a_part_is_cheaper_than_any_call() -> None:
    file = Window(utc(2025, 1, 10), utc(2025, 3, 10))
    legs = choose_sources(KEY, ALL, Offers(REACH, archive=(file,), trades_a_day=1.0))
    assert [(leg.source, leg.window.start) for leg in legs] == [
        (Source.TRADES, START),
        (Source.ARCHIVE, file.start),
        (Source.ARCHIVE, REACH),
        (Source.OHLC, file.end),
    ]
    assert [leg.calls for leg in legs] == [1, 0, 0, 1]


def test_one_call_brings_all_holes_within_the_reach() -> None:
    holes = [(REACH, REACH + timedelta(hours=2)), (NOW - timedelta(hours=1), NOW)]
    assert [leg.calls for leg in choose_sources(KEY, holes, Offers(REACH))] == [1, 0]


def test_what_no_source_can_give_is_a_leg_that_says_so_for_every_source() -> None:
    [leg] = choose_sources(KEY, [(START, REACH)], Offers(REACH, trades_a_day=10_000, most_calls=25))
    assert (leg.source, leg.calls, leg.reason) == (None, 0, "no source can give it")
    assert [told.partition(":")[0] for told in leg.passed_over] == ["archive", "ohlc", "trades"]
    assert leg.passed_over[2].endswith("more than the 25 allowed here")


def test_a_source_that_was_not_asked_for_is_not_taken() -> None:
    legs = choose_sources(KEY, ALL, Offers(REACH, trades_a_day=1.0, allowed=frozenset({Source.OHLC})))
    assert [leg.source for leg in legs] == [None, Source.OHLC]
    assert "trades: not asked for" in legs[0].passed_over


def test_trades_of_a_venue_that_tells_only_its_newest_are_never_taken_for_history() -> None:
    key = SeriesKey("bitstamp", "BTC/USD", Timeframe.H1)
    [leg] = choose_sources(key, [(START, REACH)], Offers(REACH, trades_a_day=1.0))
    assert leg.source is None
    assert leg.passed_over[2] == "trades: bitstamp does not tell every trade back to its first"


def test_a_width_the_venue_cannot_give_comes_from_trades() -> None:
    [leg] = choose_sources(KEY, ALL, Offers(None, trades_a_day=100.0))
    assert leg.source is Source.TRADES
    assert "ohlc: kraken has no candles that make 1h" in leg.passed_over


def test_pages_are_counted_up() -> None:
    day = Window(START, START + timedelta(days=1))
    assert [trade_calls(day, rate) for rate in (0.0, 1.0, 1_000.0, 1_001.0)] == [1, 1, 1, 2]


def test_the_command_that_fills_a_hole_can_be_copied() -> None:
    assert fill_command(KEY, Window(START, REACH)) == (
        "kracken backfill BTC/USD --exchange kraken --from 2025-01-01T00:00:00Z --to 2025-03-01T00:00:00Z --timeframes 1h"
    )

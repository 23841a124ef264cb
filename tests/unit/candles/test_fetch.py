"""A fetch drops the running candle by its time, notices a late first row, and covers what the venue answered for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from kracken_tasks.candles.fetch import fetch
from kracken_tasks.candles.windows import GapCause, Plan, Window, plan
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, SeriesKey, Timeframe
from kracken_tasks.errors import BadData
from tests.support.candle_source import CandleVenue, candles_between

KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
NOW = utc(2026, 1, 10, 12, 20)
HOUR = timedelta(hours=1)
LAST = utc(2026, 1, 10, 12)


def everything(start: datetime, reach: int | None = None) -> Plan:
    return plan(KEY, asked_from=start, now=NOW, missing=[(start, NOW)], reach=reach)


def test_the_running_candle_is_dropped_by_its_time_even_if_it_is_not_last() -> None:
    venue = CandleVenue(candles_between(utc(2026, 1, 10), utc(2026, 1, 10, 13), Timeframe.H1), now=NOW)
    told = fetch(venue, everything(utc(2026, 1, 10)), NOW)
    assert told.frame["ts"].max() == utc(2026, 1, 10, 11)
    assert len(told.frame) == 12
    assert tuple(told.frame.columns) == CANDLE_COLUMNS


def test_candles_that_close_while_the_answer_travels_wait_for_the_next_fetch() -> None:
    venue = CandleVenue(candles_between(utc(2026, 1, 10), utc(2026, 1, 10, 15), Timeframe.H1), now=NOW + 2 * HOUR)
    assert fetch(venue, everything(utc(2026, 1, 10)), NOW).frame["ts"].max() == utc(2026, 1, 10, 11)


def test_a_venue_that_begins_later_than_asked_leaves_a_typed_gap() -> None:
    candles = candles_between(LAST - 800 * HOUR, LAST + HOUR, Timeframe.H1)
    venue = CandleVenue(candles, now=NOW, reach=720)
    told = fetch(venue, everything(LAST - 800 * HOUR, reach=None), NOW)  # a planner that was told of no reach
    [gap] = told.gaps
    assert gap.cause is GapCause.LATE_START
    assert gap.window == Window(LAST - 800 * HOUR, LAST - 719 * HOUR)
    assert told.covered == (Window(LAST - 719 * HOUR, LAST),)
    assert len(told.frame) == 719


def test_a_full_answer_that_is_a_few_rows_short_still_counts_as_cut() -> None:
    candles = candles_between(LAST - 719 * HOUR, LAST + HOUR, Timeframe.H1, without=tuple(range(12)))
    told = fetch(CandleVenue(candles, now=NOW, reach=720), everything(LAST - 719 * HOUR, reach=720), NOW)
    assert [gap.cause for gap in told.gaps] == [GapCause.LATE_START]
    assert told.gaps[0].candles == 12


def test_a_quiet_start_in_an_answer_that_was_not_cut_is_covered_and_no_gap() -> None:
    candles = candles_between(utc(2026, 1, 10, 4), utc(2026, 1, 10, 13), Timeframe.H1)
    told = fetch(CandleVenue(candles, now=NOW, reach=720), everything(utc(2026, 1, 10), reach=720), NOW)
    assert told.gaps == ()
    assert told.covered == (Window(utc(2026, 1, 10), LAST),)
    assert len(told.frame) == 8


def test_an_answer_cut_where_no_rule_says_so_is_a_gap_and_no_silence() -> None:
    candles = candles_between(LAST - 300 * HOUR, LAST + HOUR, Timeframe.H1)
    told = fetch(CandleVenue(candles, now=NOW, reach=720), everything(LAST - 719 * HOUR, reach=720), NOW)
    assert [(gap.cause, gap.candles) for gap in told.gaps] == [(GapCause.LATE_START, 419)]
    assert told.covered == (Window(LAST - 300 * HOUR, LAST),)


def test_no_row_at_all_covers_nothing() -> None:
    told = fetch(CandleVenue(now=NOW, reach=720), everything(utc(2026, 1, 10), reach=720), NOW)
    assert (len(told.frame), told.covered) == (0, ())
    assert [gap.cause for gap in told.gaps] == [GapCause.NO_ANSWER]


def test_two_windows_are_fetched_in_one_call_and_nothing_between_them_is_kept() -> None:
    holes = [(utc(2026, 1, 10, 1), utc(2026, 1, 10, 3)), (utc(2026, 1, 10, 6), utc(2026, 1, 10, 7))]
    venue = CandleVenue(candles_between(utc(2026, 1, 1), utc(2026, 1, 10, 13), Timeframe.H1), now=NOW, reach=720)
    told = fetch(venue, plan(KEY, asked_from=utc(2026, 1, 9), now=NOW, missing=holes, reach=720), NOW)
    assert venue.asked == [utc(2026, 1, 10, 1)]
    assert told.frame["ts"].dt.hour.tolist() == [1, 2, 6]
    assert told.calls == 1


def test_a_venue_that_pages_forward_is_asked_until_it_has_caught_up() -> None:
    venue = CandleVenue(candles_between(utc(2026, 1, 1), utc(2026, 1, 10, 13), Timeframe.H1), now=NOW, page=100)
    told = fetch(venue, everything(utc(2026, 1, 1)), NOW)
    assert len(told.frame) == 9 * 24 + 12
    assert told.calls == 3
    assert told.gaps == ()


def test_a_silence_longer_than_a_page_is_not_taken_for_the_end_of_the_market() -> None:
    market = candles_between(utc(2025, 10, 1), utc(2026, 1, 10, 13), Timeframe.H1)
    silent = (market["ts"] >= utc(2025, 10, 20)) & (market["ts"] < utc(2025, 12, 1))  # a thousand hours
    venue = CandleVenue(market[~silent].reset_index(drop=True), now=NOW, windows=300)
    told = fetch(venue, everything(utc(2025, 10, 1)), NOW)
    assert len(told.frame) == len(market) - silent.sum() - 1  # the running one
    assert (told.gaps, [(w.start, w.end) for w in told.covered]) == ((), [(utc(2025, 10, 1), LAST)])
    assert told.calls == len(venue.asked) < 12


def test_a_market_that_began_pages_after_the_moment_asked_for_is_found_and_its_beginning_told() -> None:
    market = candles_between(utc(2025, 12, 24, 7), utc(2026, 1, 10, 13), Timeframe.H1)
    told = fetch(CandleVenue(market, now=NOW, windows=300), everything(utc(2025, 10, 1)), NOW)
    assert len(told.frame) == len(market) - 1
    [gap] = told.gaps
    assert (gap.cause, gap.window) == (GapCause.LATE_START, Window(utc(2025, 10, 1), utc(2025, 12, 24, 7)))


def test_what_the_plan_called_unreachable_stays_in_the_answer() -> None:
    start = LAST - 1000 * HOUR
    venue = CandleVenue(candles_between(start, LAST + HOUR, Timeframe.H1), now=NOW, reach=720)
    told = fetch(venue, everything(start, reach=720), NOW)
    assert [gap.cause for gap in told.gaps] == [GapCause.BEYOND_REACH]
    assert len(told.frame) + sum(gap.candles for gap in told.gaps) == 1000


def test_a_complete_plan_makes_no_call() -> None:
    venue = CandleVenue(now=NOW, reach=720)
    told = fetch(venue, plan(KEY, asked_from=utc(2026, 1, 10), now=NOW, missing=[], reach=720), NOW)
    assert (told.calls, venue.asked, len(told.frame)) == (0, [], 0)


def test_a_candle_off_the_grid_is_bad_data_and_names_the_series() -> None:
    candles = candles_between(utc(2026, 1, 10), utc(2026, 1, 10, 13), Timeframe.H1)
    candles.loc[3, "ts"] += pd.Timedelta(minutes=7)
    with pytest.raises(BadData, match="off the grid") as caught:
        fetch(CandleVenue(candles, now=NOW), everything(utc(2026, 1, 10)), NOW)
    assert caught.value.fields["series"] == "kraken BTC/USD 1h"

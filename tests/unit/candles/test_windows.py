"""The planner asks for what is missing and reachable, and says what is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kracken_tasks.candles.windows import GapCause, Window, plan
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe

KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
NOW = utc(2026, 1, 10, 12, 20)
HOUR = timedelta(hours=1)


def test_only_what_is_missing_is_asked_for() -> None:
    told = plan(
        KEY, asked_from=utc(2026, 1, 10), now=NOW, missing=[(utc(2026, 1, 10, 3), utc(2026, 1, 10, 5))], reach=720
    )
    assert told.windows == (Window(utc(2026, 1, 10, 3), utc(2026, 1, 10, 5)),)
    assert told.unreachable == ()
    assert told.candles == 2


def test_the_running_candle_is_never_asked_for() -> None:
    told = plan(KEY, asked_from=utc(2026, 1, 10), now=NOW, missing=[(utc(2026, 1, 10), utc(2026, 1, 11))], reach=720)
    assert told.windows == (Window(utc(2026, 1, 10), utc(2026, 1, 10, 12)),)


def test_a_candle_that_closes_this_very_moment_is_asked_for() -> None:
    told = plan(
        KEY, asked_from=utc(2026, 1, 10), now=utc(2026, 1, 10, 12), missing=[(utc(2026, 1, 10), NOW)], reach=720
    )
    assert told.windows[-1].end == utc(2026, 1, 10, 12)


def test_holes_that_touch_or_overlap_become_one_window() -> None:
    holes = [
        (utc(2026, 1, 10, 4), utc(2026, 1, 10, 6)),
        (utc(2026, 1, 10, 2), utc(2026, 1, 10, 4)),
        (utc(2026, 1, 10, 5), utc(2026, 1, 10, 7)),
    ]
    told = plan(KEY, asked_from=utc(2026, 1, 10), now=NOW, missing=holes, reach=None)
    assert told.windows == (Window(utc(2026, 1, 10, 2), utc(2026, 1, 10, 7)),)


def test_an_hour_candle_thirty_one_days_back_is_out_of_reach_and_said_so() -> None:
    start = utc(2025, 12, 1)
    told = plan(KEY, asked_from=start, now=NOW, missing=[(start, NOW)], reach=720)
    oldest = utc(2026, 1, 10, 12) - 719 * HOUR
    assert told.windows == (Window(oldest, utc(2026, 1, 10, 12)),)
    [gap] = told.unreachable
    assert gap.window == Window(start, oldest)
    assert gap.cause is GapCause.BEYOND_REACH
    assert gap.candles + told.candles == (utc(2026, 1, 10, 12) - start) // HOUR
    assert "720" in gap.detail
    assert "archive" in gap.detail


def test_a_hole_wholly_out_of_reach_leaves_nothing_to_ask_but_a_gap() -> None:
    told = plan(KEY, asked_from=utc(2020, 1, 1), now=NOW, missing=[(utc(2020, 1, 1), utc(2020, 1, 2))], reach=720)
    assert told.windows == ()
    assert [gap.window for gap in told.unreachable] == [Window(utc(2020, 1, 1), utc(2020, 1, 2))]
    assert not told.complete


def test_nothing_missing_is_a_complete_plan() -> None:
    assert plan(KEY, asked_from=utc(2026, 1, 10), now=NOW, missing=[], reach=720).complete


def test_a_start_between_two_candles_begins_at_the_next_one() -> None:
    told = plan(KEY, asked_from=utc(2026, 1, 10, 3, 30), now=NOW, missing=[(utc(2026, 1, 10), NOW)], reach=None)
    assert told.windows[0].start == utc(2026, 1, 10, 4)


def test_before_the_first_candle_has_closed_there_is_nothing_to_plan() -> None:
    told = plan(KEY, asked_from=utc(2026, 1, 10, 12), now=NOW, missing=[(utc(2026, 1, 10, 12), NOW)], reach=720)
    assert (told.asked, told.windows, told.unreachable) == (None, (), ())


def test_weeks_open_on_monday() -> None:
    weekly = SeriesKey("kraken", "BTC/USD", Timeframe.W1)
    told = plan(weekly, asked_from=utc(2025, 12, 3), now=NOW, missing=[(utc(2025, 12, 1), NOW)], reach=None)
    assert told.windows == (Window(utc(2025, 12, 8), utc(2026, 1, 5)),)


def test_an_empty_window_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="empty"):
        Window(NOW, NOW)

"""Coarser candles: exact sums, Monday weeks, calendar months, and no bucket of which a part is unknown."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.candles.aggregate import MONTH, Width, aggregate, base_for
from kracken_tasks.candles.frames import candle_frame
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, CandleSource, Timeframe
from kracken_tasks.errors import Misconfigured

START = utc(2024, 1, 1)  # a Monday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def candles(count: int, width: Timeframe, start: datetime = START, volume: float = 0.1) -> pd.DataFrame:
    close = 100.0 + np.arange(count)
    opens = [start + width.delta * at for at in range(count)]
    columns = {"ts": pd.DatetimeIndex(opens), "open": close - 1, "high": close + 2, "low": close - 3, "close": close}
    figures = {"volume": np.full(count, volume), "vwap": close, "trades": pd.array([3] * count, dtype="Int64")}
    return candle_frame({**columns, **figures}, CandleSource.TRADES)


def test_a_day_of_hours_opens_with_its_first_closes_with_its_last_and_adds_up_without_rounding() -> None:
    [row] = aggregate(candles(24, Timeframe.H1), Timeframe.H1, Timeframe.D1, [(START, START + DAY)]).frame.to_dict(
        "records"
    )
    assert (row["open"], row["high"], row["low"], row["close"]) == (99.0, 125.0, 97.0, 123.0)
    assert (row["volume"], row["trades"], row["source"]) == (
        2.4,
        72,
        "trades",
    )  # 24 times 0.1 in floats is 2.4000000000000004
    assert row["vwap"] == pytest.approx(111.5)


def test_an_average_price_is_weighted_by_volume_and_unknown_if_a_part_is() -> None:
    hours = candles(2, Timeframe.H1)
    hours["volume"] = [1.0, 3.0]
    assert aggregate(hours, Timeframe.H1, Timeframe.H2, [(START, START + DAY)]).frame["vwap"].tolist() == [100.75]
    hours.loc[1, "vwap"] = np.nan
    assert aggregate(hours, Timeframe.H1, Timeframe.H2, [(START, START + DAY)]).frame["vwap"].isna().all()


def test_a_count_is_unknown_as_soon_as_a_part_is() -> None:
    hours = candles(4, Timeframe.H1)
    hours.loc[1, "trades"] = pd.NA
    assert aggregate(hours, Timeframe.H1, Timeframe.H2, [(START, START + DAY)]).frame["trades"].tolist() == [pd.NA, 6]


def test_an_hour_without_trades_spoils_nothing_and_one_that_is_unknown_leaves_its_bucket_out() -> None:
    hours = candles(12, Timeframe.H1).drop(index=[1, 5]).reset_index(drop=True)
    known = [
        (START, START + 5 * HOUR),
        (START + 6 * HOUR, START + 12 * HOUR),
    ]  # 01:00 had no trades, 05:00 was not fetched
    made = aggregate(hours, Timeframe.H1, Timeframe.H4, known)
    assert made.frame["ts"].dt.hour.tolist() == [0, 8]
    assert made.frame["trades"].tolist() == [9, 12]
    assert made.known == ((START, START + 4 * HOUR), (START + 8 * HOUR, START + 12 * HOUR))


def test_a_bucket_in_which_nobody_traded_is_known_and_has_no_row() -> None:
    hours = candles(12, Timeframe.H1).drop(index=[4, 5, 6, 7]).reset_index(drop=True)
    made = aggregate(hours, Timeframe.H1, Timeframe.H4, [(START, START + 12 * HOUR)])
    assert made.frame["ts"].dt.hour.tolist() == [0, 8]
    assert made.known == ((START, START + 12 * HOUR),)


def test_the_running_bucket_and_one_that_began_before_are_left_out() -> None:
    hours = candles(30, Timeframe.H1, START + 3 * HOUR)
    made = aggregate(hours, Timeframe.H1, Timeframe.H12, [(START + 3 * HOUR, START + 33 * HOUR)])
    assert made.frame["ts"].tolist() == [pd.Timestamp(START + 12 * HOUR)]


def test_weeks_open_on_monday() -> None:
    days = candles(20, Timeframe.D1, START + 3 * DAY)
    made = aggregate(days, Timeframe.D1, Timeframe.W1, [(START + 3 * DAY, START + 23 * DAY)])
    assert made.frame["ts"].dt.day_name().tolist() == ["Monday", "Monday"]
    assert made.frame["open"].tolist() == [103.0, 110.0]


def test_months_are_as_long_as_the_calendar_says_also_in_a_leap_year() -> None:
    days = candles(91, Timeframe.D1)
    made = aggregate(days, Timeframe.D1, MONTH, [(START, START + 91 * DAY)])
    assert made.frame["ts"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert made.frame["trades"].tolist() == [93, 87, 93]
    assert made.known == ((START, utc(2024, 4, 1)),)
    partly = aggregate(days, Timeframe.D1, MONTH, [(START + DAY, START + 90 * DAY)])
    assert partly.frame["ts"].dt.month.tolist() == [2]


def test_a_december_is_followed_by_a_january() -> None:
    assert MONTH.next_open(utc(2024, 12, 31, 23)) == utc(2025, 1, 1)
    assert MONTH.floor(utc(2024, 12, 31, 23)) == utc(2024, 12, 1)


def test_nothing_known_gives_nothing_of_the_right_shape() -> None:
    made = aggregate(candles(5, Timeframe.H1), Timeframe.H1, Timeframe.D1, [])
    assert (len(made.frame), tuple(made.frame.columns), made.known) == (0, CANDLE_COLUMNS, ())


@pytest.mark.parametrize(
    ("base", "into"), [(Timeframe.H4, Timeframe.H6), (Timeframe.D1, Timeframe.D1), (Timeframe.W1, MONTH)]
)
def test_widths_that_do_not_fill_each_other_are_refused(base: Timeframe, into: Width) -> None:
    with pytest.raises(Misconfigured, match=f"{base.value} candles do not make {into.value} ones"):
        aggregate(candles(3, base), base, into, [(START, START + DAY)])


def test_the_coarsest_width_that_fits_is_taken() -> None:
    offered = [Timeframe.M1, Timeframe.H1, Timeframe.H4, Timeframe.D1]
    assert base_for(Timeframe.H6, offered) is Timeframe.H1
    assert base_for(Timeframe.H12, offered) is Timeframe.H4
    assert base_for(Timeframe.W1, offered) is Timeframe.D1
    assert base_for(Timeframe.M1, offered) is None

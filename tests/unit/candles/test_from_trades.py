"""Candles from trades: first and last by the venue's order, volume in exact lots, no row without a trade."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, Timeframe
from kracken_tasks.errors import BadData
from tests.support.candle_source import trades_at

T0 = utc(2026, 1, 10, 10)
MINUTE = timedelta(minutes=1)


def test_open_high_low_close_volume_vwap_and_count_of_one_hour() -> None:
    trades = trades_at([T0, T0 + MINUTE, T0 + 2 * MINUTE, T0 + 59 * MINUTE], [10, 12, 8, 11], [1, 2, 1, 4])
    [row] = candles_from_trades(trades, Timeframe.H1).to_dict("records")
    assert (row["open"], row["high"], row["low"], row["close"]) == (10, 12, 8, 11)
    assert (row["volume"], row["trades"], row["source"]) == (8, 4, "trades")
    assert row["vwap"] == (10 + 24 + 8 + 44) / 8


def test_an_hour_without_trades_has_no_row() -> None:
    frame = candles_from_trades(trades_at([T0, T0 + timedelta(hours=2)], [10, 11], [1, 1]), Timeframe.H1)
    assert frame["ts"].dt.hour.tolist() == [10, 12]


def test_a_trade_at_the_turn_of_the_hour_belongs_to_the_new_one() -> None:
    frame = candles_from_trades(trades_at([T0 - timedelta(milliseconds=1), T0], [10, 11], [1, 1]), Timeframe.H1)
    assert frame["close"].tolist() == [10, 11]


def test_volume_is_the_exact_sum_of_lots_not_of_floats() -> None:
    count = 1_000
    trades = trades_at([T0] * count, [1.0] * count, [0.1] * count)
    frame = candles_from_trades(trades, Timeframe.H1)
    assert frame["volume"].iloc[0] == 100.0
    assert np.add.reduce(np.array([0.1] * count), initial=0.0) != 0  # the float sum may be anything near


def test_volumes_too_large_for_whole_lots_are_summed_without_overflow() -> None:
    frame = candles_from_trades(trades_at([T0, T0], [1e-6, 1e-6], [9e10, 9e10]), Timeframe.H1)
    assert frame["volume"].iloc[0] == 1.8e11


def test_vwap_of_a_single_price_is_that_price_to_the_last_bit() -> None:
    frame = candles_from_trades(trades_at([T0] * 3, [0.1, 0.1, 0.1], [0.3, 0.1, 0.7]), Timeframe.H1)
    assert frame["low"].iloc[0] <= frame["vwap"].iloc[0] <= frame["high"].iloc[0]


def test_trades_of_zero_volume_leave_vwap_unknown() -> None:
    frame = candles_from_trades(trades_at([T0], [10], [0]), Timeframe.H1)
    assert np.isnan(frame["vwap"].iloc[0])


def test_a_candle_of_which_only_a_part_is_known_is_left_out() -> None:
    moments = [T0 - 10 * MINUTE, T0 + MINUTE, T0 + timedelta(hours=1, minutes=1)]
    trades = trades_at(moments, [1, 2, 3], [1, 1, 1])
    frame = candles_from_trades(trades, Timeframe.H1, covered=(moments[0], moments[-1]))
    assert frame["open"].tolist() == [2]


def test_no_trades_give_an_empty_frame_of_the_right_shape() -> None:
    frame = candles_from_trades(trades_at([], [], []), Timeframe.H1)
    assert (len(frame), tuple(frame.columns)) == (0, CANDLE_COLUMNS)


def test_trades_that_step_back_in_time_are_bad_data() -> None:
    with pytest.raises(BadData, match="trade 1 is older"):
        candles_from_trades(trades_at([T0, T0 - MINUTE], [1, 1], [1, 1]), Timeframe.H1)


def test_a_weekly_candle_opens_on_monday() -> None:
    frame = candles_from_trades(trades_at([utc(2026, 1, 7, 5)], [1], [1]), Timeframe.W1)
    assert frame["ts"].iloc[0] == utc(2026, 1, 5)


@pytest.mark.parametrize(("decimals", "shown"), [(1, 100.3), (2, 100.33), (None, 301 / 3)])
def test_an_average_price_is_rounded_as_the_venue_prints_it(decimals: int | None, shown: float) -> None:
    trades = trades_at([T0] * 3, [100.0, 100.0, 101.0], [0.5, 0.5, 0.5])
    assert candles_from_trades(trades, Timeframe.H1, price_decimals=decimals)["vwap"].iloc[0] == shown


@pytest.mark.parametrize(("price", "volume"), [(100.0, -1.0), (0.0, 1.0), (-5.0, 1.0)])
def test_an_impossible_trade_does_not_vanish_in_a_plausible_candle(price: float, volume: float) -> None:
    moments = [utc(2024, 1, 1, 0, minute) for minute in range(3)]
    with pytest.raises(BadData, match="trade 1 of"):
        candles_from_trades(trades_at(moments, [100.0, price, 101.0], [1.0, volume, 1.0]), Timeframe.H1)

"""The frame: one shape, refused when it cannot be one."""

from __future__ import annotations

import pandas as pd
import pytest

from kracken_tasks.candles.frames import candle_frame, closed_only, empty_candles, join_candles, off_grid
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, CandleSource, Timeframe
from kracken_tasks.errors import BadData
from tests.support.candle_source import candles_between

ROWS = {"ts": [3_600_000, 0], "open": [2, 1], "high": [2, 1], "low": [2, 1], "close": [2, 1], "volume": [2, 1]}


def test_any_order_of_rows_and_columns_comes_out_typed_and_sorted() -> None:
    frame = candle_frame(dict(reversed(ROWS.items())), CandleSource.ARCHIVE)
    assert tuple(frame.columns) == CANDLE_COLUMNS
    assert frame["open"].tolist() == [1.0, 2.0]
    assert frame["trades"].isna().all()
    assert frame["vwap"].isna().all()
    assert frame["source"].tolist() == ["archive", "archive"]


def test_an_empty_frame_is_typed_like_a_full_one() -> None:
    assert empty_candles().dtypes.equals(candle_frame(ROWS, CandleSource.OHLC).dtypes)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ts": [0, 0]}, "two candles"),
        ({"close": ["a", "b"]}, "wrong kind"),
        ({"ts": pd.date_range("2024-01-01", periods=2)}, "aware"),
    ],
)
def test_a_frame_that_cannot_be_one_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(BadData, match=told):
        candle_frame(ROWS | change, CandleSource.OHLC)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(BadData, match="volume"):
        candle_frame({name: cells for name, cells in ROWS.items() if name != "volume"}, CandleSource.OHLC)


def test_the_later_page_wins_where_two_tell_of_one_candle() -> None:
    first = candle_frame(ROWS, CandleSource.OHLC)
    second = candle_frame({**ROWS, "close": [9, 8]}, CandleSource.OHLC)
    assert join_candles([first, second])["close"].tolist() == [8.0, 9.0]
    assert len(join_candles([])) == 0


def test_a_candle_is_closed_only_when_its_whole_width_has_passed() -> None:
    frame = candles_between(utc(2026, 1, 1), utc(2026, 1, 1, 3), Timeframe.H1)
    assert len(closed_only(frame, Timeframe.H1, utc(2026, 1, 1, 2))) == 2
    assert len(closed_only(frame, Timeframe.H1, utc(2026, 1, 1, 1, 59))) == 1


def test_weeks_are_on_the_grid_from_monday() -> None:
    monday = candles_between(utc(2026, 1, 5), utc(2026, 1, 5, 1), Timeframe.H1)
    assert not off_grid(monday, Timeframe.W1).any()
    monday["ts"] += pd.Timedelta(days=3)
    assert off_grid(monday, Timeframe.W1).all()

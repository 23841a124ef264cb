"""The promised ways to hand over candles, and what is refused with which words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.errors import BadData
from kracken_tasks.features.frames import bar_milliseconds, candle_frame, grid_runs
from tests.support.candles import random_candles


@pytest.fixture
def candles() -> pd.DataFrame:
    return random_candles(10)


def test_utc_index_timestamp_column_milliseconds_and_seconds_give_the_same_candles(candles: pd.DataFrame) -> None:
    numbers = candles.drop(columns="ts")
    milliseconds = candles["ts"].to_numpy(dtype="datetime64[ms]").astype(np.int64)
    forms = [
        candles,
        numbers.set_index(pd.DatetimeIndex(candles["ts"])),
        numbers.set_index(pd.DatetimeIndex(candles["ts"]).tz_localize(None)),
        numbers.assign(timestamp=candles["ts"]),
        numbers.assign(timestamp=milliseconds),
        numbers.assign(timestamp=milliseconds // 1000),
        numbers.rename(columns=str.capitalize).set_index(pd.DatetimeIndex(candles["ts"])),
    ]
    for form in forms:
        pd.testing.assert_frame_equal(candle_frame(form), candles)


def test_extra_columns_are_dropped_and_the_input_is_left_alone(candles: pd.DataFrame) -> None:
    given = candles.assign(source="ohlc", note=1)
    before = given.copy(deep=True)
    assert list(candle_frame(given).columns) == ["ts", "open", "high", "low", "close", "volume"]
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("close", float("nan"), "finite"),
        ("high", float("inf"), "finite"),
        ("open", 0.0, "positive"),
        ("low", -1.0, "positive"),
        ("volume", -0.1, "volume"),
        ("high", 1.0, "range"),
    ],
)
def test_a_bad_value_is_refused_with_its_row(candles: pd.DataFrame, column: str, value: float, rule: str) -> None:
    candles.loc[4, column] = value
    with pytest.raises(BadData) as caught:
        candle_frame(candles)
    assert caught.value.fields["rule"] == rule
    assert caught.value.fields["row"] == 4


def test_empty_unsorted_repeated_and_timeless_frames_are_refused(candles: pd.DataFrame) -> None:
    cases = {
        "not_empty": candles.iloc[:0],
        "ascending": candles.iloc[::-1],
        "columns": candles.drop(columns="volume"),
        "time": candles.drop(columns="ts"),
        "numbers": candles.assign(close="dear"),
    }
    for rule, frame in cases.items():
        with pytest.raises(BadData) as caught:
            candle_frame(frame)
        assert caught.value.fields["rule"] == rule
    with pytest.raises(BadData, match="each once"):
        candle_frame(pd.concat([candles.iloc[:2], candles.iloc[1:]]))


def test_grid_runs_start_again_after_a_hole(candles: pd.DataFrame) -> None:
    holed = candles.drop(index=[3, 4, 7]).reset_index(drop=True)
    bar = bar_milliseconds(holed)
    assert bar == 3_600_000
    assert grid_runs(holed, bar).tolist() == [1, 2, 3, 1, 2, 1, 2]

"""The window: the last rows of a candle frame as arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.signals import window_of
from tests.support.candles import random_candles


def test_a_window_holds_the_newest_rows_only() -> None:
    frame = random_candles(50)
    window = window_of(frame, 20)
    assert len(window) == 20
    assert window.close.tolist() == frame["close"].tolist()[-20:]
    assert window.bar_seconds == 3600
    assert window.bar_ts == frame["ts"].iloc[-1].to_pydatetime()
    assert window.last(5).close.tolist() == frame["close"].tolist()[-5:]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_open_times_are_milliseconds_whatever_unit_the_frame_has(unit: str) -> None:
    frame = random_candles(3).astype({"ts": f"datetime64[{unit}, UTC]"})
    assert window_of(frame, 3).bar_ts == utc(2024, 1, 1, 2)


def test_a_frame_without_datetimes_is_refused() -> None:
    frame = random_candles(3).assign(ts=np.arange(3))
    with pytest.raises(TypeError, match="candles are named by UTC datetimes"):
        window_of(frame, 3)


def test_an_empty_frame_makes_an_empty_window() -> None:
    window = window_of(random_candles(3).iloc[:0], 10)
    assert len(window) == 0
    assert window.bar_ts is None
    assert window.unfit(1) == "too little data: 0 of 1 candles"


def test_one_row_has_no_known_bar_length_unless_told() -> None:
    frame: pd.DataFrame = random_candles(1)
    assert window_of(frame, 10).bar_seconds == 0
    assert window_of(frame, 10, bar_seconds=60).bar_seconds == 60

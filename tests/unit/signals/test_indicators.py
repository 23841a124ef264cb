"""Indicators: the declared look-back is all that counts, and long enough that more history would hardly change the value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.signals import indicators
from tests.support.candles import random_candles

FRAME = random_candles(1200, seed=21)


def columns(frame: pd.DataFrame) -> tuple[np.ndarray, ...]:
    return tuple(np.ascontiguousarray(frame[name]) for name in ("high", "low", "close"))


INDICATORS: dict[str, tuple[int, Callable[[pd.DataFrame], float]]] = {
    "rsi": (indicators.RSI_LOOKBACK, lambda frame: indicators.rsi(columns(frame)[2])),
    "macd": (indicators.MACD_LOOKBACK, lambda frame: float(indicators.macd_histogram(columns(frame)[2])[-1])),
    "bands": (20, lambda frame: indicators.bands(columns(frame)[2], 20)[1]),
    "ema": (indicators.ema_lookback(50), lambda frame: indicators.ema(columns(frame)[2], 50)),
    "atr": (indicators.atr_lookback(14), lambda frame: indicators.atr(*columns(frame))),
}


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(260, 1199), dropped=st.integers(0, 1000))
@pytest.mark.parametrize("name", list(INDICATORS))
def test_candles_before_the_look_back_and_after_the_cut_change_nothing(name: str, cut: int, dropped: int) -> None:
    lookback, value = INDICATORS[name]
    seen = FRAME.iloc[:cut]
    noisy = FRAME.copy()
    noisy.loc[cut:, ["open", "high", "low", "close"]] *= 3.0
    earlier = noisy.iloc[: max(cut - lookback, 0)].index
    noisy.loc[earlier, ["open", "high", "low", "close"]] *= 0.5
    assert value(seen) == value(noisy.iloc[:cut])
    assert value(seen) == value(seen.iloc[min(dropped, cut - lookback) :])


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("rsi", lambda high, low, close: talib.RSI(close, 14)[-1]),
        ("macd", lambda high, low, close: talib.MACD(close)[2][-1]),
        ("ema", lambda high, low, close: talib.EMA(close, 50)[-1]),
        ("atr", lambda high, low, close: talib.ATR(high, low, close, 14)[-1]),
    ],
)
def test_a_look_back_is_long_enough_for_the_start_to_be_forgotten(name: str, whole: Callable[..., float]) -> None:
    scale = {"macd": 100.0}.get(name, float(abs(whole(*columns(FRAME)))))
    for cut in range(400, 1200, 100):
        seen = FRAME.iloc[:cut]
        assert INDICATORS[name][1](seen) == pytest.approx(whole(*columns(seen)), abs=0.01 * scale)

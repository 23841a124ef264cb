"""Indicators: TA-Lib's, one definition each, and how many candles every one of them looks at.

In: closed candles as arrays.  Out: the newest values as floats or short arrays.  Never: a value that depends on a candle further back
than its declared look-back.

An exponential average never quite forgets where its history began.  Each function therefore cuts its input to ``lookback`` candles
before it hands them to TA-Lib, so that the declaration holds exactly; the look-backs are long enough for the start to weigh below 1 %.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import talib
from numpy.typing import NDArray

__all__ = [
    "MACD_LOOKBACK",
    "RSI_LOOKBACK",
    "atr",
    "atr_lookback",
    "bands",
    "ema",
    "ema_lookback",
    "macd_histogram",
    "rsi",
    "rsi_line",
]

Floats = NDArray[np.float64]

# Wilder's smoothing of 14 forgets slowly: after 120 candles the start weighs less than 1e-3.
RSI_LOOKBACK: Final = 120
# 34 candles until the first value, 60 for its spread, the rest lets the averages forget where they began (below 1 %).
MACD_LOOKBACK: Final = 160
_EMA_SPANS: Final = 4  # spans of an exponential average after which its start weighs e^-6, a quarter of a percent
_WILDER_SPANS: Final = 8  # the same for Wilder's average, whose span is nearly twice its period


def rsi(close: Floats, period: int = 14) -> float:
    """Wilder's RSI at the last close, 0 to 100.  Shapes: close [N], N >= period + 1; the last RSI_LOOKBACK count."""
    return float(talib.RSI(close[-RSI_LOOKBACK:], period)[-1])


def rsi_line(close: Floats, period: int = 14) -> Floats:
    """Wilder's RSI at every close, NaN for the first ``period``.  Shapes: [N] -> [N]; all of ``close`` counts."""
    line: Floats = talib.RSI(close, period)
    return line


def macd_histogram(close: Floats, fast: int = 12, slow: int = 26, signal: int = 9, *, last: int = 60) -> Floats:
    """MACD minus its signal line, at the ``last`` closes.  Shapes: [N] -> [last]; the last MACD_LOOKBACK closes count."""
    histogram: Floats = talib.MACD(close[-MACD_LOOKBACK:], fast, slow, signal)[2]
    return histogram[-last:]


def bands(close: Floats, period: int = 20) -> tuple[float, float]:
    """Mean and standard deviation of the last ``period`` closes (Bollinger's middle band and the width of one sigma)."""
    upper, middle, _ = talib.BBANDS(close[-period:], period, 1.0, 1.0)
    return float(middle[-1]), float(upper[-1] - middle[-1])


def ema_lookback(period: int) -> int:
    """Candles an exponential average of ``period`` looks at."""
    return _EMA_SPANS * period


def ema(close: Floats, period: int) -> float:
    """Exponential average at the last close.  Shapes: close [N]; the last ``ema_lookback(period)`` count."""
    return float(talib.EMA(close[-ema_lookback(period) :], period)[-1])


def atr_lookback(period: int) -> int:
    """Candles Wilder's average of ``period`` true ranges looks at."""
    return _WILDER_SPANS * period + 1


def atr(high: Floats, low: Floats, close: Floats, period: int = 14) -> float:
    """Wilder's average true range at the last candle, in quote currency.  Shapes: all [N]; the last ``atr_lookback(period)`` count."""
    rows = atr_lookback(period)
    return float(talib.ATR(high[-rows:], low[-rows:], close[-rows:], period)[-1])

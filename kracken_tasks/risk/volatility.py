"""How much a price moves: daily volatility and the average true range, as fractions of price.

In: closed candles' columns as arrays.  Out: floats; NaN where there are too few bars.  Never: annualised figures.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["atr_fraction", "daily_volatility"]

Floats = NDArray[np.float64]

LEAST_BARS: Final = 20


def daily_volatility(closes: Floats, bar_seconds: int, *, bars: int = 168) -> float:
    """Standard deviation of log returns over the last ``bars``, scaled to one day by the square root of time.

    Shapes: closes [N].  NaN below LEAST_BARS returns or for a close that is no price.
    """
    used = closes[-(bars + 1) :]
    if len(used) <= LEAST_BARS or not (used > 0.0).all():
        return math.nan
    return float(np.diff(np.log(used)).std(ddof=1)) * math.sqrt(86_400.0 / bar_seconds)


def atr_fraction(high: Floats, low: Floats, close: Floats, *, bars: int = 14) -> float:
    """Mean true range of the last ``bars`` over the last close.

    Shapes: all [N].  True range: the greatest of high - low and the distances of both from the close before (Wilder, 1978); the
    plain mean, so that only ``bars`` + 1 candles matter.
    """
    if len(close) <= bars or not close[-1] > 0.0:
        return math.nan
    before = close[-bars - 1 : -1]
    top, bottom = np.maximum(high[-bars:], before), np.minimum(low[-bars:], before)
    return float((top - bottom).mean() / close[-1])

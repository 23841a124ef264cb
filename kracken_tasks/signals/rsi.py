"""RSI: how one-sided the last moves were, read against the move.

In: closed candles.  Out: ``Opinion``.  Never: the RSI of a price that stands still (TA-Lib calls it 0, which would read as oversold).

    direction  = clip((50 - RSI) / full_strength_points, -1, 1)       RSI 20 with the defaults: +1
    confidence = 0.5 + 0.5 |direction|
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals import indicators
from kracken_tasks.signals.window import Window, clipped, refuse_outside, surety, window_of

__all__ = ["LOOKBACK", "NAME", "RsiConfig", "opinion"]

NAME: Final = "rsi"
LOOKBACK: Final = indicators.RSI_LOOKBACK


@dataclass(frozen=True, slots=True)
class RsiConfig:
    """``period`` in candles (2 to 60); ``full_strength_points`` the distance from 50 at which direction is full."""

    period: int = 14
    full_strength_points: float = 30.0

    def __post_init__(self) -> None:
        refuse_outside("period", self.period, 2, 60)
        refuse_outside("full_strength_points", self.full_strength_points, 1.0, 50.0)


def opinion(frame: pd.DataFrame | Window, config: RsiConfig | None = None, *, now: datetime | None = None) -> Opinion:
    """Lean against a one-sided move.

    Time: known at the close of the last candle; only the last LOOKBACK candles matter.
    """
    config = config or RsiConfig()
    window = window_of(frame, LOOKBACK)
    unfit = window.unfit(LOOKBACK, now, moving=config.period + 1)
    if unfit:
        return Opinion(NAME, None, 0.0, unfit)
    value = indicators.rsi(window.close, config.period)
    direction = clipped((50.0 - value) / config.full_strength_points)
    word = "oversold" if value <= 30.0 else "overbought" if value >= 70.0 else "in between"
    return Opinion(NAME, direction, surety(direction), f"RSI {value:.1f}: {word}", {"rsi": value})

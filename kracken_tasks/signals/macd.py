"""MACD: the histogram turning back from an extreme.

In: closed candles.  Out: ``Opinion``.  Never: a lean before the turn; a histogram still falling below zero is no reason to buy.

    h          = MACD histogram; s = its standard deviation over ``spread_bars``
    trough     = the lowest h of the last ``turn_bars`` candles, peak the highest
    direction  = clip(-trough / s / full_strength_sigmas, 0, 1)    if h < 0 and rising
               = clip(-peak / s / full_strength_sigmas, -1, 0)     if h > 0 and falling
               = 0                                                 otherwise: looked, and no turn
    confidence = 0.5 + 0.5 |direction|
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals import indicators
from kracken_tasks.signals.window import Floats, Window, clipped, refuse_outside, surety, window_of

__all__ = ["LOOKBACK", "NAME", "MacdConfig", "opinion"]

NAME: Final = "macd"
LOOKBACK: Final = indicators.MACD_LOOKBACK
_LEAST_SPREAD_FRACTION: Final = 1e-9


@dataclass(frozen=True, slots=True)
class MacdConfig:
    """Periods in candles; ``full_strength_sigmas`` how deep a trough gives full direction."""

    fast: int = 12
    slow: int = 26
    signal: int = 9
    spread_bars: int = 60
    turn_bars: int = 5
    full_strength_sigmas: float = 2.0

    def __post_init__(self) -> None:
        refuse_outside("fast", self.fast, 2, 30)
        refuse_outside("slow", self.slow, 3, 40)
        refuse_outside("signal", self.signal, 2, 20)
        refuse_outside("spread_bars", self.spread_bars, 20, 80)
        refuse_outside("turn_bars", self.turn_bars, 2, 20)
        refuse_outside("full_strength_sigmas", self.full_strength_sigmas, 0.1, 10.0)


def opinion(frame: pd.DataFrame | Window, config: MacdConfig | None = None, *, now: datetime | None = None) -> Opinion:
    """Lean with a histogram that turns back towards zero.

    Time: known at the close of the last candle; only the last LOOKBACK candles matter.
    """
    config = config or MacdConfig()
    window = window_of(frame, LOOKBACK)
    unfit = window.unfit(LOOKBACK, now, moving=config.spread_bars)
    if unfit:
        return Opinion(NAME, None, 0.0, unfit)
    histogram = indicators.macd_histogram(
        window.close, config.fast, config.slow, config.signal, last=config.spread_bars
    )
    spread = float(histogram.std())
    if not spread > _LEAST_SPREAD_FRACTION * float(window.close[-1]):
        return Opinion(NAME, None, 0.0, "flat: the histogram does not move")
    direction, reason = _turn(histogram, spread, config)
    values = {"histogram": float(histogram[-1]), "before": float(histogram[-2]), "spread": spread}
    return Opinion(NAME, direction, surety(direction), reason, values)


def _turn(histogram: Floats, spread: float, config: MacdConfig) -> tuple[float, str]:
    now, before = float(histogram[-1]), float(histogram[-2])
    recent = histogram[-config.turn_bars :]
    if now < 0.0 and now > before:
        depth = -float(recent.min()) / spread
        return clipped(depth / config.full_strength_sigmas), f"histogram turning up from {depth:.2f} sigma below zero"
    if now > 0.0 and now < before:
        height = float(recent.max()) / spread
        return clipped(
            -height / config.full_strength_sigmas
        ), f"histogram turning down from {height:.2f} sigma above zero"
    return 0.0, f"histogram {'above' if now >= 0.0 else 'below'} zero and not turning back"

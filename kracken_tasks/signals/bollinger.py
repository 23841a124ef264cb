"""Bollinger bands: how far the close is from its own average, read against the move.

In: closed candles.  Out: ``Opinion``.  Never: a band of no width.

    z          = (close - mean) / standard deviation        over ``period`` closes
    direction  = clip(-z / full_strength_sigmas, -1, 1)       on the lower 2-sigma band: +1
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

__all__ = ["LOOKBACK", "NAME", "BollingerConfig", "opinion"]

NAME: Final = "bollinger_bands"
LOOKBACK: Final = 60
# A band narrower than this fraction of price is rounding, not movement.
_LEAST_SIGMA_FRACTION: Final = 1e-6


@dataclass(frozen=True, slots=True)
class BollingerConfig:
    """``period`` in candles (2 to 60); ``full_strength_sigmas`` the distance at which direction is full."""

    period: int = 20
    full_strength_sigmas: float = 2.0

    def __post_init__(self) -> None:
        refuse_outside("period", self.period, 2, 60)
        refuse_outside("full_strength_sigmas", self.full_strength_sigmas, 0.1, 10.0)


def opinion(
    frame: pd.DataFrame | Window, config: BollingerConfig | None = None, *, now: datetime | None = None
) -> Opinion:
    """Lean back towards the average.

    Time: known at the close of the last candle; only the last LOOKBACK candles matter.
    """
    config = config or BollingerConfig()
    window = window_of(frame, LOOKBACK)
    unfit = window.unfit(LOOKBACK, now, moving=config.period)
    if unfit:
        return Opinion(NAME, None, 0.0, unfit)
    (middle, sigma), close = indicators.bands(window.close, config.period), float(window.close[-1])
    if not sigma > _LEAST_SIGMA_FRACTION * middle:
        return Opinion(NAME, None, 0.0, f"flat: bands {2e4 * sigma / middle:.3f} bp wide")
    z = (close - middle) / sigma
    direction = clipped(-z / config.full_strength_sigmas)
    side = "below" if z < 0 else "above"
    values = {"z": z, "middle": middle, "sigma": sigma}
    return Opinion(NAME, direction, surety(direction), f"close {abs(z):.2f} sigma {side} its average", values)

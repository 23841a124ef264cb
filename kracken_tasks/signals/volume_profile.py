"""Volume profile: at which prices the volume changed hands, and how far the close is from there.

In: closed candles.  Out: ``Opinion``.  Never: ticks; a candle's volume is spread evenly from its low to its high.

    profile        volume of the last ``LOOKBACK`` candles in ``bins`` equal steps of price, lowest low to highest high
    control        middle of the fullest step: the point of control (of equals the one nearest to the close)
    value area     steps around it, the fuller neighbour first, until they hold ``area_share`` of the volume
    direction      clip((control - close) / width of the value area, -1, 1)       a whole width below what was paid: +1
    confidence     0.5 + 0.5 |direction|
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals.window import Floats, Window, clipped, refuse_outside, surety, window_of

__all__ = ["LOOKBACK", "NAME", "Profile", "VolumeProfileConfig", "opinion", "profile_of"]

NAME: Final = "volume_profile"
LOOKBACK: Final = 120
# A price that has stood still for so long has stopped trading, whatever the candles before say.
_MOVING: Final = 20


@dataclass(frozen=True, slots=True)
class VolumeProfileConfig:
    """``bins``: steps of price (8 to 200); ``area_share``: part of the volume the value area holds (0.7: about one sigma)."""

    bins: int = 40
    area_share: float = 0.7

    def __post_init__(self) -> None:
        refuse_outside("bins", self.bins, 8, 200)
        refuse_outside("area_share", self.area_share, 0.3, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Volume by price.  Shapes: edges [B + 1], volume [B] (base units).  Prices: control lies within low and high, the value area."""

    edges: Floats
    volume: Floats
    control: float
    low: float
    high: float


def opinion(
    frame: pd.DataFrame | Window, config: VolumeProfileConfig | None = None, *, now: datetime | None = None
) -> Opinion:
    """Lean back towards the price at which most was traded.

    Time: known at the close of the last candle; only the last LOOKBACK candles matter.
    """
    config = config or VolumeProfileConfig()
    window = window_of(frame, LOOKBACK)
    unfit = window.unfit(LOOKBACK, now, moving=_MOVING) or _unusable(window)
    if unfit:
        return Opinion(NAME, None, 0.0, unfit)
    found, close = profile_of(window, config), float(window.close[-1])
    direction = clipped((found.control - close) / (found.high - found.low))
    side = "below" if close < found.low else "above" if close > found.high else "within"
    values = {"control": found.control, "value_low": found.low, "value_high": found.high}
    reason = f"close {side} the value area {found.low:.6g} to {found.high:.6g}, most traded at {found.control:.6g}"
    return Opinion(NAME, direction, surety(direction), reason, values)


def profile_of(window: Window, config: VolumeProfileConfig) -> Profile:
    """Spread each candle's volume over the steps its range touches, and find where most of it lies."""
    bottom, top = float(window.low.min()), float(window.high.max())
    edges = np.linspace(bottom, top, config.bins + 1)
    # A candle of one price lies in one step; the tiny width makes it so without a case of its own.
    least = (top - bottom) * 1e-9
    low = np.minimum(window.low, top - least)
    high = np.maximum(window.high, low + least)
    share = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    volume: Floats = (window.volume / (high - low)) @ np.maximum(share, 0.0)
    middles = (edges[1:] + edges[:-1]) / 2.0
    # Sums of the same volumes in another order differ in the last digit; nearly equal steps count as equal.
    fullest = np.flatnonzero(volume >= volume.max() * (1.0 - 1e-9))
    peak = int(fullest[np.abs(middles[fullest] - window.close[-1]).argmin()])
    first, last = _value_area(volume, peak, config.area_share)
    return Profile(edges, volume, float(middles[peak]), float(edges[first]), float(edges[last + 1]))


def _value_area(volume: Floats, peak: int, area_share: float) -> tuple[int, int]:
    first = last = peak
    held, wanted = float(volume[peak]), area_share * float(volume.sum())
    while held < wanted and (first > 0 or last < len(volume) - 1):
        below = float(volume[first - 1]) if first > 0 else -1.0
        above = float(volume[last + 1]) if last < len(volume) - 1 else -1.0
        if above >= below:
            last, held = last + 1, held + above
        else:
            first, held = first - 1, held + below
    return first, last


def _unusable(window: Window) -> str:
    used = np.concatenate((window.high, window.low, window.volume))
    if not np.isfinite(used).all() or float(window.volume.min()) < 0.0:
        return "a high, low or volume that is not a number among the last candles"
    if not float(window.volume.sum()) > 0.0:
        return f"nothing was traded over {len(window)} candles"
    return ""

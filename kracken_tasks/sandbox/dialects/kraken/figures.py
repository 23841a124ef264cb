"""The figures of the last 24 hours, as REST and streams both show them.

In: a venue, a pair, a moment.  Out: open, high, low, volume, volume-weighted price and count.  Never: a wire shape.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.listing import Listing
from kracken_tasks.sandbox.market.protocol import Candles
from kracken_tasks.sandbox.venue import Venue

__all__ = ["DAY_S", "Figures", "day_candles", "figures_of", "rows_where"]

DAY_S: Final = 86_400
_MINUTES: Final = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in a span.  Prices in ticks, ``lots`` the volume, ``vwap`` in quote units (0 without trades)."""

    open: int
    high: int
    low: int
    lots: int
    vwap: float
    count: int


def day_candles(venue: Venue, listing: Listing, now_ns: int) -> Candles:
    """The last 24 hours in five-minute candles, the newest unfinished."""
    now_s, step = now_ns // NS_PER_SECOND, _MINUTES * 60
    from_s = (now_s - DAY_S) // step * step + step
    return venue.market.candles(listing.symbol, _MINUTES, from_s, now_s + 1, now_ns)


def rows_where(candles: Candles, keep: NDArray[np.bool_]) -> Candles:
    return Candles(*(getattr(candles, field.name)[keep] for field in fields(Candles)))


def figures_of(candles: Candles, last: int) -> Figures:
    """The figures of a run of candles; ``last`` is the price (ticks) that stands where nothing traded."""
    if not len(candles):
        return Figures(last, last, last, 0, 0.0, 0)
    lots = int(candles.lots.sum())
    return Figures(
        open=int(candles.open[0]),
        high=int(candles.high.max()),
        low=int(candles.low.min()),
        lots=lots,
        vwap=float((candles.vwap * candles.lots).sum()) / lots if lots else 0.0,
        count=int(candles.count.sum()),
    )

"""The resting orders of everybody else: levels behind a touch.

In: a key for the moment and the touch (best bid and ask).  Out: price levels, best first, deterministic by key.  A shallow
book is the top of the deep one.  Never crossed, never below one tick, and without any hint of where the price goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.market.noise import generator
from kracken_tasks.sandbox.market.protocol import LOTS_PER_UNIT

__all__ = ["EPOCH_NS", "NO_LEVELS", "Levels", "Touch", "book_levels", "touch_around"]

EPOCH_NS: Final = 5 * 10**9  # a book stands this long, then is drawn afresh

Level = tuple[int, int]
Levels = tuple[tuple[Level, ...], tuple[Level, ...]]
NO_LEVELS: Final[Levels] = ((), ())

_GAP_OF_SPREAD: Final = 0.3
_GAP_OF_PRICE: Final = 2e-5
_MOST_LEVELS: Final = 1000  # Kraken's deepest subscription


@dataclass(frozen=True, slots=True)
class Touch:
    """Best bid and ask in ticks, and about how much stands on a level (quote currency, counted in ticks)."""

    bid: int
    ask: int
    level_value: float

    def __post_init__(self) -> None:
        if not 0 < self.bid < self.ask:
            raise ValueError(f"touch {self.bid}/{self.ask}: needs 0 < bid < ask")


def touch_around(fair_ticks: float, half_ticks: float, level_value: float) -> Touch:
    """The touch around a fair price, at least a tick apart and above zero."""
    bid = max(1, int(np.floor(fair_ticks - half_ticks)))
    return Touch(bid, max(bid + 1, int(np.ceil(fair_ticks + half_ticks))), level_value)


def book_levels(key: tuple[int, str, int], touch: Touch, depth: int) -> Levels:
    """Up to ``depth`` levels a side (at most 1000) behind ``touch``; levels below one tick are left out."""
    depth = min(depth, _MOST_LEVELS)
    if depth <= 0:
        return NO_LEVELS
    # Rows are drawn in order, so that the first rows do not depend on how many are asked for.
    waits = -np.log1p(-generator("book", *key).random((depth, 4)))
    bids = _side(touch.bid, -1, waits[:, 0], waits[:, 1], touch)
    asks = _side(touch.ask, +1, waits[:, 2], waits[:, 3], touch)
    return bids, asks


def _side(
    best: int, away: int, gaps: NDArray[np.float64], sizes: NDArray[np.float64], touch: Touch
) -> tuple[Level, ...]:
    usual_gap = _GAP_OF_SPREAD * (touch.ask - touch.bid) + _GAP_OF_PRICE * touch.ask
    steps = 1 + (gaps * usual_gap).astype(np.int64)
    steps[0] = 0
    prices = best + away * np.cumsum(steps)
    usual_lots = touch.level_value / touch.ask * LOTS_PER_UNIT
    lots = 1 + (usual_lots * (0.3 + sizes) * (1.0 + 0.02 * np.arange(len(sizes)))).astype(np.int64)
    return tuple((price, size) for price, size in zip(prices.tolist(), lots.tolist(), strict=True) if price > 0)

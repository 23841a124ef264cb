"""How far a venue's prices stray from the market's: paths that wander around nothing and now and then break away and come back.

In: a key and a day.  Out: the path of that day, one value per cell (``CELL_NS``), as a fraction of the price.  Every value is a
function of (key, day): asked anywhere, in any order, it is the same.  Never a trend: both parts return to zero, the wandering one
within hours, a break within minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.market.aggregate import DAY_NS
from kracken_tasks.sandbox.market.book import EPOCH_NS
from kracken_tasks.sandbox.market.noise import generator

__all__ = ["CELLS", "CELL_NS", "Breaks", "Floats", "break_path", "wander_path"]

Floats = NDArray[np.float64]

CELL_NS: Final = EPOCH_NS  # a path moves only when the books are redrawn, so that no quote is stale against it
CELLS: Final = DAY_NS // CELL_NS
_CELL_S: Final = CELL_NS / 1e9
# Knots a day and their share of the variance: two hours, twenty minutes, two minutes apart.
_SCALES: Final = ((12, 0.5), (72, 0.35), (720, 0.15))
_LATEST_START: Final = 22 / 24  # of the day: a break is over before midnight
_BREAK_LASTS_S: Final = 7_000.0


@dataclass(frozen=True, slots=True)
class Breaks:
    """How often a venue breaks away from the market, and how far (fractions of the price, either way)."""

    a_day: float
    least: float
    most: float


def wander_path(key: tuple[str | int, ...], day: int, deviation: float) -> Floats:
    """A path around zero with this standard deviation at its knots (shape: [CELLS]); unbroken from day to day."""
    path = np.zeros(CELLS)
    cells = np.arange(CELLS, dtype=np.float64)
    for knots, share in _SCALES:
        drawn = np.append(_knots(key, day, knots), _knots(key, day + 1, knots)[0])
        path += np.sqrt(share) * np.interp(cells * (knots / CELLS), np.arange(knots + 1), drawn)
    return deviation * path


def _knots(key: tuple[str | int, ...], day: int, knots: int) -> Floats:
    return generator(*key, "wander", knots, day).standard_normal(knots)


def break_path(key: tuple[str | int, ...], day: int, breaks: Breaks) -> Floats:
    """The day's breaks (shape: [CELLS]): each rises within half to one and a half minutes and decays over some minutes."""
    rng = generator(*key, "breaks", day)
    path = np.zeros(CELLS)
    seconds = np.arange(CELLS) * _CELL_S
    for _ in range(int(rng.poisson(breaks.a_day))):
        start = rng.uniform(0.0, _LATEST_START) * CELLS * _CELL_S
        rise, fade = rng.uniform(30.0, 90.0), rng.uniform(180.0, 600.0)
        height = rng.uniform(breaks.least, breaks.most) * (1.0 if rng.random() < 0.5 else -1.0)
        since = seconds - start
        shape = np.minimum(since / rise, 1.0) * np.exp(-np.maximum(since - rise, 0.0) / fade)
        path += np.where((since > 0.0) & (since < _BREAK_LASTS_S), height * shape, 0.0)
    return path

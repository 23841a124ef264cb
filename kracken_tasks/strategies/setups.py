"""Past RSI setups of one symbol, and how they turned out: what the learned filter learns from.

In: closed candles.  Out: ``Setups``.  Never: an outcome that was not known at the last close.

A setup is a close at which RSI comes back up through ``oversold``.  It paid if the close ``horizon`` candles later was higher by more than
``cost_fraction``; a setup younger than that has no outcome yet and is not learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.signals import indicators
from kracken_tasks.signals.window import Floats, Window

__all__ = ["FEATURES", "Setups", "find_setups", "setup_features"]

FEATURES: Final = ("depth", "trend", "calm", "volume")
_TREND: Final = 48
_SHORT: Final = 12
# Candles at the start of the window that only warm the averages up.
WARM_UP: Final = indicators.RSI_LOOKBACK


@dataclass(frozen=True, slots=True, eq=False)
class Setups:
    """Finished setups, oldest first.  Shapes: features [N, 4] (``FEATURES``), paid [N] bool, rows [N] (index into the window)."""

    features: Floats
    paid: NDArray[np.bool_]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def crossings(line: Floats, oversold: float) -> NDArray[np.int64]:
    """Rows at which the line comes back up through ``oversold``, behind the warm-up."""
    back = (line[:-1] < oversold) & (line[1:] >= oversold)
    rows = np.flatnonzero(back) + 1
    return rows[rows >= WARM_UP]


def find_setups(window: Window, line: Floats, *, oversold: float, horizon: int, cost_fraction: float) -> Setups:
    """Every finished setup of the window.  ``line``: RSI at every close of the window."""
    rows = crossings(line, oversold)
    rows = rows[rows + horizon < len(window)]
    gained = window.close[rows + horizon] / window.close[rows] - 1.0
    return Setups(setup_features(window, line, rows), gained > cost_fraction, rows)


def setup_features(window: Window, line: Floats, rows: NDArray[np.int64]) -> Floats:
    """What is known of a setup at its own close.

    Shapes: rows [N] -> [N, 4].  ``depth``: lowest RSI of the last 12 candles below 50, in tens of points; ``trend``: log return of 48
    candles over their volatility; ``calm``: log of short over long volatility, turned around; ``volume``: log of the volume of 12
    candles over that of 48.
    """
    moves = np.diff(np.log(window.close), prepend=np.log(window.close[0]))
    long, short = rows[:, None] - np.arange(_TREND), rows[:, None] - np.arange(_SHORT)
    sigma = np.maximum(moves[long].std(axis=1), 1e-9)
    near = np.maximum(moves[short].std(axis=1), 1e-9)
    volume = np.maximum(window.volume[short].mean(axis=1), 1e-12) / np.maximum(window.volume[long].mean(axis=1), 1e-12)
    return np.column_stack(
        [
            (50.0 - line[short].min(axis=1)) / 10.0,
            moves[long].sum(axis=1) / (sigma * np.sqrt(_TREND)),
            -np.log(near / sigma),
            np.log(volume),
        ]
    )

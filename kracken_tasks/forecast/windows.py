"""Cut features into training windows.

In: a candle frame.  Out: feature rows with the positions at which a whole window and its label stand on an unbroken grid.
Never: a window across a hole, a label inside its own window, a copy of every window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kracken_tasks.errors import BadData
from kracken_tasks.features.frames import bar_milliseconds, candle_frame, grid_runs
from kracken_tasks.features.recipe import LOOKBACK, feature_rows

__all__ = ["Scaler", "WindowSet", "newest_window_rows", "unfolded", "windows_from"]

_CLIP = 8.0  # standard deviations; a crash beyond it is a crash, not a number to multiply with

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows by position.

    Shapes: features [R, F] float64 (NaN before the recipe's look-back), ends [N] row of each window's newest candle, targets [N]
            log return from the close of row ``ends`` to the next close, closes [R], ts [R] open times (datetime64[ms]).
    Time:   a window is known at the close of its newest candle; its target one candle later.
    """

    features: NDArray[np.float64]
    ends: Ints
    targets: NDArray[np.float64]
    closes: NDArray[np.float64]
    ts: NDArray[np.datetime64]
    lookback: int
    bar_ms: int
    skipped: int

    def __len__(self) -> int:
        return len(self.ends)


@dataclass(frozen=True, slots=True)
class Scaler:
    """Standardises features with numbers from training rows only.  Shapes: mean [F], spread [F]."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def fitted_on(cls, rows: NDArray[np.float64]) -> Scaler:
        """Fit on [n, F]; a feature that never varies keeps its size."""
        spread = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(spread > 1e-12, spread, 1.0))

    def apply(self, features: NDArray[np.float64]) -> Floats32:
        """Scaled and clipped to 8 standard deviations, float32."""
        scaled = (features - self.mean) / self.spread
        return np.clip(scaled, -_CLIP, _CLIP).astype(np.float32)


def windows_from(frame: pd.DataFrame, lookback: int) -> WindowSet:
    """Find every window of ``lookback`` rows whose features, rows and label stand on one unbroken grid.

    Raises: BadData as ``candle_frame`` does, or if there is no window at all.
    """
    candles = candle_frame(frame)
    bar_ms = bar_milliseconds(candles)
    runs = grid_runs(candles, bar_ms)
    rows = np.arange(len(candles) - 1)
    # The row after the window is its label: its run must reach over window, the features' own look-back, and itself.
    whole = runs[1:] >= newest_window_rows(lookback) + 1
    if not whole.any():
        raise BadData(
            f"no unbroken stretch of {newest_window_rows(lookback) + 1} candles in {len(candles)}",
            rule="unbroken_grid", rows=len(candles), needed=newest_window_rows(lookback) + 1,
        )  # fmt: skip
    closes = candles["close"].to_numpy(dtype=np.float64)
    ends = rows[whole]
    possible = max(len(candles) - newest_window_rows(lookback), 0)
    return WindowSet(
        features=feature_rows(candles),
        ends=ends,
        targets=np.log(closes[ends + 1] / closes[ends]),
        closes=closes,
        ts=candles["ts"].to_numpy(dtype="datetime64[ms]"),
        lookback=lookback,
        bar_ms=bar_ms,
        skipped=possible - len(ends),
    )


def newest_window_rows(lookback: int) -> int:
    """Candles needed for one window: its rows and the recipe's look-back before the first of them."""
    return lookback + LOOKBACK - 1


def unfolded(scaled: Floats32, lookback: int) -> Floats32:
    """All windows as a view: [R, F] -> [R - T + 1, T x F]; row i holds candles i .. i + T - 1.  Nothing is copied.

    Rows are one block of memory each, so taking a batch (and reshaping it to [N, T, F]) is a plain copy.
    """
    features = scaled.shape[1]
    view: Floats32 = sliding_window_view(np.ascontiguousarray(scaled).reshape(-1), lookback * features)[::features]
    return view

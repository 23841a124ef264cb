"""The last rows of a candle frame as arrays, judged once for all modules: long enough, unbroken enough, fresh, and moving.

In: a frame of closed candles (domain.market.CANDLE_COLUMNS).  Out: a ``Window``.  Never: more than the last ``rows`` candles, so that
the length of history changes no opinion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.domain.clock import from_ms, iso
from kracken_tasks.errors import Misconfigured

__all__ = ["MAX_MISSING_FRACTION", "Floats", "Window", "clipped", "open_ms_of", "refuse_outside", "surety", "window_of"]

Floats = NDArray[np.float64]

# More than a quarter of the bars missing: an indicator over what is left speaks of another time span than it says.
MAX_MISSING_FRACTION = 0.25

_TO_MS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Closed candles, oldest first.

    Shapes: all arrays [N].  Time: ``open_ms`` are open times in milliseconds; row i is known at open_ms[i] + bar_seconds.
    ``bar_seconds`` 0: unknown (fewer than two rows).
    """

    open_ms: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    bar_seconds: int

    def __len__(self) -> int:
        return len(self.close)

    def last(self, rows: int) -> Window:
        """The newest ``rows`` candles."""
        if rows >= len(self):
            return self
        cut = slice(len(self) - rows, None)
        return Window(  # not dataclasses.replace: this is asked for every module of every symbol
            self.open_ms[cut], self.open[cut], self.high[cut], self.low[cut], self.close[cut], self.volume[cut],
            self.bar_seconds,
        )  # fmt: skip

    @property
    def bar_ts(self) -> datetime | None:
        """Open time of the newest candle."""
        return from_ms(int(self.open_ms[-1])) if len(self) else None

    def unfit(self, lookback: int, now: datetime | None = None, *, moving: int = 2, max_bars_late: float = 2.0) -> str:
        """Why a module that looks back ``lookback`` candles can have no opinion; empty if it can.

        ``now`` None: age is not judged (rehearsal, where the newest bar is by definition the newest).  ``moving``: over how many
        of the newest candles the price must have moved.
        """
        if len(self) < lookback:
            return f"too little data: {len(self)} of {lookback} candles"
        stale = self._staleness(now, max_bars_late)
        if stale:
            return stale
        # A sum is finite if and only if every close is: one pass instead of two, and prices are far from overflow.
        if not math.isfinite(float(self.close[-lookback:].sum())):
            return "a close that is not a number among the last candles"
        return self._holes(lookback) or self._flatness(moving)

    def _staleness(self, now: datetime | None, max_bars_late: float) -> str:
        bar_ts = self.bar_ts
        if now is None or bar_ts is None:
            return ""
        age = now - bar_ts - timedelta(seconds=self.bar_seconds)
        if age.total_seconds() < 0:
            return f"the candle of {iso(bar_ts)} is still running"
        if age.total_seconds() > max_bars_late * self.bar_seconds:
            return f"stale: the last candle opened at {iso(bar_ts)}"
        return ""

    def _holes(self, rows: int) -> str:
        if self.bar_seconds <= 0:
            return ""
        due = (int(self.open_ms[-1]) - int(self.open_ms[-rows])) // (self.bar_seconds * 1000) + 1
        missing = due - rows
        return f"holes: {missing} of {due} candles are missing" if missing > MAX_MISSING_FRACTION * due else ""

    def _flatness(self, rows: int) -> str:
        used = self.close[-rows:]
        return f"flat: one price over {len(used)} candles" if used.max() == used.min() else ""


def clipped(value: float) -> float:
    """``value`` within [-1, 1]."""
    return max(-1.0, min(1.0, value))


def refuse_outside(key: str, value: float, lowest: float, highest: float) -> None:
    """Raises: Misconfigured naming a module's parameter unless it lies within [lowest, highest]."""
    if not lowest <= value <= highest:
        allowed = f"{lowest} to {highest}"
        raise Misconfigured(f"{key} = {value!r}: allowed is {allowed}", key=key, value=value, allowed=allowed)


def surety(direction: float) -> float:
    """Confidence of a technical module: one half where it leans nowhere, 1 at full direction."""
    return 0.5 + 0.5 * abs(direction)


def window_of(frame: pd.DataFrame | Window, rows: int, bar_seconds: int | None = None) -> Window:
    """Take the last ``rows`` closed candles of ``frame``.  ``bar_seconds`` None: the smallest distance between two of them."""
    if isinstance(frame, Window):
        return frame.last(rows)
    start = max(len(frame) - rows, 0)
    open_ms = open_ms_of(frame["ts"], start)
    if bar_seconds is None:
        bar_seconds = int(np.diff(open_ms).min()) // 1000 if len(open_ms) > 1 else 0
    return Window(
        open_ms=open_ms, open=_column(frame, "open", start), high=_column(frame, "high", start), low=_column(frame, "low", start),
        close=_column(frame, "close", start), volume=_column(frame, "volume", start), bar_seconds=bar_seconds,
    )  # fmt: skip


def _column(frame: pd.DataFrame, name: str, start: int) -> Floats:
    # TA-Lib wants contiguous float64; a slice of a column of a 2-d block may be strided.
    return np.ascontiguousarray(frame[name].to_numpy()[start:], dtype=np.float64)


def open_ms_of(ts: pd.Series[pd.Timestamp], start: int = 0) -> NDArray[np.int64]:
    """Open times from row ``start`` on, in milliseconds.  Raises: TypeError for a column that holds no datetimes."""
    array = ts.array
    if not isinstance(array, pd.arrays.DatetimeArray):
        raise TypeError(f"column ts holds {ts.dtype}; candles are named by UTC datetimes")
    # view("i8") would parse the name of its type each time; the stubs do not know asi8
    raw: NDArray[np.int64] = array.asi8[start:]  # type: ignore[attr-defined]
    factor = _TO_MS[array.unit]
    return raw if factor == 1.0 else (raw * factor).astype(np.int64)

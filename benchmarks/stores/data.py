"""Seeded candles: random walks on a price grid, with outages, as a venue's archive would hand them out.

The same (candles, symbols, seed) give the same bytes under every library version, so that all environments store the same rows.
They lie as plain arrays on disk; a process loads one symbol at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.stores.candle_store import BAR_COLUMNS, MINUTE_MS

__all__ = ["Candles", "frame_of", "make"]

FIRST_MS: Final = 1_672_531_200_000  # 2023-01-01 00:00 UTC
ROWS_A_SYMBOL: Final = 1_000_000
_OUTAGES_A_MILLION: Final = 40
_LONGEST_OUTAGE: Final = 180
_TICK: Final = 0.1


@dataclass(frozen=True, slots=True)
class Candles:
    """Where the arrays lie, and what is in them."""

    folder: Path
    symbols: tuple[str, ...]
    rows: int
    seed: int

    @property
    def total(self) -> int:
        return self.rows * len(self.symbols)

    def load(self, symbol: str) -> dict[str, np.ndarray]:
        """``ts`` in int64 milliseconds, and BAR_COLUMNS.  Shapes: [rows]."""
        raw = np.load(self.folder / f"{symbol.replace('/', '-')}.npz")
        return {name: raw[name] for name in ("ts", *BAR_COLUMNS)}

    def later(self, symbol: str, ts: np.ndarray, ticks: int) -> pd.DataFrame:
        """The ``ticks`` candles that come after ``ts``, at prices that do not matter."""
        after = ts[-1] + MINUTE_MS * np.arange(1, ticks + 1)
        prices = np.round(20_000 + np.arange(ticks) * _TICK, 1)
        values = dict.fromkeys(("open", "high", "low", "close"), prices)
        return frame_of({"ts": after, **values, "volume": prices / 1e4, "trades": np.full(ticks, 7)})


def make(folder: Path, candles: int, seed: int) -> Candles:
    """Write ``candles`` rows: ten symbols, or as many of ROWS_A_SYMBOL as it takes."""
    count = max(10, -(-candles // ROWS_A_SYMBOL))
    made = Candles(folder, tuple(f"C{number:02d}/USD" for number in range(count)), candles // count, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number, symbol in enumerate(made.symbols):
        path = folder / f"{symbol.replace('/', '-')}.npz"
        if not path.exists():
            np.savez(path, **_walk(np.random.default_rng([seed, number]), made.rows))
    return made


def frame_of(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Arrays as the frame that every store is given."""
    times = pd.DatetimeIndex(columns["ts"].view("M8[ms]")).tz_localize("UTC")
    return pd.DataFrame({"ts": times, **{name: columns[name] for name in BAR_COLUMNS}}, copy=False)


def _walk(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    outages = max(2, rows * _OUTAGES_A_MILLION // 1_000_000)
    steps = np.full(rows, MINUTE_MS, np.int64)
    steps[random.choice(np.arange(1, rows), outages, replace=False)] += MINUTE_MS * random.integers(
        1, _LONGEST_OUTAGE, outages
    )
    ts = FIRST_MS + np.cumsum(steps) - steps[0]
    close = np.round(30_000 * np.exp(np.cumsum(random.normal(0, 2e-4, rows))) / _TICK) * _TICK
    opens = np.concatenate([close[:1], close[:-1]])
    reach = np.abs(random.normal(0, 2, (2, rows)))
    high = np.maximum(opens, close) + np.round(reach[0] / _TICK) * _TICK
    low = np.minimum(opens, close) - np.round(reach[1] / _TICK) * _TICK
    prices = {
        name: np.round(values, 1) for name, values in (("open", opens), ("high", high), ("low", low), ("close", close))
    }
    return {
        "ts": ts,
        **prices,
        "volume": np.round(random.exponential(3, rows), 8),
        "trades": random.integers(1, 200, rows),
    }

"""Seeded candle frames for tests: a random walk with fat tails on an unbroken grid."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["frame_from_closes", "random_candles"]


def random_candles(rows: int, *, seed: int = 1, minutes: int = 60, start: str = "2024-01-01", price: float = 30_000.0,
                   momentum: float = 0.0) -> pd.DataFrame:  # fmt: skip
    """Candles of the house's form (ts, open, high, low, close, volume).  ``momentum`` in (-1, 1) makes returns follow the last one."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(4, rows) * 0.004
    returns = np.empty(rows)
    previous = 0.0
    for i, shock in enumerate(shocks):
        previous = momentum * previous + shock
        returns[i] = previous
    close = price * np.exp(np.cumsum(returns))
    open_ = np.concatenate(([price], close[:-1]))
    wick = np.abs(rng.normal(0, 0.002, (2, rows)))
    high = np.maximum(open_, close) * (1 + wick[0])
    low = np.minimum(open_, close) * (1 - wick[1])
    ts = pd.date_range(start, periods=rows, freq=f"{minutes}min", tz="UTC").astype("datetime64[ms, UTC]")
    volume = rng.lognormal(1.0, 0.8, rows)
    return pd.DataFrame({"ts": ts, "open": open_, "high": high, "low": low, "close": close, "volume": volume})


def frame_from_closes(closes: list[float], *, minutes: int = 1440, start: str = "2024-01-01") -> pd.DataFrame:
    """Flat-bodied candles: each opens at the close before it; high and low are the larger and smaller of the two."""
    close = np.array(closes, dtype=np.float64)
    open_ = np.concatenate((close[:1], close[:-1]))
    ts = pd.date_range(start, periods=len(close), freq=f"{minutes}min", tz="UTC").astype("datetime64[ms, UTC]")
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return pd.DataFrame({"ts": ts, "open": open_, "high": high, "low": low, "close": close, "volume": 1.0})

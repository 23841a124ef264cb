"""The limit: one raw array a column, memory-mapped; no names, no index, no checks, nothing synced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.stores.candle_store import BAR_COLUMNS, CandleStore, gaps_in
from benchmarks.stores.data import frame_of

_HOUR_MS = 3_600_000


class MemoryMap(CandleStore):
    title = "limit: memory map"

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def prepare(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        ts = pd.DatetimeIndex(frame["ts"]).as_unit("ms").asi8
        return {"ts": ts, **{name: frame[name].to_numpy() for name in BAR_COLUMNS}}

    def write(self, symbol: str, rows: Mapping[str, np.ndarray]) -> None:
        for name, values in rows.items():
            values.tofile(self._path(symbol, name))

    def append(self, rows: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        for symbol, columns in rows.items():
            for name, values in columns.items():
                with self._path(symbol, name).open("ab") as file:
                    values.tofile(file)

    def reopen(self) -> None:
        pass

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        ts = self._column(symbol, "ts")
        low = 0 if start is None else int(np.searchsorted(ts, start))
        high = len(ts) if end is None else int(np.searchsorted(ts, end))
        rows = {name: np.array(self._column(symbol, name)[low:high]) for name in ("ts", *BAR_COLUMNS)}
        return frame_of(rows)

    def hourly(self) -> pd.DataFrame:
        parts = []
        for symbol in self.symbols:
            ts = self._column(symbol, "ts")
            firsts = np.flatnonzero(np.diff(ts // _HOUR_MS, prepend=-1))
            lasts = np.append(firsts[1:], len(ts)) - 1
            data = {name: self._column(symbol, name) for name in BAR_COLUMNS}
            parts.append(pd.DataFrame({
                "symbol": symbol, "ts": ts[firsts] // _HOUR_MS * _HOUR_MS, "open": data["open"][firsts],
                "high": np.maximum.reduceat(data["high"], firsts), "low": np.minimum.reduceat(data["low"], firsts),
                "close": data["close"][lasts], "volume": np.add.reduceat(data["volume"], firsts),
                "trades": np.add.reduceat(data["trades"], firsts),
            }))  # fmt: skip
        return pd.concat(parts)

    def missing(self) -> int:
        return sum(gaps_in(self._column(symbol, "ts")) for symbol in self.symbols)

    def _path(self, symbol: str, name: str) -> Path:
        return self.folder / f"{symbol.replace('/', '-')}.{name}"

    def _column(self, symbol: str, name: str) -> np.ndarray:
        return np.memmap(self._path(symbol, name), np.int64 if name in ("ts", "trades") else np.float64, "r")

"""A file a pair, as freqtrade keeps them: whoever adds a candle reads and writes the whole file.

The calls and options are those of freqtrade's data handlers for feather and Parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmarks.stores.candle_store import BAR_COLUMNS, CandleStore, gaps_in

_HOURLY = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "trades": "sum"}


class FreqtradeFeather(CandleStore):
    title = "freqtrade feather (a file a pair)"

    def versions(self) -> dict[str, str]:
        return {"pandas": pd.__version__, "pyarrow": pa.__version__}

    def write(self, symbol: str, rows: pd.DataFrame) -> None:
        self._save(rows.reset_index(drop=True), self._path(symbol))

    def append(self, rows: Mapping[str, pd.DataFrame]) -> None:
        for symbol, frame in rows.items():
            self.write(symbol, pd.concat([self._load(self._path(symbol)), frame], ignore_index=True))

    def reopen(self) -> None:
        pass

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        frame = self._load(self._path(symbol))
        if start is None:
            return frame
        low, high = pd.Timestamp(start, unit="ms", tz="UTC"), pd.Timestamp(end, unit="ms", tz="UTC")
        return frame[(frame["ts"] >= low) & (frame["ts"] < high)]

    def hourly(self) -> pd.DataFrame:
        parts = []
        for symbol in self.symbols:
            frame = self._load(self._path(symbol)).set_index("ts")
            parts.append(frame.resample("1h").agg(_HOURLY).dropna(subset=["open"]).assign(symbol=symbol))
        return pd.concat(parts)

    def missing(self) -> int:
        return sum(
            gaps_in(pd.DatetimeIndex(self._load(self._path(symbol))["ts"]).as_unit("ms").asi8)
            for symbol in self.symbols
        )

    def _save(self, frame: pd.DataFrame, path: Path) -> None:
        frame[["ts", *BAR_COLUMNS]].to_feather(path, compression_level=9, compression="lz4")

    def _load(self, path: Path) -> pd.DataFrame:
        return pd.read_feather(path)

    def _path(self, symbol: str) -> Path:
        return self.folder / symbol.replace("/", "_")


class FreqtradeParquet(FreqtradeFeather):
    title = "freqtrade Parquet (a file a pair)"

    def _save(self, frame: pd.DataFrame, path: Path) -> None:
        frame[["ts", *BAR_COLUMNS]].to_parquet(path)

    def _load(self, path: Path) -> pd.DataFrame:
        return pd.read_parquet(path)

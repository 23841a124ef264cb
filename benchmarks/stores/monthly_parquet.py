"""Plain Parquet, one file a symbol and month, tuned as well as we know; no log, no snapshot, no check.

A new candle is a file of its own (nothing joins them here).  A reader is told the files by the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.stores.candle_store import CandleStore, gaps_in, hourly_sql

__all__ = ["MISSING_SQL", "MonthlyParquet", "table_of"]

MISSING_SQL: Final = (
    "SELECT sum(step - 1) FROM (SELECT (epoch_ms(ts) - lag(epoch_ms(ts)) OVER (PARTITION BY symbol ORDER BY ts)) // 60000 "
    "AS step FROM {source}) WHERE step > 1"
)
_FLOATS: Final = ("open", "high", "low", "close", "volume")
_ENCODINGS: Final = dict.fromkeys(_FLOATS, "BYTE_STREAM_SPLIT") | dict.fromkeys(("ts", "trades"), "DELTA_BINARY_PACKED")


def table_of(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


class MonthlyParquet(CandleStore):
    title = "Parquet by month, tuned"

    def versions(self) -> dict[str, str]:
        return {"pyarrow": pa.__version__}

    def prepare(self, frame: pd.DataFrame) -> pa.Table:
        return table_of(frame)

    def write(self, symbol: str, rows: pa.Table) -> None:
        folder = self._folder(symbol)
        folder.mkdir(parents=True, exist_ok=True)
        months = rows.column("ts").cast(pa.timestamp("ms")).to_numpy().astype("M8[M]")
        edges = [0, *(np.flatnonzero(np.diff(months) != np.timedelta64(0, "M")) + 1).tolist(), len(rows)]
        for low, high in pairwise(edges):
            _write(rows.slice(low, high - low), folder / f"{months[low]}-0.parquet")

    def append(self, rows: Mapping[str, pa.Table]) -> None:
        for symbol, table in rows.items():
            moment = table.column("ts")[0].value
            _write(table, self._folder(symbol) / f"{np.datetime64(moment, 'ms').astype('M8[M]')}-{moment}.parquet")

    def reopen(self) -> None:
        pass

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        paths = sorted(self._folder(symbol).glob("*.parquet"))
        if start is not None and end is not None:
            low, high = (str(np.datetime64(moment, "ms").astype("M8[M]")) for moment in (start, end - 1))
            paths = [path for path in paths if low <= path.stem[:7] <= high]
        frame = pa.concat_tables([pq.read_table(path, partitioning=None) for path in paths]).to_pandas()
        if start is None:
            return frame
        first, last = np.searchsorted(pd.DatetimeIndex(frame["ts"]).as_unit("ms").asi8, [start, end])
        return frame.iloc[first:last]

    def hourly(self) -> pd.DataFrame:
        parts = (
            f"SELECT '{symbol}' AS symbol, * FROM read_parquet('{self._folder(symbol)}/*.parquet')"
            for symbol in self.symbols
        )
        return duckdb.connect().sql(hourly_sql(f"({' UNION ALL '.join(parts)})")).to_arrow_table().to_pandas()

    def missing(self) -> int:
        total = 0
        for symbol in self.symbols:
            paths = sorted(self._folder(symbol).glob("*.parquet"))
            parts = [pq.read_table(path, columns=["ts"], partitioning=None).column("ts") for path in paths]
            total += gaps_in(np.concatenate([part.cast(pa.int64()).to_numpy() for part in parts]))
        return total

    def _folder(self, symbol: str) -> Path:
        return self.folder / symbol.replace("/", "-")


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(
        table, path, compression="zstd", compression_level=1, use_dictionary=False, column_encoding=_ENCODINGS,
        row_group_size=1_000_000,
    )  # fmt: skip

"""One DuckDB file with one table, filled symbol by symbol in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from benchmarks.stores.candle_store import CandleStore, hourly_sql
from benchmarks.stores.monthly_parquet import MISSING_SQL, table_of


class DuckDbFile(CandleStore):
    title = "DuckDB file"
    durable = "yes"

    def __init__(self, folder: Path, symbols: tuple[str, ...]) -> None:
        super().__init__(folder, symbols)
        self._path = folder / "candles.duckdb"
        self._connection = duckdb.connect(str(self._path))
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS candles (symbol VARCHAR, ts TIMESTAMPTZ, open DOUBLE, high DOUBLE, low DOUBLE, "
            "close DOUBLE, volume DOUBLE, trades BIGINT)"
        )

    def versions(self) -> dict[str, str]:
        return {"duckdb": duckdb.__version__}

    def prepare(self, frame: pd.DataFrame) -> pa.Table:
        return table_of(frame)

    def write(self, symbol: str, rows: pa.Table) -> None:
        self._connection.execute("INSERT INTO candles SELECT ?, * FROM rows", [symbol])
        self._connection.execute("CHECKPOINT")

    def append(self, rows: Mapping[str, pa.Table]) -> None:
        together = pa.concat_tables([  # noqa: F841  # DuckDB finds it by its name
            table.add_column(0, "symbol", pa.array([symbol] * len(table))) for symbol, table in rows.items()
        ])  # fmt: skip
        self._connection.execute("INSERT INTO candles SELECT * FROM together")

    def reopen(self) -> None:
        self._connection.close()
        self._connection = duckdb.connect(str(self._path))
        self._connection.execute("SET TimeZone = 'UTC'")

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        query, values = "SELECT * EXCLUDE symbol FROM candles WHERE symbol = ?", [symbol]
        if start is not None:
            query += " AND ts >= epoch_ms(?::BIGINT)::TIMESTAMPTZ AND ts < epoch_ms(?::BIGINT)::TIMESTAMPTZ"
            values += [start, end]
        return self._connection.sql(query + " ORDER BY ts", params=values).to_arrow_table().to_pandas()

    def hourly(self) -> pd.DataFrame:
        return self._connection.sql(hourly_sql("candles")).to_arrow_table().to_pandas()

    def missing(self) -> int:
        return int(self._connection.execute(MISSING_SQL.format(source="candles")).fetchall()[0][0])

    def close(self) -> None:
        self._connection.close()

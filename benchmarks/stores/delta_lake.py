"""Delta Lake by delta-rs: one table, partitioned by symbol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import deltalake
import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from benchmarks.stores.candle_store import CandleStore, hourly_sql
from benchmarks.stores.monthly_parquet import MISSING_SQL, table_of


class DeltaLake(CandleStore):
    title = "Delta Lake (delta-rs)"

    def versions(self) -> dict[str, str]:
        return {"deltalake": deltalake.__version__}

    def prepare(self, frame: pd.DataFrame) -> pa.Table:
        return table_of(frame)

    def write(self, symbol: str, rows: pa.Table) -> None:
        self.append({symbol: rows})

    def append(self, rows: Mapping[str, pa.Table]) -> None:
        together = pa.concat_tables([
            table.add_column(0, "symbol", pa.array([symbol] * len(table))) for symbol, table in rows.items()
        ])  # fmt: skip
        deltalake.write_deltalake(str(self.folder), together, mode="append", partition_by=["symbol"])

    def reopen(self) -> None:
        self._table = deltalake.DeltaTable(str(self.folder))

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        wanted = ds.field("symbol") == symbol
        if start is not None:
            wanted &= (ds.field("ts") >= _moment(start)) & (ds.field("ts") < _moment(end))
        return self._dataset().to_table(filter=wanted).sort_by("ts").to_pandas()

    def hourly(self) -> pd.DataFrame:
        candles = self._dataset()  # noqa: F841  # DuckDB finds it by its name
        return duckdb.sql(hourly_sql("candles")).to_arrow_table().to_pandas()

    def missing(self) -> int:
        candles = self._dataset()  # noqa: F841  # DuckDB finds it by its name
        return int(duckdb.sql(MISSING_SQL.format(source="candles")).fetchall()[0][0])

    def _dataset(self) -> ds.Dataset:
        return self._table.to_pyarrow_dataset()


def _moment(ms: int | None) -> datetime:
    return datetime.fromtimestamp((ms or 0) / 1000, UTC)

"""Apache Iceberg by pyiceberg, with its catalogue in SQLite: one table, partitioned by symbol."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pyarrow as pa
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.transforms import IdentityTransform

from benchmarks.stores.candle_store import CandleStore, hourly_sql
from benchmarks.stores.monthly_parquet import MISSING_SQL, table_of

_SCHEMA = pa.schema([
    ("symbol", pa.string()), ("ts", pa.timestamp("us", "UTC")),
    *((name, pa.float64()) for name in ("open", "high", "low", "close", "volume")), ("trades", pa.int64()),
])  # fmt: skip


class IcebergTable(CandleStore):
    title = "Iceberg (pyiceberg)"
    durable = "catalogue only"

    def __init__(self, folder, symbols) -> None:  # type: ignore[no-untyped-def]
        super().__init__(folder, symbols)
        self._load()
        if not self._catalog.namespace_exists("market"):
            self._catalog.create_namespace("market")
            table = self._catalog.create_table("market.candles", _SCHEMA)
            with table.update_spec() as spec:
                spec.add_field("symbol", IdentityTransform(), "symbol")
        self._table = self._catalog.load_table("market.candles")

    def versions(self) -> dict[str, str]:
        return {"pyiceberg": pyiceberg.__version__}

    def prepare(self, frame: pd.DataFrame) -> pa.Table:
        return table_of(frame)

    def write(self, symbol: str, rows: pa.Table) -> None:
        self.append({symbol: rows})

    def append(self, rows: Mapping[str, pa.Table]) -> None:
        together = pa.concat_tables([
            table.add_column(0, "symbol", pa.array([symbol] * len(table))).cast(_SCHEMA) for symbol, table in rows.items()
        ])  # fmt: skip
        self._table.append(together)

    def reopen(self) -> None:
        self._load()
        self._table = self._catalog.load_table("market.candles")

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        wanted = EqualTo("symbol", symbol)
        if start is not None:
            wanted = And(wanted, And(GreaterThanOrEqual("ts", _moment(start)), LessThan("ts", _moment(end))))
        return self._table.scan(row_filter=wanted).to_arrow().sort_by("ts").to_pandas()

    def hourly(self) -> pd.DataFrame:
        candles = self._table.scan().to_arrow_batch_reader()  # noqa: F841  # DuckDB finds it by its name
        return duckdb.sql(hourly_sql("candles")).to_arrow_table().to_pandas()

    def missing(self) -> int:
        candles = self._table.scan(selected_fields=("symbol", "ts")).to_arrow_batch_reader()  # noqa: F841
        return int(duckdb.sql(MISSING_SQL.format(source="candles")).fetchall()[0][0])

    def _load(self) -> None:
        self._catalog = SqlCatalog(
            "bench", uri=f"sqlite:///{self.folder}/catalog.db", warehouse=f"file://{self.folder}"
        )


def _moment(ms: int | None) -> str:
    return datetime.fromtimestamp((ms or 0) / 1000, UTC).isoformat()

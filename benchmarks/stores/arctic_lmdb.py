"""ArcticDB on LMDB: versions of each symbol, columns in segments."""

from __future__ import annotations

from collections.abc import Mapping

import arcticdb
import pandas as pd

from benchmarks.stores.candle_store import CandleStore, gaps_in


class ArcticLmdb(CandleStore):
    title = "ArcticDB (LMDB)"
    durable = "yes"

    def __init__(self, folder, symbols) -> None:  # type: ignore[no-untyped-def]
        super().__init__(folder, symbols)
        # LMDB's map is reserved ahead; 80 bytes a row hold the largest run.
        self._uri = f"lmdb://{folder}?map_size=20GB"
        self.reopen()

    def versions(self) -> dict[str, str]:
        return {"arcticdb": arcticdb.__version__}

    def prepare(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(ts=frame["ts"].astype("datetime64[ns, UTC]")).set_index("ts")

    def write(self, symbol: str, rows: pd.DataFrame) -> None:
        self._library.write(symbol, rows)

    def append(self, rows: Mapping[str, pd.DataFrame]) -> None:
        self._library.append_batch([arcticdb.WritePayload(symbol, frame) for symbol, frame in rows.items()])

    def reopen(self) -> None:
        self._library = None
        self._arctic = None
        self._arctic = arcticdb.Arctic(self._uri)
        self._library = self._arctic.get_library("candles", create_if_missing=True)

    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        span = None if start is None else (_moment(start), _moment(end) - pd.Timedelta(1, "ms"))
        return self._library.read(symbol, date_range=span).data

    def hourly(self) -> pd.DataFrame:
        parts = []
        for symbol in self.symbols:
            query = (
                arcticdb.QueryBuilder()
                .resample("1h")
                .agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "trades": "sum"})
            )
            parts.append(self._library.read(symbol, query_builder=query).data.assign(symbol=symbol))
        return pd.concat(parts)

    def missing(self) -> int:
        return sum(
            gaps_in(self._library.read(symbol, columns=[]).data.index.asi8 // 1_000_000) for symbol in self.symbols
        )

    def close(self) -> None:
        self._library = None
        self._arctic = None


def _moment(ms: int | None) -> pd.Timestamp:
    return pd.Timestamp(ms, unit="ms", tz="UTC")

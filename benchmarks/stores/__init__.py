"""Candle stores behind one small interface, each measured in a process of its own.

``data`` makes the seeded candles · ``candle_store`` is the interface · ``measure`` is the process that times one store · every
other module is one store.  A store answers exactly the same questions, and ``measure`` refuses one whose answers differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["PEER", "STORES", "Entry"]

PEER: Final = "peer"  # runs in the peers' environment; the others run in Kracken's own


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a store's class lives, which environment runs it, up to how many candles it is measured unless told to be patient, and why
    not beyond."""

    module: str
    name: str
    environment: str = "own"
    most_candles: int = 1_000_000_000
    why_not_more: str = ""


STORES: Final = {
    "limit": Entry("memory_map", "MemoryMap"),
    "kracken": Entry("kracken_lake", "KrackenGated"),
    "kracken-ungated": Entry("kracken_lake", "KrackenUngated"),
    "arcticdb": Entry("arctic_lmdb", "ArcticLmdb", PEER),
    "duckdb": Entry("duckdb_file", "DuckDbFile"),
    "parquet": Entry("monthly_parquet", "MonthlyParquet"),
    "freqtrade-feather": Entry("freqtrade_files", "FreqtradeFeather"),
    "freqtrade-parquet": Entry("freqtrade_files", "FreqtradeParquet"),
    "delta": Entry(
        "delta_lake", "DeltaLake", PEER, 12_000_000, "resampling and gap search take half a minute each, five times"
    ),
    "iceberg": Entry(
        "iceberg_table",
        "IcebergTable",
        PEER,
        12_000_000,
        "every whole read takes the better part of a minute, five times",
    ),
}

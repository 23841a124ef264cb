"""The lake: candles in immutable Parquet files behind an append-only commit log; snapshots to read, DuckDB to ask.

``Lake(LocalStore(root))`` is the room; the rest are the values it gives.  Nothing heavy loads until a name is used.

Where to look: ``store`` touches storage · ``staging`` holds what is not yet judged · ``arrivals`` reads a verdict · ``merge``
decides what is news and which files hold it · ``manifest`` and ``log`` are the truth · ``reader`` and ``snapshot`` read ·
``query`` is SQL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.lake.lake import Lake
    from kracken_tasks.lake.snapshot import Hole, HoleCause, SeriesCoverage, Snapshot
    from kracken_tasks.lake.store import LocalStore, Store

__all__ = ["Hole", "HoleCause", "Lake", "LocalStore", "SeriesCoverage", "Snapshot", "Store"]

_HOMES = {
    "Hole": "snapshot", "HoleCause": "snapshot", "Lake": "lake", "LocalStore": "store",
    "SeriesCoverage": "snapshot", "Snapshot": "snapshot", "Store": "store",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

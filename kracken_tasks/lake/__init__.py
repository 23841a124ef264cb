"""The lake: candles, trades and quotes in immutable Parquet files behind an append-only commit log; DuckDB to ask.

``Lake(LocalStore(root))`` is the room; the rest are the values it gives.  Nothing heavy loads until a name is used.

Where to look: ``lake`` is the room's face · ``store``, ``s3`` and ``remote`` touch storage, ``ranges`` a part of an object · ``dataset``
says what kinds of rows there are · ``staging`` holds what is not yet judged, ``takeover`` knows which of it can be kept as it lies ·
``arrivals`` reads a verdict, ``release`` a person's word, ``outages`` a venue's silence · ``merge`` and ``tapes`` decide what is news and
which files hold it, ``writing`` makes them · ``manifest`` (``manifest_json`` its bytes), ``log`` and ``segments`` are the truth ·
``block`` holds rows in memory, ``spans`` sets of time, ``holes`` what is missing and why, ``kept_out`` what a verdict refused ·
``reader``, ``snapshot`` and ``filling`` read · ``query`` and ``notebook`` are SQL · ``coverage_map`` draws · ``upkeep`` tidies.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.lake.holes import Hole, HoleCause
    from kracken_tasks.lake.lake import Lake
    from kracken_tasks.lake.notebook import connect
    from kracken_tasks.lake.snapshot import SeriesCoverage, Snapshot, TapeCoverage
    from kracken_tasks.lake.store import LocalStore, Store, open_store
    from kracken_tasks.lake.upkeep import Pin, UpkeepReport

__all__ = [
    "Hole", "HoleCause", "Lake", "LocalStore", "Pin", "SeriesCoverage", "Snapshot", "Store", "TapeCoverage", "UpkeepReport",
    "connect", "open_store",
]  # fmt: skip

_HOMES = {
    **dict.fromkeys(("Hole", "HoleCause"), "holes"),
    **dict.fromkeys(("SeriesCoverage", "Snapshot", "TapeCoverage"), "snapshot"),
    **dict.fromkeys(("LocalStore", "Store", "open_store"), "store"),
    **dict.fromkeys(("Pin", "UpkeepReport"), "upkeep"),
    "Lake": "lake",
    "connect": "notebook",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

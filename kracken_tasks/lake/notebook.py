"""The lake as a DuckDB connection, for a notebook: ``connect().sql("SELECT ... FROM candles").df()``.

In: where the lake lies.  Out: a connection with the views of ``query``.  Never: a way to change anything.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kracken_tasks.lake.lake import Lake
from kracken_tasks.lake.store import open_store

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect"]


def connect(
    where: Lake | Path | str = ".kracken/lake", as_of: int | datetime | str | None = None
) -> duckdb.DuckDBPyConnection:
    """DuckDB over one snapshot of a lake: views candles, candles_all, trades, quotes, quarantine, commits, outages, findings.

    ``where``: a lake, a folder, or ``s3://bucket/prefix`` (credentials from the environment); ``as_of``: as for ``Lake.snapshot``.
    The views show that snapshot for as long as the connection is open, whatever is committed meanwhile.
    """
    lake = where if isinstance(where, Lake) else Lake(open_store(str(where)))
    return lake.connect(as_of)

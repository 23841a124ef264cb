"""Pages of trades on their way: kept on disk until their day is committed, so that a kill costs at most the page in flight.

In: pages as the venue gave them, each with the cursor of the next.  Out: the same pages, in order.  Never: a page under its name before it
is whole, a decision about candles.

One folder a chunk, one numbered file a page.  The folder is gone once the chunk is in the lake; what a killed run left is taken up by
the next.  One process works on a pair at a time (``exclusive``): the lock is the kernel's and dies with its holder.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from kracken_tasks.domain.market import TRADE_COLUMNS
from kracken_tasks.files import make_folder, replacing

__all__ = ["FolderSpool", "MemorySpool", "Page", "Spool", "exclusive"]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """``trades`` (``TRADE_COLUMNS``) in the venue's order, and the ``cursor`` that the venue gave for what follows."""

    trades: pd.DataFrame
    cursor: str


class Spool(Protocol):
    """Pages of one chunk in the order they came."""

    def pages(self) -> list[Page]: ...

    def add(self, page: Page) -> None: ...

    def clear(self) -> None: ...


class MemorySpool:
    """For reads that are short enough to be begun again."""

    def __init__(self) -> None:
        self._pages: list[Page] = []

    def pages(self) -> list[Page]:
        return list(self._pages)

    def add(self, page: Page) -> None:
        self._pages.append(page)

    def clear(self) -> None:
        self._pages.clear()


class FolderSpool:
    """Pages as numbered Parquet files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pages(self) -> list[Page]:
        """Pages from the first to the last before a missing number."""
        found: list[Page] = []
        while (path := self._path(len(found))).is_file():
            found.append(_read(path))
        return found

    def add(self, page: Page) -> None:
        number = 0
        while self._path(number).is_file():
            number += 1
        table = pa.Table.from_pandas(page.trades[list(TRADE_COLUMNS)], preserve_index=False)
        told = {**(table.schema.metadata or {}), b"cursor": page.cursor.encode()}
        with replacing(self._path(number)) as scratch:
            pq.write_table(table.replace_schema_metadata(told), scratch)

    def clear(self) -> None:
        # From the last page down: a kill on the way leaves the first pages, never later ones without them.
        for path in sorted(self._folder.glob("*.parquet"), reverse=True):
            path.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.parquet"


def _read(path: Path) -> Page:
    table = pq.ParquetFile(path).read()
    return Page(table.to_pandas(), table.schema.metadata[b"cursor"].decode())


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against other processes on this machine; waits until it is free."""
    make_folder(folder)
    with (folder / ".lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield

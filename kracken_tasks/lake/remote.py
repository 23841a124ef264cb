"""Data files that do not lie on this machine, as one Arrow dataset: a file is fetched when a query comes to it, and no other.

In: a store and file entries.  Out: a dataset that DuckDB scans with its own filters on ``ts``: the manifest's bounds leave files
unfetched.  (DuckDB's own S3 extension would have to be downloaded, and would know nothing of the manifest.)
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.dataset as ds  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.lake.dataset import BOOKKEEPING, Dataset
from kracken_tasks.lake.manifest import FileEntry
from kracken_tasks.lake.store import Store

__all__ = ["remote_files"]


def remote_files(store: Store, files: Sequence[FileEntry], dataset: Dataset) -> ds.Dataset:
    """Nothing is fetched yet."""
    kind = ds.ParquetFileFormat()
    # Bounds are told in the type the file has: words are plain text there.
    fields = [pa.field(one.name, pa.string()) if one.name in dataset.vocabulary else one for one in dataset.schema]
    moment = pa.timestamp(dataset.unit, "UTC")
    fragments = [
        kind.make_fragment(
            pa.PythonFile(_Later(store, entry), mode="r"),
            partition_expression=_told(entry, moment, dataset),
        )
        for entry in files
    ]
    return ds.FileSystemDataset(fragments, pa.schema(fields), kind)


def _told(entry: FileEntry, moment: pa.DataType, dataset: Dataset) -> ds.Expression:
    """What the manifest says of all rows of a file: bounds, and the columns that a bare one lacks, which are filled in from here."""
    told = (ds.field("ts") >= pa.scalar(entry.first, moment)) & (ds.field("ts") <= pa.scalar(entry.last, moment))
    if entry.bare:
        for name in BOOKKEEPING:
            told &= ds.field(name) == pa.scalar(dict(entry.same)[name], dataset.schema.field(name).type)
    return told


class _Later(io.RawIOBase):
    """A file of known size whose bytes are fetched at the first read."""

    def __init__(self, store: Store, entry: FileEntry) -> None:
        super().__init__()
        self._store = store
        self._entry = entry
        self._raw: io.BytesIO | None = None
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.bytes}[whence]
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        if self._raw is None:
            self._raw = io.BytesIO(self._store.get(self._entry.name))
        self._raw.seek(self._at)
        data = self._raw.read(-1 if size is None else size)
        self._at += len(data)
        return data

"""Data files that do not lie on this machine, as one Arrow dataset: a file is fetched when a query comes to it, and no other.

In: a store and file entries.  Out: a dataset that DuckDB scans with its own filters on ``ts``: the manifest's bounds leave files
unfetched.  (DuckDB's own S3 extension would have to be downloaded, and would know nothing of the manifest.)
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.dataset as ds  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.lake.dataset import BOOKKEEPING, Dataset
from kracken_tasks.lake.manifest import FileEntry
from kracken_tasks.lake.ranges import Whole
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
            pa.PythonFile(Whole(store, entry.name, entry.bytes), mode="r"),
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

"""Staged files that become data files as they are: the bytes that were judged are the bytes that are kept.

In: the rows of a staged file while it is written, its bytes when it is committed.  Out: ``Ready``, which says what a manifest must know
of the file, and its ``FileEntry``.  Never: a file whose rows a reader could not take as they lie (out of order, doubled, not finite, with
further columns), nor one that is larger than a correction may rewrite.

What is known of the rows lies in the file's own footer, so the hash that the verdict names binds it too, and a commit need not decode
them.  Which commit wrote the rows is not in such a file: it is one value for all of them, and stands in the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.compute as pc  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.lake.block import GROUP_ROWS
from kracken_tasks.lake.dataset import CANDLES, UNKNOWN, Dataset
from kracken_tasks.lake.manifest import FileEntry, Group, data_name
from kracken_tasks.lake.merge import MOST_TAKEN_OVER, SMALL_ROWS

__all__ = ["READY", "Ready", "ready_rows"]

# The footer's key.
READY: Final = "ready"


@dataclass(frozen=True, slots=True)
class Ready:
    """Rows in order, unique and finite, as row groups (rows, first, last); ``same``: see ``block.uniform``.  Times in ms."""

    groups: tuple[tuple[int, int, int], ...]
    same: tuple[tuple[str, int], ...]

    @property
    def rows(self) -> int:
        return sum(rows for rows, _, _ in self.groups)

    @property
    def first(self) -> int:
        return self.groups[0][1]

    @property
    def last(self) -> int:
        return self.groups[-1][2]

    def to_text(self) -> str:
        """For the file's footer: the same rows give the same text."""
        return json.dumps({"groups": self.groups, "same": dict(self.same)}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Ready:
        told: dict[str, Any] = json.loads(text)
        return cls(tuple((r, a, b) for r, a, b in told["groups"]), tuple(sorted(told["same"].items())))

    def entry(self, folder: str, content_hash: str, size: int, *, seq: int, known_at: int) -> FileEntry:
        """The file as commit ``seq`` names it.

        The name has the number in it: the bytes have not, and a writer that comes too late must not meet the file of the one before.
        """
        stamps = {"revision": 0, "commit_seq": seq, "known_at": known_at}
        return FileEntry(
            data_name(folder, CANDLES.moment(self.first), content_hash, f"-{seq}"), content_hash, size, self.rows, self.rows,
            self.first, self.last, seq, 0, tuple(Group(*group, seq) for group in self.groups),
            tuple(sorted({**dict(self.same), **stamps}.items())), bare=True,
        )  # fmt: skip


def ready_rows(table: pa.Table, dataset: Dataset) -> Ready | None:
    """What to write down of a staged table; None if its file could not be kept as it is."""
    if dataset is not CANDLES or not SMALL_ROWS <= table.num_rows <= MOST_TAKEN_OVER:
        return None
    if tuple(table.column_names) != dataset.columns:
        return None
    ts = table.column("ts").cast(pa.int64()).to_numpy()
    if not bool((ts[1:] > ts[:-1]).all()) or not all(_finite(table.column(name)) for name in dataset.finite):
        return None
    same: dict[str, int] = {}
    for name in (*dataset.counts, *dataset.vocabulary):
        spread = _spread(table.column(name), dataset.vocabulary.get(name))
        if spread is None:
            return None
        if spread[0] == spread[1]:
            same[name] = spread[0]
    for name in dataset.floats:
        if table.column(name).null_count == table.num_rows:
            same[name] = 0
    edges = range(0, len(ts), GROUP_ROWS)
    groups = tuple((len(part), int(part[0]), int(part[-1])) for at in edges for part in [ts[at : at + GROUP_ROWS]])
    return Ready(groups, tuple(sorted(same.items())))


def _finite(column: pa.ChunkedArray) -> bool:
    return not column.null_count and bool(np.isfinite(column.to_numpy()).all())


def _spread(column: pa.ChunkedArray, words: Sequence[str] | None) -> tuple[int, int] | None:
    """The smallest and the largest value as a reader takes it (words: places in the vocabulary; unknown: UNKNOWN); None if a value is
    no such thing."""
    nulls = [UNKNOWN] if column.null_count else []
    if words is None:
        told = pc.min_max(column).as_py()
        values = [value for value in told.values() if value is not None]
        if any(value < 0 for value in values):
            return None
    else:
        found = {word for chunk in column.chunks for word in chunk.dictionary.to_pylist()}
        if nulls or not found <= set(words):
            return None
        values = [words.index(word) for word in found]
    return min(values + nulls), max(values + nulls)

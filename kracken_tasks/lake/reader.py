"""Decoded rows of a series, read by row group and no further than needed.

In: file entries of the manifest (files are never globbed).  Out: blocks.  Data files are immutable, so what was decoded once
stays right; a bounded cache keeps the most recently used groups.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from kracken_tasks.lake.block import Block, decode
from kracken_tasks.lake.dataset import CANDLES, Dataset
from kracken_tasks.lake.manifest import FileEntry, Group
from kracken_tasks.lake.store import Store

__all__ = ["FOREVER", "BlockReader", "Unit", "newest", "settled", "units"]

_CACHE_BYTES: Final = 128 * 1024 * 1024
FOREVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Unit:
    """One row group of one file: what is read or left unread."""

    entry: FileEntry
    index: int

    @property
    def group(self) -> Group:
        return self.entry.groups[self.index]


def units(files: Iterable[FileEntry], *, start: int = -FOREVER, end: int = FOREVER, seq: int = FOREVER) -> list[Unit]:
    """Row groups that may hold rows with start <= ts < end written by commits up to ``seq``, in order of time."""
    found = [
        Unit(entry, index)
        for entry in files
        if entry.first < end and entry.last >= start
        for index, group in enumerate(entry.groups)
        if group.first < end and group.last >= start and group.min_seq <= seq
    ]
    found.sort(key=lambda unit: (unit.group.first, unit.group.last))
    return found


def newest(blocks: Sequence[Block], seq: int = FOREVER) -> Block:
    """One row a candle: the newest revision that commit ``seq`` knew, sorted by ts."""
    rows = Block.concat(blocks)
    if not len(rows):
        return rows
    if int(rows["commit_seq"].max()) > seq:
        rows = rows.take(rows["commit_seq"] <= seq)
    ts = rows["ts"]
    if bool((np.diff(ts) > 0).all()):
        return rows
    order = np.lexsort((rows["revision"], ts))
    last_of_ts = np.append(np.diff(ts[order]) != 0, True)
    return rows.take(order[last_of_ts])


def settled(wanted: Sequence[Unit], seq: int) -> bool:
    """True when every row of these groups is the only revision of its candle and known at ``seq``, told by the manifest."""
    return all(unit.entry.max_revision == 0 and unit.entry.max_seq <= seq for unit in wanted)


class BlockReader:
    """Decodes units through a cache of at most ``cache_bytes``; safe to share between threads."""

    def __init__(self, store: Store, cache_bytes: int = _CACHE_BYTES) -> None:
        self._store = store
        self._cache_bytes = cache_bytes
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[str, int], Block] = OrderedDict()
        self._held = 0

    def read(self, wanted: Sequence[Unit], dataset: Dataset = CANDLES) -> list[Block]:
        """Blocks in the order of ``wanted``; the groups of one file are decoded together."""
        found = {(unit.entry.name, unit.index): self._cached(unit) for unit in wanted}
        missing: dict[str, list[Unit]] = {}
        for unit in wanted:
            if found[(unit.entry.name, unit.index)] is None:
                missing.setdefault(unit.entry.name, []).append(unit)
        for name, group in missing.items():
            for unit, block in zip(group, self._decode(group, dataset), strict=True):
                found[(name, unit.index)] = block
                self._keep((name, unit.index), block)
        blocks = (found[(unit.entry.name, unit.index)] for unit in wanted)
        return [block for block in blocks if block is not None]

    def put(self, entry: FileEntry, block: Block) -> None:
        """Remember a block that was just written, so that its writer need not decode it again."""
        if len(entry.groups) == 1:
            self._keep((entry.name, 0), block)

    def _decode(self, group: Sequence[Unit], dataset: Dataset) -> list[Block]:
        entry = group[0].entry
        where = self._store.local_path(entry.name) or self._store.get(entry.name)
        whole = decode(where, [unit.index for unit in group], dict(entry.same), dataset)
        edges = np.cumsum([0, *(unit.group.rows for unit in group)])
        return [whole.take(slice(int(a), int(b))) for a, b in pairwise(edges)]

    def _cached(self, unit: Unit) -> Block | None:
        with self._lock:
            key = (unit.entry.name, unit.index)
            if key in self._blocks:
                self._blocks.move_to_end(key)
            return self._blocks.get(key)

    def _keep(self, key: tuple[str, int], block: Block) -> None:
        size = _size(block)
        with self._lock:
            if key in self._blocks or size > self._cache_bytes:
                return
            self._blocks[key] = block.frozen()
            self._held += size
            while self._held > self._cache_bytes:
                _, gone = self._blocks.popitem(last=False)
                self._held -= _size(gone)


def _size(block: Block) -> int:
    return len(block) * len(block.columns) * 8

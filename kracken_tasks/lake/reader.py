"""Decoded rows of a series, read by row group and no further than needed.

In: file entries of the manifest (files are never globbed).  Out: blocks.  Data files are immutable, so what was decoded once
stays right; a bounded cache keeps the most recently used groups.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import RawIOBase
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.lake.block import Block, decode
from kracken_tasks.lake.dataset import CANDLES, Dataset
from kracken_tasks.lake.manifest import FileEntry, Group
from kracken_tasks.lake.ranges import Ranged
from kracken_tasks.lake.store import Store

__all__ = ["FOREVER", "BlockReader", "Unit", "newest", "settled", "units"]

_CACHE_BYTES: Final = 128 * 1024 * 1024
# Longer runs of groups are read for a backtest or a report: keeping them would push out what every tick reads.
_MOST_KEPT: Final = 3
# Of a file in a bucket, what is read by ranges: less than one row group in so many.
_MOST_SHARE: Final = 4
# Of a bucket; one is a few hundred kilobytes at most.
_MOST_PACKS: Final = 8
FOREVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Unit:
    """One row group of one file: what is read or left unread."""

    entry: FileEntry
    index: int

    @property
    def group(self) -> Group:
        return self.entry.groups[self.index]

    @property
    def place(self) -> tuple[str, int]:
        """Its file, and which row group of it."""
        return self.entry.name, (self.entry.at or 0) + self.index


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
        self._packs: OrderedDict[str, bytes] = OrderedDict()

    def read(self, wanted: Sequence[Unit], dataset: Dataset = CANDLES) -> list[Block]:
        """The rows of ``wanted`` in its order, as few blocks as it takes: neighbouring groups of one file are decoded as one."""
        blocks: list[Block] = []
        looked = [(unit, self._cached(unit)) for unit in wanted]
        for (_, new), run in groupby(looked, key=lambda pair: (pair[0].entry.name, pair[1] is None)):
            if new:
                blocks.append(self._decode([unit for unit, _ in run], dataset))
            else:
                blocks += [block for _, block in run if block is not None]
        return blocks

    def times(self, entry: FileEntry, groups: Sequence[int], dataset: Dataset = CANDLES) -> NDArray[np.int64]:
        """``ts`` alone of some row groups of one file, sorted: a fraction of its bytes, and nothing is kept."""
        units = [Unit(entry, index) for index in groups]
        where = self._where(entry, len(units))
        return decode(where, [unit.place[1] for unit in units], dict(entry.same), dataset, ("ts",))["ts"]

    def put(self, entry: FileEntry, block: Block) -> None:
        """Remember a block that was just written, so that its writer need not decode it again."""
        if len(entry.groups) == 1:
            self._keep(Unit(entry, 0).place, block)

    def _decode(self, group: Sequence[Unit], dataset: Dataset) -> Block:
        entry = group[0].entry
        where = self._where(entry, len(group))
        whole = decode(where, [unit.place[1] for unit in group], dict(entry.same), dataset)
        if len(group) <= _MOST_KEPT:
            whole = whole.frozen()
            edges = np.cumsum([0, *(unit.group.rows for unit in group)])
            for unit, (start, stop) in zip(group, pairwise(edges.tolist()), strict=True):
                self._keep(unit.place, whole.take(slice(start, stop)))
        return whole

    def _where(self, entry: FileEntry, groups: int) -> Path | bytes | RawIOBase:
        path = self._store.local_path(entry.name)
        if path is None and len(entry.groups) > _MOST_SHARE * groups:
            return Ranged(self._store, entry.name, entry.bytes)
        if path is not None or entry.at is None:
            return path or self._store.get(entry.name)
        # Series after series is read out of one pack: it is fetched once.
        with self._lock:
            raw = self._packs.pop(entry.name, None)
        raw = self._store.get(entry.name) if raw is None else raw
        with self._lock:
            self._packs[entry.name] = raw
            while len(self._packs) > _MOST_PACKS:
                self._packs.popitem(last=False)
        return raw

    def _cached(self, unit: Unit) -> Block | None:
        with self._lock:
            if unit.place in self._blocks:
                self._blocks.move_to_end(unit.place)
            return self._blocks.get(unit.place)

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

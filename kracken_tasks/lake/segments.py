"""Old commits, a thousand to an object: the log stays whole, and neither its files nor its bytes grow with every tick.

In: a store.  Out: the bytes of a commit as they were written, wherever they lie now.  Never: a commit that two writers could make, or a
changed one.

Folding frees the names of commits, and a free name could be taken: by a writer that drafted long ago, slept, and wakes up now.  Two rules
keep the history one.  The object is there before the first name is freed; and whoever has looked at names of commits, or put one, then
asks for the object that would hold it: if it is there, it alone counts (``CommitLog``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.errors import BadData
from kracken_tasks.lake.store import Store

__all__ = ["SEGMENT", "Segments"]

# Commits in an object.
SEGMENT: Final = 1024
_LEVEL: Final = 9
_KEPT: Final = 2


class Segments:
    """The folded part of one log; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._upto = 0
        self._lines: OrderedDict[int, list[bytes]] = OrderedDict()

    @property
    def upto(self) -> int:
        """The last folded commit that is known of; see ``look``."""
        return self._upto

    def look(self, seq: int) -> bool:
        """Whether commit ``seq`` is folded; asks the store, unless it is known."""
        if seq <= self._upto:
            return True
        if not self._store.exists(_name(seq)):
            return False
        # What is folded has no holes: doubling, then halving, finds its end.
        low, step = _number(seq), 1
        while self._store.exists(_name_of(low + step)):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._store.exists(_name_of(middle)) else (low, middle)
        self._upto = max(self._upto, (low + 1) * SEGMENT)
        return True

    def get(self, seq: int) -> bytes:
        """A folded commit's bytes.  Raises: BadData if it is not folded, or the object is no segment."""
        number = _number(seq)
        with self._lock:
            lines = self._lines.pop(number, None)
        if lines is None:
            lines = _unpacked(self._store.get(_name_of(number)), _name_of(number))
        with self._lock:
            self._lines[number] = lines
            while len(self._lines) > _KEPT:
                self._lines.popitem(last=False)
        return lines[(seq - 1) % SEGMENT]

    def fold(self, head: int, commit: Callable[[int], bytes]) -> int:
        """Fold all whole segments that lie at least one more behind ``head``; how many commits that were.

        Killed anywhere, the next call goes on.  ``commit`` gives the bytes of one that is not folded.
        """
        before = self._upto if self.look(1) else 0
        upto = (
            max(head // SEGMENT - 1, 0) * SEGMENT
        )  # readers and writers at work are surely less than a segment behind
        for first in range(before + 1, upto + 1, SEGMENT):
            raw = b"\n".join(commit(seq) for seq in range(first, first + SEGMENT))
            self._store.put_if_absent(
                _name(first), pa.Codec("zstd", compression_level=_LEVEL).compress(raw, asbytes=True)
            )
            self._upto = max(self._upto, first + SEGMENT - 1)
        return max(upto - before, 0)


def _unpacked(raw: bytes, name: str) -> list[bytes]:
    try:
        whole: bytes = pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read()
    except (OSError, pa.ArrowException) as error:
        raise BadData(f"{name} is no segment of a log", name=name) from error
    lines = whole.split(b"\n")
    if len(lines) != SEGMENT:
        raise BadData(f"{name} holds {len(lines)} commits, not {SEGMENT}", name=name)
    return lines


def _number(seq: int) -> int:
    return (seq - 1) // SEGMENT


def _name(seq: int) -> str:
    return _name_of(_number(seq))


def _name_of(number: int) -> str:
    return f"_segments/{number * SEGMENT + 1:012d}.zst"

"""An object that does not lie on this machine, as a file to read from: fetched in parts, or whole once somebody reads.

In: a store, a name, its size.  Out: ``Ranged``, each read a request for a range, for row groups of a large file; ``Whole``, one request at
the first read, for files of which all is read or nothing.  Never: a request before a read.
"""

from __future__ import annotations

import io

from kracken_tasks.lake.store import Store

__all__ = ["Ranged", "Whole"]


class Ranged(io.RawIOBase):
    """An object of known size, read where it lies."""

    def __init__(self, store: Store, name: str, size: int) -> None:
        super().__init__()
        self._store, self._name, self._size = store, name, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        data = self._part(self._at, wanted) if wanted else b""
        self._at += len(data)
        return data

    def _part(self, start: int, size: int) -> bytes:
        return self._store.get_part(self._name, start, size)


class Whole(Ranged):
    """The same, all of it fetched at the first read."""

    _fetched: bytes | None = None

    def _part(self, start: int, size: int) -> bytes:
        if self._fetched is None:
            self._fetched = self._store.get(self._name)
        return self._fetched[start : start + size]

"""A part of an object that does not lie on this machine, without fetching all of it.

In: a store, a name, its size.  Out: a file to read from, each read a request for a range.  For row groups of a large file.
"""

from __future__ import annotations

import io

from kracken_tasks.lake.store import Store

__all__ = ["Ranged"]


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
        data = self._store.get_part(self._name, self._at, wanted) if wanted else b""
        self._at += len(data)
        return data

"""Stores for tests: of every kind a lake may lie in, one in memory that is quick, and one that stops after a chosen call."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import BadData
from kracken_tasks.lake.store import NOTHING, LocalStore, Store

__all__ = ["STORES", "Killed", "MemoryStore", "StoppingStore", "store_of"]

STORES: Final = ("folder", "memory", "s3")
_prefixes = itertools.count()


def store_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> Store:
    """An empty store of one of STORES; ``s3`` is a real server over HTTP, shared by the session, a prefix a store."""
    if kind == "folder":
        return LocalStore(folder)
    if kind == "memory":
        return MemoryStore()
    store: Store = request.getfixturevalue("bucket_server").store(f"lake-{next(_prefixes)}/deep")
    return store


class MemoryStore:
    """A bucket with conditional writes: no local paths, exclusive puts.  ``now`` is what it stamps objects with."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.stamps: dict[str, datetime] = {}
        self.now = utc(2023, 1, 1)
        self._lock = threading.Lock()

    def put_if_absent(self, name: str, data: bytes) -> bool:
        with self._lock:
            if name in self.objects:
                return False
            self.objects[name] = data
            self.stamps[name] = self.now
            return True

    def put_many(self, objects: Mapping[str, bytes], lying: Mapping[str, str] = NOTHING) -> None:
        for name in sorted(objects):
            self.put_if_absent(name, objects[name])

    def put_scratch(self, name: str, data: bytes) -> None:
        self.objects[name] = data
        self.stamps[name] = self.now

    def get(self, name: str) -> bytes:
        if name not in self.objects:
            raise BadData(f"no object {name!r}", name=name)
        return self.objects[name]

    def get_part(self, name: str, start: int, size: int) -> bytes:
        return self.get(name)[start : start + size]

    def exists(self, name: str) -> bool:
        return name in self.objects

    def list(self, prefix: str) -> list[str]:
        return sorted(name for name in self.objects if prefix == "." or name.startswith(prefix + "/"))

    def written_before(self, prefix: str, moment: datetime) -> list[str]:
        return [name for name in self.list(prefix) if self.stamps.get(name, self.now) < moment]

    def delete(self, name: str) -> None:
        self.objects.pop(name, None)

    def local_path(self, name: str) -> Path | None:
        return None


class Killed(BaseException):
    """The process is gone: nothing catches this."""


class StoppingStore:
    """Passes calls on, and dies right after the ``stop_after``-th change (counting from 1); ``changes`` counts them."""

    def __init__(self, inner: Store, stop_after: int = 0) -> None:
        self._inner = inner
        self._stop_after = stop_after
        self.changes = 0

    def put_if_absent(self, name: str, data: bytes) -> bool:
        made = self._inner.put_if_absent(name, data)
        self._changed()
        return made

    def put_many(self, objects: Mapping[str, bytes], lying: Mapping[str, str] = NOTHING) -> None:
        for name in sorted(objects):
            here = {name: lying[name]} if name in lying else NOTHING
            self._inner.put_many({name: objects[name]}, here)
            self._changed()

    def put_scratch(self, name: str, data: bytes) -> None:
        self._inner.put_scratch(name, data)
        self._changed()

    def delete(self, name: str) -> None:
        self._inner.delete(name)
        self._changed()

    def get(self, name: str) -> bytes:
        return self._inner.get(name)

    def get_part(self, name: str, start: int, size: int) -> bytes:
        return self._inner.get_part(name, start, size)

    def exists(self, name: str) -> bool:
        return self._inner.exists(name)

    def list(self, prefix: str) -> list[str]:
        return self._inner.list(prefix)

    def written_before(self, prefix: str, moment: datetime) -> list[str]:
        return self._inner.written_before(prefix, moment)

    def local_path(self, name: str) -> Path | None:
        return self._inner.local_path(name)

    def _changed(self) -> None:
        self.changes += 1
        if self.changes == self._stop_after:
            raise Killed

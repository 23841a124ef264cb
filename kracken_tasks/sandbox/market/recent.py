"""A small memory of recent results: the newest ``keep`` keys, the least recently used forgotten first.

In: a key and how to make its value.  Out: the value, made at most once while it is remembered.  Never decides anything:
what it holds are pure functions of their keys.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Recent"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """See the module docstring.  Safe to share between threads; two may make the same value, which is the same."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._held: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """The value of ``key``, made by ``make(key)`` if it is not remembered."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        value = make(key)
        with self._lock:
            self._held[key] = value
            if len(self._held) > self._keep:
                self._held.popitem(last=False)
        return value

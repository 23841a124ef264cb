"""Where counters lie: anything that can read and write a few of them in one stroke.

In: names of counters, and what to make of their levels.  Out: what was made.  Never: two callers between each other's read and write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.exchange.rates.counters import Level

__all__ = ["CounterStore", "MemoryCounters", "StoreUnreachable"]

T = TypeVar("T")
Change = Callable[[Mapping[str, Level], float], tuple[Mapping[str, Level], T]]


class StoreUnreachable(Exception):
    """The shared counters cannot be read or written now.  ``RateBudget`` goes on with counters of its own."""


class CounterStore(Protocol):
    """Counters by name, shared by everybody who opens the same store."""

    def change(self, names: Sequence[str], make: Change[T]) -> T:
        """Read the named counters (absent ones are left out), let ``make`` see them and the store's seconds, write what it returns.

        One stroke: nobody else reads or writes these counters meanwhile.  Seconds come from one steady clock for all users of the store.
        ``make`` may be called again if the store has to begin anew.  Raises: StoreUnreachable, and nothing was written.
        """
        ...

    def levels(self) -> dict[str, Level]:
        """All counters as last written, for people to look at."""
        ...

    def seconds(self) -> float:
        """The store's clock."""
        ...

    def lane(self, name: str, seconds: float) -> AbstractContextManager[bool]:
        """Go alone among all users of the store: True once the lane is held, False if it was not to be had in ``seconds``.

        A lane ends with its process, however that ends.  Raises: StoreUnreachable.
        """
        ...

    def close(self) -> None: ...


class MemoryCounters:
    """Counters of this process alone."""

    def __init__(self, clock: Callable[[], float] = monotonic_seconds) -> None:
        self._clock = clock
        self._levels: dict[str, Level] = {}
        self._lock = threading.Lock()

    def change(self, names: Sequence[str], make: Change[T]) -> T:
        with self._lock:
            known = {name: self._levels[name] for name in names if name in self._levels}
            written, result = make(known, self._clock())
            self._levels.update(written)
            return result

    def know(self, levels: Mapping[str, Level]) -> None:
        """Begin from here: what was seen elsewhere, told by this store's seconds."""
        with self._lock:
            self._levels.update(levels)

    def levels(self) -> dict[str, Level]:
        with self._lock:
            return dict(self._levels)

    def seconds(self) -> float:
        return self._clock()

    def lane(self, name: str, seconds: float) -> AbstractContextManager[bool]:
        """Nobody else has these counters: the process's own lane is enough."""
        return nullcontext(True)

    def close(self) -> None:
        """Nothing to let go of."""

"""``RateBudget``: every call to a venue passes here first, and waits or is refused by how urgent it is.

In: charges and a priority.  Out: the seconds waited.  Never: an exit held up by an export, a call stopped because the shared counters
cannot be reached: it then goes by this process's own, which begin where it last saw the shared ones.  What others call meanwhile, and what
is called here, is told to nobody; if that is too much the venue says so, and its word fills the counters.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

from kracken_tasks.domain.clock import sleep
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.rates.counters import Charge, Level, Priority, admit, drained
from kracken_tasks.exchange.rates.store import Change, CounterStore, MemoryCounters, StoreUnreachable

__all__ = ["PATIENCE", "RateBudget"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

# How long a call may wait for its turn, in seconds, before it is told to come back.  An entry is worth nothing when it is late, an export
# has all night; an exit finds its room reserved and waits only if the venue itself has said stop.
PATIENCE: Final[Mapping[Priority, float]] = {
    Priority.PROTECT: 10.0,
    Priority.ENTER: 2.0,
    Priority.READ: 30.0,
    Priority.EXPORT: 900.0,
}
_LONGEST_NAP: Final = 5.0  # a counter may fall faster than was thought, when somebody else's call was refused


class RateBudget:
    """Shared by everybody who is handed the same store.  Safe for threads and processes."""

    def __init__(
        self,
        store: CounterStore | None = None,
        *,
        pause: Callable[[float], None] = sleep,
        patience: Mapping[Priority, float] = PATIENCE,
    ) -> None:
        """``store`` None: counters of this process alone."""
        self.store: CounterStore = store or MemoryCounters()
        self._pause, self._patience = pause, patience
        self._spare = MemoryCounters()
        self._lost = False
        self._lock = threading.Lock()

    def spend(self, charges: Sequence[Charge], priority: Priority, doing: str = "a call") -> float:
        """Wait until a call with these charges may go, and count it; returns the seconds waited.

        Raises: RetryLater when that would take longer than the priority's patience; ``wait_seconds`` tells how long.  Nothing is counted.
        """
        charges = [charge for charge in charges if charge.cost > 0]
        if not charges:
            return 0.0
        names = [charge.counter for charge in charges]
        waited = 0.0
        while True:
            wait = self._change(names, lambda levels, now: _offered(charges, levels, now, priority))
            if wait == 0.0:
                return waited
            if waited + wait > self._patience[priority]:
                raise RetryLater(
                    f"{doing} would have to wait {wait:.1f} s for the rate limit of {', '.join(names)}",
                    doing=doing, priority=priority.name.lower(), wait_seconds=round(wait, 3), counters=names,
                )  # fmt: skip
            nap = min(wait, _LONGEST_NAP)
            self._pause(nap)
            waited += nap

    async def turn(self, charges: Sequence[Charge], priority: Priority, doing: str = "a call") -> float:
        """``spend`` for asyncio: the wait does not hold up the loop."""
        return await asyncio.to_thread(self.spend, charges, priority, doing)

    def drain(self, charges: Sequence[Charge], seconds: float = 0.0) -> None:
        """The venue has said that these counters are full (and, where it says so, for how many ``seconds`` more)."""

        def fill(levels: Mapping[str, Level], now: float) -> tuple[dict[str, Level], None]:
            return {
                name: level for charge in charges for name, level in drained(charge, levels, now, seconds).items()
            }, None

        self._change([charge.counter for charge in charges], fill)

    def counts(self, charges: Sequence[Charge]) -> dict[str, float]:
        """How high these counters stand now."""
        limits = {charge.counter: charge.limit for charge in charges}

        def look(levels: Mapping[str, Level], now: float) -> tuple[dict[str, Level], dict[str, float]]:
            return {}, {name: levels[name].after(limits[name].decay, now) if name in levels else 0.0 for name in limits}

        return self._change(list(limits), look)

    def next_number(self, name: str, least: int) -> int:
        """A number above all that any user of the store was given under this name, and not below ``least``.  Below 2 to the 53rd."""

        def count_up(levels: Mapping[str, Level], now: float) -> tuple[dict[str, Level], int]:
            last = levels[name].count if name in levels else 0.0
            number = max(least, int(last) + 1)
            return {name: Level(float(number), now)}, number

        return self._change([name], count_up)

    @contextmanager
    def lane(self, name: str, seconds: float) -> Iterator[bool]:
        """See ``CounterStore``; False too where the store cannot be reached."""
        with ExitStack() as stack:
            try:
                held = stack.enter_context(self.store.lane(name, seconds))
            except StoreUnreachable as error:
                self._say(True, f"{error}; calls are signed and counted in this process alone until it is back")
                held = False
            yield held

    def close(self) -> None:
        self.store.close()

    def _change(self, names: Sequence[str], make: Change[T]) -> T:
        seen: dict[str, Level] = {}

        def noted(levels: Mapping[str, Level], now: float) -> tuple[Mapping[str, Level], T]:
            written, result = make(levels, now)
            at = self._spare.seconds()
            seen.update(
                {name: Level(level.count, at - (now - level.at)) for name, level in {**levels, **written}.items()}
            )
            return written, result

        try:
            result = self.store.change(names, noted)
        except StoreUnreachable as error:
            self._say(True, f"{error}; calls are counted in this process alone until it is back")
            return self._spare.change(names, make)
        self._spare.know(seen)
        self._say(False, "the shared rate counters are back")
        return result

    def _say(self, lost: bool, sentence: str) -> None:
        with self._lock:
            if lost is not self._lost:
                _log.warning(sentence)
            self._lost = lost


def _offered(
    charges: Sequence[Charge], levels: Mapping[str, Level], now: float, priority: Priority
) -> tuple[dict[str, Level], float]:
    wait, raised = admit(charges, levels, now, priority)
    return raised, wait

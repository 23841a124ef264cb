"""The model of a rate limit: a counter that every call raises and time lowers, with one ceiling for each priority.

In: levels, charges, seconds on one steady clock.  Out: new levels, or the seconds to wait.  Never: a clock of its own, a side effect.

Two ideas carry the promise that an exit never waits behind an export.  A call is admitted only if the counter stays at or below its
priority's ceiling, so the room above the ceiling of exports is there for reads, and above that of entries for exits.  And nobody queues:
a call that has to wait looks again later, so a more urgent one that comes meanwhile goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["NEVER_CALLED", "Charge", "Level", "Limit", "Priority", "admit", "calls_at", "current_priority", "drained"]


class Priority(IntEnum):
    """How urgent a call is; lower goes first."""

    PROTECT = 0  # exits, cancels, stops
    ENTER = 1  # orders that open a position
    READ = 2  # questions
    EXPORT = 3  # long listings and deep history: they give way to everything else


_AT: ContextVar[Priority | None] = ContextVar("priority of the calls made here", default=None)


@contextmanager
def calls_at(priority: Priority) -> Iterator[None]:
    """Give every question asked inside this priority: ``with calls_at(Priority.EXPORT): venue.ledger_lines(...)``.

    Holds in this thread or asyncio task and what it copies its context to.  Orders have a priority of their own.
    """
    token = _AT.set(priority)
    try:
        yield
    finally:
        _AT.reset(token)


def current_priority(default: Priority) -> Priority:
    """What ``calls_at`` says around here, else ``default``."""
    said = _AT.get()
    return default if said is None else said


@dataclass(frozen=True, slots=True)
class Limit:
    """What a venue allows: ``maximum`` counts, of which ``decay`` are forgotten every second.

    ``kept`` counts are held back from each priority (PROTECT, ENTER, READ, EXPORT): its ceiling is that much below the maximum.
    """

    maximum: float
    decay: float
    kept: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.maximum <= 0 or self.decay <= 0:
            raise ValueError(f"maximum {self.maximum} and decay {self.decay}; allowed: above 0")
        if not 0 <= self.kept[0] <= self.kept[1] <= self.kept[2] <= self.kept[3] < self.maximum:
            raise ValueError(f"kept {self.kept}; allowed: rising from 0, below the maximum {self.maximum}")

    def ceiling(self, priority: Priority) -> float:
        return self.maximum - self.kept[priority]


@dataclass(frozen=True, slots=True)
class Level:
    """A counter as it was at a moment of its store's clock (seconds)."""

    count: float
    at: float

    def after(self, decay: float, now: float) -> float:
        # A clock that went back (a restarted machine, another server) must not make the counter forget.
        return max(0.0, self.count - decay * max(0.0, now - self.at))


NEVER_CALLED = Level(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call adds to one counter.  ``waits`` False: it is counted, but goes at once (a venue turns no cancel away)."""

    counter: str
    cost: float
    limit: Limit
    waits: bool = True


def admit(
    charges: Sequence[Charge], levels: Mapping[str, Level], now: float, priority: Priority
) -> tuple[float, dict[str, Level]]:
    """Either (0, the raised levels) or (seconds until it is worth asking again, levels to go on from where the clock went back).

    A cost above the ceiling passes when the counter is empty: it could never pass otherwise.
    """
    wait = 0.0
    raised: dict[str, Level] = {}
    rebased: dict[str, Level] = {}
    for charge in charges:
        level = levels.get(charge.counter, NEVER_CALLED)
        count = level.after(charge.limit.decay, now)
        room = max(charge.limit.ceiling(priority), charge.cost)
        if charge.waits:
            wait = max(wait, (count + charge.cost - room) / charge.limit.decay)
        raised[charge.counter] = Level(count + charge.cost, now)
        if level.at > now:  # the clock went back: from here on it counts anew
            rebased[charge.counter] = Level(count, now)
    # Below a microsecond of decay it is the rounding of floats that speaks, not the venue.
    return (0.0, raised) if wait <= 1e-6 else (wait, rebased)


def drained(charge: Charge, levels: Mapping[str, Level], now: float, seconds: float = 0.0) -> dict[str, Level]:
    """The level after the venue itself said that the counter is full: the maximum, and ``seconds`` more until it falls below."""
    count = levels.get(charge.counter, NEVER_CALLED).after(charge.limit.decay, now)
    return {charge.counter: Level(max(count, charge.limit.maximum + charge.limit.decay * seconds), now)}

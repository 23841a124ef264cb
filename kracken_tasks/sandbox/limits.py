"""How often a client may knock: Kraken's REST counter and its matching-engine counter.

In: a level, a cost, the venue's now.  Out: the new level, or a refusal.  Never: wall time, floats.
Source: Kraken "Spot REST rate limits" and "Spot trading limits", read 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kracken_tasks.sandbox.clock import NS_PER_SECOND

__all__ = ["ONE", "TIERS", "Level", "Tier", "amend_cost", "cancel_cost", "edit_cost"]

ONE: Final = 1_000_000  # counters are kept in millionths


@dataclass(frozen=True, slots=True)
class Tier:
    """Maxima are whole counts; decays are millionths of a count per second."""

    rest_max: int
    rest_decay: int
    engine_max: int
    engine_decay: int
    open_orders: int


TIERS: Final = {
    "starter": Tier(15, 330_000, 60, 1_000_000, 60),
    "intermediate": Tier(20, 500_000, 125, 2_340_000, 80),
    "pro": Tier(20, 1_000_000, 180, 3_750_000, 225),
    # No account at Kraken has this one: for tests that make many calls.  It forgets at once, so that the next tier begins at nothing.
    "unlimited": Tier(10**9, 10**12, 10**9, 10**12, 10**9),
}


@dataclass(frozen=True, slots=True)
class Level:
    """A counter's value in millionths, at a moment of market time."""

    micro: int = 0
    at_ns: int = 0

    def decayed(self, decay: int, now_ns: int) -> Level:
        return Level(max(0, self.micro - decay * max(0, now_ns - self.at_ns) // NS_PER_SECOND), now_ns)

    def raised(self, count: int, most: int) -> Level:
        """Add to the counter; it never climbs beyond twice the maximum, so a ban always ends."""
        return Level(min(self.micro + count * ONE, 2 * most * ONE), self.at_ns)

    def allows(self, count: int, most: int) -> bool:
        return self.micro + count * ONE <= most * ONE


_AMEND_STEPS = ((5, 3), (10, 2), (15, 1))
_EDIT_STEPS = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
_CANCEL_STEPS = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))


def _penalty(steps: tuple[tuple[int, int], ...], rested_ns: int) -> int:
    return next((cost for seconds, cost in steps if rested_ns < seconds * NS_PER_SECOND), 0)


def amend_cost(rested_ns: int) -> int:
    return 1 + _penalty(_AMEND_STEPS, rested_ns)


def edit_cost(rested_ns: int) -> int:
    return 1 + _penalty(_EDIT_STEPS, rested_ns)


def cancel_cost(rested_ns: int) -> int:
    return _penalty(_CANCEL_STEPS, rested_ns)

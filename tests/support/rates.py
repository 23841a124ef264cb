"""Rate budgets for tests: a clock that moves only when somebody waits, and a real process that calls as fast as it is let.

In: nothing but plain values.  Out: budgets, charges.  Never: the machine's clock in a unit test.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.rates import Charge, Limit, Priority, RateBudget
from kracken_tasks.exchange.rates.kraken import TIERS, KrakenRates
from kracken_tasks.exchange.rates.sqlite import SqliteCounters
from kracken_tasks.exchange.rates.store import MemoryCounters

__all__ = ["HeldClock", "held_budget", "starter"]


class HeldClock:
    """A clock that stands still unless somebody waits."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += seconds


def held_budget() -> tuple[RateBudget, HeldClock]:
    clock = HeldClock()
    return RateBudget(MemoryCounters(clock.now), pause=clock.wait), clock


def starter(key: str = "key") -> KrakenRates:
    """A Starter account at Kraken."""
    return KrakenRates(key, "address", TIERS["starter"], 1000.0)


def main() -> int:
    """Call for some seconds on a shared file and print what was let through: ``python -m ... FILE PRIORITY COST SECONDS MAXIMUM DECAY``."""
    path, priority, cost, seconds, maximum, decay = Path(sys.argv[1]), Priority[sys.argv[2]], *map(float, sys.argv[3:])
    limit = Limit(maximum, decay, (0.0, 0.0, 0.0, maximum / 2))
    budget = RateBudget(SqliteCounters(path), patience=dict.fromkeys(Priority, seconds))
    charge, calls = Charge("one", cost, limit), []
    end = time.monotonic() + seconds
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while time.monotonic() < end:
        before = time.monotonic()
        try:
            waited = budget.spend([charge], priority)
        except RetryLater:
            break
        calls.append((before, time.monotonic(), waited))
        if priority is Priority.PROTECT:
            time.sleep(0.25)  # an exit now and then, among callers that never rest
    sys.stdout.write(json.dumps({"priority": priority.name, "cost": cost, "calls": calls}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

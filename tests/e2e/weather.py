"""Bad weather over a trading account, seeded: what the exchange and the database do to whoever trades on them.

In: a die, a hand on the exchange and on the database.  Out: faults set, and what happened, counted.  Never: a fault after it has calmed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kracken_tasks.domain.trading import Fill, VenueOrder
from tests.support.databases import Database
from tests.support.sandbox import ControlClient, RunningSandbox

__all__ = ["FAULTS", "ToldTwice", "Weather"]

FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cut before acceptance", {"endpoint": "AddOrder", "drop": True}),
    ("cut after acceptance", {"endpoint": "AddOrder", "drop": True, "when": "after"}),
    ("html after acceptance", {"endpoint": "AddOrder", "status": 200, "body": "<html>one moment</html>", "when": "after"}),
    ("cut while canceling", {"endpoint": "CancelOrder", "drop": True, "when": "after"}),
    ("cut while amending", {"endpoint": "*AmendOrder", "drop": True, "when": "after"}),
    ("429", {"endpoint": "*", "status": 429, "count": 3}),
    ("5xx", {"endpoint": "*", "status": 503, "count": 3}),
    ("5xx for the listings", {"endpoint": "*Orders", "status": 502, "count": 2}),
    ("5xx for the fills", {"endpoint": "TradesHistory", "status": 520, "count": 2}),
    ("busy", {"endpoint": "*", "error": "EService:Busy", "count": 2}),
    ("no candles", {"endpoint": "OHLC", "status": 500, "count": 5}),
    ("throttled", {"endpoint": "*Order*", "error": "EAPI:Rate limit exceeded", "count": 1}),
)  # fmt: skip


@dataclass
class Weather:
    """What goes wrong this minute; nothing once it has calmed."""

    dice: random.Random
    control: ControlClient
    database: Database
    happened: Counter[str] = field(default_factory=Counter)
    calm: bool = False

    def minute(self, sandbox: RunningSandbox) -> None:
        if self.calm:
            return
        self.control.clear_faults()
        for name, rule in FAULTS:
            if self.dice.random() < 0.03:
                self.control.fault(**rule, seed=self.dice.getrandbits(16))
                self.happened[name] += 1
        if self.dice.random() < 0.01:
            self.control.settings(clock_skew_ms=self.dice.choice([-30_000, 30_000]))
            self.happened["clock 30 s off"] += 1
        elif self.dice.random() < 0.3:
            self.control.settings(clock_skew_ms=0)
        if self.dice.random() < 0.01:
            self.database.restart()
            self.happened["database restarted"] += 1

    def clear_up(self) -> None:
        self.calm = True
        self.control.clear_faults()
        self.control.settings(clock_skew_ms=0)


class ToldTwice:
    """A venue whose listings of executions name some of them twice, as real ones do around the edges of pages."""

    def __init__(self, venue: Any, dice: random.Random) -> None:
        self._venue, self._dice = venue, dice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def fills(self, *told: Any, **options: Any) -> list[Fill]:
        return self._twice(self._venue.fills(*told, **options))

    def orders_with_fills(self, *told: Any, **options: Any) -> tuple[dict[str, VenueOrder], list[Fill]]:
        orders, fills = self._venue.orders_with_fills(*told, **options)
        return orders, self._twice(fills)

    def _twice(self, fills: Iterable[Fill]) -> list[Fill]:
        return [one for fill in fills for one in [fill] * self._dice.choice([1, 1, 2])]

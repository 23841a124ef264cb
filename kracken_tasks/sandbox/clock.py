"""The venue's clock: market time in nanoseconds, following the wall or standing until moved.

In: an anchor, or a command to move.  Out: the venue's now, which never goes back.  Never: a decision about orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from kracken_tasks.domain.clock import WallClock, to_ns

__all__ = ["NS_PER_MS", "NS_PER_SECOND", "ClockMode", "VenueClock", "wall_ns"]

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000


class ClockMode(StrEnum):
    WALL = "wall"
    MANUAL = "manual"


def wall_ns() -> int:
    return to_ns(WallClock().now())


@dataclass(frozen=True, slots=True)
class VenueClock:
    """A moment of market time pinned to a moment of wall time.

    Following the wall, market time is ``anchor_market + (wall - anchor_wall)``, so that time spent switched off counts.
    Manual, it is ``anchor_market`` until somebody moves it.
    """

    mode: ClockMode
    anchor_market_ns: int
    anchor_wall_ns: int

    @classmethod
    def starting(cls, mode: ClockMode, market_ns: int, wall: Callable[[], int] = wall_ns) -> Self:
        return cls(mode, market_ns, wall())

    def now_ns(self, wall: Callable[[], int] = wall_ns) -> int:
        if self.mode is ClockMode.MANUAL:
            return self.anchor_market_ns
        return self.anchor_market_ns + wall() - self.anchor_wall_ns

    def moved_to(self, market_ns: int, wall: Callable[[], int] = wall_ns) -> Self:
        return replace(self, anchor_market_ns=market_ns, anchor_wall_ns=wall())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(ClockMode(body["mode"]), body["anchor_market_ns"], body["anchor_wall_ns"])

"""Time: two clocks that never mix.

Market time is the venue's (data, candles, decisions, orders, ledger, exports); wall time is for leases, deadlines,
nonces and schedules.  This file is the only reader of wall time; everybody else is handed a ``Clock`` or a ``now``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = [
    "Clock",
    "FixedClock",
    "WallClock",
    "from_ms",
    "from_us",
    "iso",
    "monotonic_seconds",
    "parse_utc",
    "pause",
    "sleep",
    "to_ms",
    "to_ns",
    "to_us",
    "utc",
]


class Clock(Protocol):
    """Something that tells the time, always as an aware UTC datetime."""

    def now(self) -> datetime: ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until told: demo, replay and tests."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


def monotonic_seconds() -> float:
    """Seconds on a clock that never goes back: for measuring how long a thing took."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait in wall time.  Polling loops only; no decision ever depends on it."""
    time.sleep(seconds)


async def pause(seconds: float) -> None:
    """As ``sleep``, and other coroutines go on meanwhile."""
    await asyncio.sleep(seconds)


Sleeper = Callable[[float], None]


def utc(*parts: int) -> datetime:
    """``utc(2024, 1, 31, 12)``: an aware UTC datetime."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch; refuses a naive datetime, which could mean any instant."""
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: times carry their zone here")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def to_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch (microsecond resolution)."""
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: times carry their zone here")
    return ((moment - _EPOCH) // timedelta(microseconds=1)) * 1000


def to_us(moment: datetime) -> int:
    """Microseconds since the epoch; refuses a naive datetime."""
    return to_ns(moment) // 1000


def from_ms(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def from_us(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with ``Z``; milliseconds only where there are any."""
    moment = moment.astimezone(UTC)
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def parse_utc(text: str) -> datetime:
    """Read ISO 8601 (``2024-01-31``, ``2024-01-31T12:00:00Z``); a value without a zone is UTC.

    Raises: ValueError if the text is no date.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

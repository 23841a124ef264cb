"""The pulse of every feed, where other processes can read it.

In: statuses of a stream.  Out: for a symbol, up to when its feed is known to be whole, and who says so.  Never: anything that must
survive; a pulse that is lost is written again a second later.

Pulses lie in the lake's store as small objects that replace themselves (``_feeds/<exchange>/<holder>.json``): that is the one place that
ingest, streams and ticks share on a laptop and on pods with a bucket alike, and the ledger, which ticks write, is not for a thing that
changes every second and may be lost.  All moments are market time, the clock that ticks decide by: no machine's own clock is compared
with another's.

A stream that ends on purpose takes its pulse away, and the rule that blocks entries with it.  One that dies leaves it, growing old, and
blocks entries; after a day of market time it counts as recorded no more.  Whoever records the venue sweeps up such pulses, and those of the
dead whose symbols are all recorded again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from kracken_tasks.domain.clock import iso, parse_utc
from kracken_tasks.errors import BadData
from kracken_tasks.exchange.streams.words import Channel, FeedSource, FeedStatus

__all__ = ["FeedBoard", "FeedPulse", "PulseStore"]

_FOLDER: Final = "_feeds"
_FORMAT: Final = 1
_EXPIRES: Final = timedelta(days=1)
_SURELY_DEAD: Final = timedelta(minutes=10)  # without a beat, which comes every second or so
_SWEEP_EVERY: Final = timedelta(minutes=5)
_PRICES: Final = (Channel.TICKER, Channel.TRADES, Channel.BOOK)


class PulseStore(Protocol):
    """The part of the lake's store that pulses need."""

    def put_scratch(self, name: str, data: bytes) -> None: ...

    def get(self, name: str) -> bytes: ...

    def list(self, prefix: str) -> list[str]: ...

    def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class FeedPulse:
    """One feed of prices as its recorder last told it.  ``confirmed_at``: None until anything has come."""

    exchange: str
    symbol: str
    channel: Channel
    source: FeedSource
    confirmed_at: datetime | None
    beat_at: datetime
    holder: str
    trouble: str = ""

    def age(self, now: datetime) -> float:
        """Seconds of market time since the feed was known to be whole; infinite if it never was."""
        return float("inf") if self.confirmed_at is None else (now - self.confirmed_at).total_seconds()

    def expired(self, now: datetime) -> bool:
        """Whether its recorder has been silent for so long that nobody counts on it any more."""
        return now - self.beat_at > _EXPIRES

    def sentence(self, now: datetime) -> str:
        """The pulse in words, for the record of a decision."""
        name = f"{self.channel.value} feed of {self.exchange} {self.symbol}"
        if self.confirmed_at is None:
            return f"{name} has brought nothing yet ({self.holder})"
        silent = (now - self.beat_at).total_seconds()
        trouble = f": {self.trouble}" if self.trouble else ""
        whole = f"{name} was last whole {self.age(now):.1f} s ago by {self.source.value}"
        return f"{whole}, its recorder {self.holder} beat {silent:.1f} s ago{trouble}"


class FeedBoard:
    """Pulses of all recorders over one lake."""

    def __init__(self, store: PulseStore) -> None:
        self._store = store
        self._swept: dict[str, datetime] = {}  # by exchange, market time

    def beat(self, exchange: str, holder: str, statuses: Iterable[FeedStatus], *, now: datetime) -> None:
        """Replace a recorder's pulse, and sweep up those of the dead now and then.  ``now``: market time."""
        told: dict[str, Any] = {
            "format": _FORMAT,
            "beat_at": iso(now),
            "feeds": [_row(status) for status in statuses if status.key.channel in _PRICES],
        }
        self._store.put_scratch(_name(exchange, holder), json.dumps(told, separators=(",", ":")).encode())
        swept = self._swept.get(exchange)
        if swept is None or abs(now - swept) >= _SWEEP_EVERY:
            self._swept[exchange] = now
            self.sweep(exchange, now=now)

    def sweep(self, exchange: str, *, now: datetime) -> int:
        """Take away pulses that have expired, and those of dead recorders all of whose symbols are recorded by others; how many."""
        by_holder: dict[str, list[FeedPulse]] = {}
        for pulse in self.pulses(exchange):
            by_holder.setdefault(pulse.holder, []).append(pulse)
        dead = {name for name, told in by_holder.items() if now - told[0].beat_at > _SURELY_DEAD}
        recorded = {pulse.symbol for name, told in by_holder.items() if name not in dead for pulse in told}
        gone = [
            name
            for name in dead
            if by_holder[name][0].expired(now) or {pulse.symbol for pulse in by_holder[name]} <= recorded
        ]
        for name in gone:
            self._store.delete(_name(exchange, name))
        return len(gone)

    def retire(self, exchange: str, holder: str) -> None:
        """The recorder ends on purpose."""
        self._store.delete(_name(exchange, holder))

    def forget(self, exchange: str) -> int:
        """Take away the pulses of all recorders of a venue, dead ones included; how many there were."""
        names = self._store.list(f"{_FOLDER}/{exchange}")
        for name in names:
            self._store.delete(name)
        return len(names)

    def pulses(self, exchange: str) -> tuple[FeedPulse, ...]:
        """All feeds of a venue as their recorders last told them."""
        found: list[FeedPulse] = []
        for name in self._store.list(f"{_FOLDER}/{exchange}"):
            try:
                raw = self._store.get(name)
            except BadData:
                continue  # retired between the two looks
            found += _read(exchange, name, raw)
        return tuple(sorted(found, key=lambda pulse: (pulse.symbol, pulse.channel, pulse.holder)))

    def pulse(self, exchange: str, symbol: str, *, now: datetime) -> FeedPulse | None:
        """The freshest word on a symbol; None where nobody records it.

        A recorder's word is that of its quotes, or of its trades where it records no quotes: a dead recorder of quotes does not hide a
        living one of trades, and a recorder whose quotes have stopped is not excused by its trades.
        """
        theirs = [pulse for pulse in self.pulses(exchange) if pulse.symbol == symbol and not pulse.expired(now)]
        of_quotes = {pulse.holder for pulse in theirs if pulse.channel is Channel.TICKER}
        words = [pulse for pulse in theirs if pulse.channel is Channel.TICKER or pulse.holder not in of_quotes]
        return min(words, key=lambda pulse: pulse.age(now), default=None)


def _name(exchange: str, holder: str) -> str:
    return f"{_FOLDER}/{exchange}/{holder}.json"


def _row(status: FeedStatus) -> dict[str, Any]:
    return {
        "symbol": status.key.symbol,
        "channel": status.key.channel.value,
        "source": status.source.value,
        "confirmed_at": None if status.confirmed_at is None else iso(status.confirmed_at),
        "trouble": status.trouble[:200],
    }


def _read(exchange: str, name: str, raw: bytes) -> Sequence[FeedPulse]:
    """Raises: BadData for an object that is no pulse of this format."""
    holder = name.rpartition("/")[2].removesuffix(".json")
    try:
        told = json.loads(raw)
        if told["format"] != _FORMAT:
            raise ValueError(f"format {told['format']!r}")
        beat_at = parse_utc(told["beat_at"])
        return [
            FeedPulse(
                exchange=exchange, symbol=row["symbol"], channel=Channel(row["channel"]), source=FeedSource(row["source"]),
                confirmed_at=parse_utc(row["confirmed_at"]) if row["confirmed_at"] else None, beat_at=beat_at, holder=holder,
                trouble=row["trouble"],
            )
            for row in told["feeds"]
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise BadData(f"{name} is no pulse of a feed: {error}", name=name, allowed=f"format {_FORMAT}") from error

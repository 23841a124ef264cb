"""What the ledger says about a period, read once.

In: a ledger and a period.  Out: ``Facts``: fills, trips, open positions, marks, cash lines, blocked decisions as they stood at the
period's end.  Never: an entry from the period's end or later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kracken_tasks.domain.clock import from_ms, iso, to_ms
from kracken_tasks.domain.trading import Action, Side
from kracken_tasks.errors import BadData
from kracken_tasks.journal.marks import telling_marks
from kracken_tasks.ledger.entries import CashEntry, EquityEntry, FillEntry, Plan
from kracken_tasks.ledger.roundtrips import RoundTrip

if TYPE_CHECKING:
    from kracken_tasks.ledger import Ledger

__all__ = ["Blocked", "Facts", "Holding", "Period", "cut_off", "gather"]

_TRADE_LINE = "trade"  # the venue's ledger shows each fill again
_MS = timedelta(milliseconds=1)
_START = from_ms(0)
# Decisions are many (each tick, each symbol); the journal looks back over this much of them.
_DECISIONS_LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end) in market time; ``start`` None: from the ledger's beginning.

    Raises: BadData unless start < end.
    """

    start: datetime | None
    end: datetime

    def __post_init__(self) -> None:
        if self.start is not None and self.start >= self.end:
            raise BadData("a journal's period must begin before it ends", start=iso(self.start), end=iso(self.end))

    def has(self, moment: datetime) -> bool:
        return self.begins <= moment < self.end

    @property
    def begins(self) -> datetime:
        return self.start or _START


@dataclass(frozen=True, slots=True)
class Holding:
    """A position as its fills before the period's end made it: open or closed, whichever it was then."""

    position_id: str
    symbol: str
    fills: tuple[FillEntry, ...]

    @property
    def buys(self) -> tuple[FillEntry, ...]:
        return tuple(fill for fill in self.fills if fill.side is Side.BUY)

    @property
    def opened_at(self) -> datetime:
        return self.fills[0].ts


@dataclass(frozen=True, slots=True)
class Blocked:
    """How often one guard said no to one symbol, and what it said last."""

    symbol: str
    guard: str
    count: int
    first_at: datetime
    last_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The period's raw material.  Everything but ``blocked`` reaches back to the ledger's beginning; ``marks`` are the telling ones."""

    period: Period
    exchange: str
    account: str
    fills: tuple[FillEntry, ...]
    holdings: dict[str, Holding]
    trips: tuple[RoundTrip, ...]
    marks: tuple[EquityEntry, ...]
    cash: tuple[CashEntry, ...]
    blocked: tuple[Blocked, ...]
    decisions_from: datetime
    first_plans: dict[str, Plan]
    last_plans: dict[str, Plan]

    @property
    def trips_in_period(self) -> tuple[RoundTrip, ...]:
        return tuple(trip for trip in self.trips if self.period.has(trip.closed_at))

    @property
    def fills_in_period(self) -> tuple[FillEntry, ...]:
        return tuple(fill for fill in self.fills if self.period.has(fill.ts))

    @property
    def open_holdings(self) -> tuple[Holding, ...]:
        closed = {trip.position_id for trip in self.trips}
        return tuple(holding for holding in self.holdings.values() if holding.position_id not in closed)

    @property
    def began(self) -> datetime:
        """The period's start, or the first fact where it has none."""
        if self.period.start is not None:
            return self.period.start
        moments = [entry.ts for entries in (self.marks, self.fills, self.cash) for entry in entries]
        return min(moments, default=self.period.end - _MS)


def cut_off(ledger: Ledger) -> datetime | None:
    """The first millisecond after the newest fill, cash line and mark: a period's end that takes in all there is.

    None in a ledger that holds none of them.
    """
    mark = ledger.last_equity()
    moments = [ledger.last_fill_ts(), ledger.last_cash_ts(), None if mark is None else mark.ts]
    known = [moment for moment in moments if moment is not None]
    return from_ms(to_ms(max(known))) + _MS if known else None


def gather(ledger: Ledger, period: Period) -> Facts:
    """Read everything before the period's end."""
    fills = tuple(sorted(ledger.fills(end=period.end), key=lambda fill: (fill.ts, fill.trade_id)))
    holdings = _holdings(fills)
    trips = tuple(trip for trip in ledger.round_trips() if trip.closed_at < period.end)
    decisions_from = max(period.begins, period.end - _DECISIONS_LOOK_BACK)
    first, last = _plans(ledger, holdings, period.end)
    cash = ledger.cash_entries(end=period.end)
    earliest = min((entry.ts for entries in (fills, cash) for entry in entries), default=None)
    return Facts(
        period=period,
        exchange=ledger.exchange,
        account=ledger.account,
        fills=fills,
        holdings=holdings,
        trips=trips,
        marks=telling_marks(ledger, earliest=earliest, boundary=period.start, end=period.end),
        cash=tuple(line for line in cash if line.kind.partition("/")[0] != _TRADE_LINE),
        blocked=_blocked(ledger, decisions_from, period.end),
        decisions_from=decisions_from,
        first_plans=first,
        last_plans=last,
    )


def _holdings(fills: Sequence[FillEntry]) -> dict[str, Holding]:
    grouped: dict[str, list[FillEntry]] = defaultdict(list)
    for fill in sorted(fills, key=lambda fill: (fill.ts, not fill.opens, fill.side is Side.SELL, fill.seq)):
        if fill.position_id is not None:
            grouped[fill.position_id].append(fill)
    return {name: Holding(name, own[0].symbol, tuple(own)) for name, own in grouped.items() if own[0].side is Side.BUY}


def _plans(ledger: Ledger, holdings: dict[str, Holding], end: datetime) -> tuple[dict[str, Plan], dict[str, Plan]]:
    first: dict[str, Plan] = {}
    last: dict[str, Plan] = {}
    for position_id in holdings:
        known = [entry.plan for entry in ledger.plans(position_id) if entry.ts < end]
        if known:
            first[position_id], last[position_id] = known[0], known[-1]
    return first, last


def _blocked(ledger: Ledger, start: datetime, end: datetime) -> tuple[Blocked, ...]:
    """Entries and exits that a guard stopped, by symbol and guard."""
    found: dict[tuple[str, str], Blocked] = {}
    for entry in ledger.decisions(start, end):
        outcome = entry.decision.blocked_by
        if outcome is None or entry.decision.action is Action.HOLD:
            continue
        key = entry.symbol, outcome.guard
        before = found.get(key)
        count, first_at = (0, entry.ts) if before is None else (before.count, before.first_at)
        found[key] = Blocked(*key, count + 1, first_at, entry.ts, outcome.reason)
    return tuple(found[key] for key in sorted(found))

"""Fills into round trips: from flat to flat, per symbol.

In: fills in time order.  Out: closed round trips with net profit, and what is still open.  Never: two round trips counted as
one because a single order turned a long into a short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["BacktestFill", "RoundTrip", "round_trips_from"]

_DUST = 1e-9  # of the largest size held: less is float rounding, not a position


@dataclass(frozen=True, slots=True)
class BacktestFill:
    """One execution.  ``amount`` base units, signed: positive buys.  ``price`` quote per base, ``fee`` quote.  ``ts``: open of its bar."""

    ts: datetime
    symbol: str
    amount: float
    price: float
    fee: float
    kind: str
    reason: str

    @property
    def side(self) -> str:
        return "buy" if self.amount > 0 else "sell"


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One position from flat to flat.  Prices are averages over its fills; ``net`` = gross - fees; ``net_return`` on the entry's cost."""

    symbol: str
    side: str
    opened_at: datetime
    closed_at: datetime
    amount: float
    entry_price: float
    exit_price: float
    gross: float
    fees: float
    net: float
    net_return: float
    entry_reason: str
    exit_reason: str


@dataclass(slots=True)
class _Open:
    first: BacktestFill
    held: float = 0.0
    entered: float = 0.0
    entry_cost: float = 0.0
    left: float = 0.0
    exit_value: float = 0.0
    fees: float = 0.0
    largest: float = field(default=0.0)

    def add(self, amount: float, price: float, fee: float) -> None:
        if amount * self.first.amount > 0:
            self.entered += abs(amount)
            self.entry_cost += abs(amount) * price
        else:
            self.left += abs(amount)
            self.exit_value += abs(amount) * price
        self.held += amount
        self.largest = max(self.largest, abs(self.held))
        self.fees += fee

    @property
    def flat(self) -> bool:
        return abs(self.held) <= _DUST * self.largest

    def closed_by(self, last: BacktestFill) -> RoundTrip:
        direction = 1.0 if self.first.amount > 0 else -1.0
        gross = direction * (self.exit_value - self.entry_cost)
        return RoundTrip(
            symbol=self.first.symbol,
            side="long" if direction > 0 else "short",
            opened_at=self.first.ts,
            closed_at=last.ts,
            amount=self.entered,
            entry_price=self.entry_cost / self.entered,
            exit_price=self.exit_value / self.left,
            gross=gross,
            fees=self.fees,
            net=gross - self.fees,
            net_return=(gross - self.fees) / self.entry_cost,
            entry_reason=self.first.reason,
            exit_reason=last.reason,
        )


def round_trips_from(fills: Sequence[BacktestFill]) -> tuple[list[RoundTrip], list[str]]:
    """Fold fills into closed round trips, in the order of closing, and name the symbols still held."""
    open_trips: dict[str, _Open] = {}
    closed: list[RoundTrip] = []
    for fill in fills:
        for amount, fee in _parts(fill, open_trips.get(fill.symbol)):
            trip = open_trips.get(fill.symbol)
            if trip is None:
                trip = open_trips[fill.symbol] = _Open(fill)
            trip.add(amount, fill.price, fee)
            if trip.flat:
                closed.append(trip.closed_by(fill))
                del open_trips[fill.symbol]
    return closed, sorted(open_trips)


def _parts(fill: BacktestFill, trip: _Open | None) -> list[tuple[float, float]]:
    """(amount, fee) of a fill, cut in two where it passes through flat."""
    if trip is None or trip.held * fill.amount > 0 or abs(fill.amount) <= abs(trip.held) * (1 + _DUST):
        return [(fill.amount, fill.fee)]
    closing = -trip.held
    share = closing / fill.amount
    return [(closing, fill.fee * share), (fill.amount - closing, fill.fee * (1 - share))]

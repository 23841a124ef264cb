"""Positions as a fold over fills and plans.

In: FillEntry, PlanEntry, and corrections among CashEntry, in order of ``seq``.  Out: open positions, closed round trips, realised results.
Never: I/O; a position's end is read from its fills (``closes``), not computed again.

A fee taken in the base currency lowers what is held.  Partial exits take the position's cost out in proportion, to 12 decimals of quote;
the closing fill takes the rest, so that what was realised adds up to the trip's net exactly.

A fee that turned out to be taken in another coin is moved there by its correction, in an open position and in a closed trip alike: what is
held then is what there are coins for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.money import MONEY, plain
from kracken_tasks.domain.trading import Position, Side
from kracken_tasks.ledger.cash import CORRECTION
from kracken_tasks.ledger.entries import Booking, CashEntry, Entry, FillEntry, Plan, PlanEntry
from kracken_tasks.ledger.roundtrips import RoundTrip

__all__ = ["PositionFold", "Realised", "positions_from", "round_trips_from"]

_ZERO = Decimal(0)
_COST_STEP = Decimal("1e-12")
_NO_PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Realised:
    """What one exit fill gained or lost, in quote."""

    ts: datetime
    symbol: str
    quote: str
    amount: Decimal


class _Placed(NamedTuple):
    """What a correction needs of its fill; kept for every fill of a position."""

    position_id: str
    ts: datetime
    symbol: str
    side: Side
    price: Decimal


@dataclass(frozen=True, slots=True)
class _Correction:
    """``amount`` of ``asset`` that ``fill`` moved beside what was booked; ``of_fee``: it is a fee, and no last digit."""

    fill: _Placed
    asset: str
    amount: Decimal
    of_fee: bool

    @property
    def base_fee_value(self) -> Decimal:
        """A fee taken in base, at the fill's price."""
        return -self.amount * self.fill.price if self.of_fee else _ZERO

    def fees(self, before: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Fees by currency with this one moved."""
        found = dict(before)
        if self.of_fee:
            found[self.asset] = found.get(self.asset, _ZERO) - self.amount
        return {currency: fee for currency, fee in found.items() if fee}

    def corrected(self, trip: RoundTrip) -> RoundTrip:
        """A trip that had closed before: coins that are short lower its dust, below nothing where they were others'."""
        base, quote = split_symbol(trip.symbol)
        return replace(
            trip,
            net=trip.net + (self.amount if self.asset == quote else _ZERO),
            gross=trip.gross + (self.base_fee_value if self.asset == base else _ZERO),
            dust=trip.dust + (self.amount if self.asset == base else _ZERO),
            fees=self.fees(trip.fees),
        )


@dataclass(slots=True)
class _Holding:
    """A position while it is folded."""

    position_id: str
    symbol: str
    opened_at: datetime
    amount: Decimal = _ZERO
    bought: Decimal = _ZERO
    sold: Decimal = _ZERO
    entry_cost: Decimal = _ZERO
    exit_cost: Decimal = _ZERO
    cost: Decimal = _ZERO
    quote_fees: Decimal = _ZERO
    base_fees_valued: Decimal = _ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)
    order_ids: dict[str, None] = field(default_factory=dict)
    fill_ids: list[str] = field(default_factory=list)

    def note(self, fill: FillEntry) -> tuple[Decimal, Decimal]:
        """Keep the fill's ids and fee; return its fee as (base, quote)."""
        base, quote = split_symbol(self.symbol)
        self.order_ids.setdefault(fill.order_id)
        self.fill_ids.append(fill.trade_id)
        if fill.fee:
            self.fees[fill.fee_currency] = self.fees.get(fill.fee_currency, _ZERO) + fill.fee
        in_base = fill.fee if fill.fee_currency == base else _ZERO
        in_quote = fill.fee if fill.fee_currency == quote else _ZERO
        self.quote_fees += in_quote
        self.base_fees_valued += in_base * fill.price
        return in_base, in_quote

    def buy(self, fill: FillEntry) -> None:
        base_fee, quote_fee = self.note(fill)
        self.amount += fill.amount - base_fee
        self.bought += fill.amount
        self.entry_cost += fill.cost
        self.cost += fill.cost + quote_fee

    def sell(self, fill: FillEntry) -> Decimal:
        """Take the sale out; return what it realised."""
        base_fee, quote_fee = self.note(fill)
        taken = fill.amount + base_fee
        share = min(taken / self.amount, Decimal(1)) if self.amount > 0 else Decimal(1)
        released = self.cost if fill.closes else (self.cost * share).quantize(_COST_STEP)
        self.cost -= released
        self.amount = max(self.amount - taken, _ZERO)
        self.sold += fill.amount
        self.exit_cost += fill.cost
        return fill.cost - quote_fee - released

    def correct(self, fix: _Correction) -> None:
        """Take in what one of its fills moved otherwise; the quote a purchase had paid too much comes off the cost."""
        if fix.asset == split_symbol(self.symbol)[0]:
            self.amount = max(self.amount + fix.amount, _ZERO)
            self.base_fees_valued += fix.base_fee_value
        if fix.asset == split_symbol(self.symbol)[1]:
            self.quote_fees -= fix.amount
            self.cost -= fix.amount if fix.fill.side is Side.BUY else _ZERO
        self.fees = fix.fees(self.fees)

    def position(self, plan: Plan) -> Position:
        return Position(
            position_id=self.position_id,
            symbol=self.symbol,
            amount=self.amount,
            entry_price=_average(self.entry_cost, self.bought),
            cost=self.cost,
            opened_at=self.opened_at,
            stop_price=plan.stop_price,
            take_profit_price=plan.take_profit_price,
            confidence=plan.confidence,
            strategy=plan.strategy,
            tags=plan.tags,
        )

    def trip(self, last: FillEntry, plan: Plan) -> RoundTrip:
        net = self.exit_cost - self.entry_cost - self.quote_fees
        return RoundTrip(
            position_id=self.position_id,
            symbol=self.symbol,
            quote=split_symbol(self.symbol)[1],
            opened_at=self.opened_at,
            closed_at=last.ts,
            entry_price=_average(self.entry_cost, self.bought),
            exit_price=_average(self.exit_cost, self.sold),
            amount=self.bought,
            entry_cost=self.entry_cost,
            exit_cost=self.exit_cost,
            gross=net + self.quote_fees + self.base_fees_valued,
            fees=dict(self.fees),
            net=net,
            dust=self.amount,
            exit_purpose=last.purpose,
            exit_reason=last.reason or last.purpose.value,
            order_ids=tuple(self.order_ids),
            fill_ids=tuple(self.fill_ids),
            strategy=plan.strategy,
            confidence=plan.confidence,
            tags=plan.tags,
        )


def _average(cost: Decimal, amount: Decimal) -> Decimal:
    return Decimal(plain(cost / amount)) if amount else _ZERO


class PositionFold:
    """The running fold; ``apply`` costs the same however long the history is."""

    def __init__(self) -> None:
        self.trips: list[RoundTrip] = []
        self.realised: list[Realised] = []
        self._open: dict[str, _Holding] = {}  # by position id
        self._by_symbol: dict[str, str] = {}
        self._plans: dict[str, Plan] = {}
        self._opened_on: Counter[date] = Counter()
        self._fills: dict[str, _Placed] = {}
        self._trip_of: dict[str, int] = {}

    def apply(self, entry: Entry) -> None:
        if isinstance(entry, PlanEntry):
            self._plans[entry.position_id] = entry.plan
        elif isinstance(entry, FillEntry) and entry.position_id is not None:
            with localcontext(MONEY):
                self._apply_fill(entry, entry.position_id)
        elif isinstance(entry, CashEntry) and entry.kind.partition("/")[0] == CORRECTION:
            fill = self._fills.get(entry.reference_id)
            if fill is not None:
                with localcontext(MONEY):
                    of_fee = entry.kind == f"{CORRECTION}/fee"
                    self._correct(_Correction(fill, entry.asset, entry.amount - entry.fee, of_fee))

    def _correct(self, fix: _Correction) -> None:
        fill, holding = fix.fill, self._open.get(fix.fill.position_id)
        quote = split_symbol(fill.symbol)[1]
        if holding is not None:
            holding.correct(fix)
        else:
            place = self._trip_of[fill.position_id]
            self.trips[place] = fix.corrected(self.trips[place])
        if fix.asset == quote and (holding is None or fill.side is Side.SELL):
            self.realised.append(Realised(fill.ts, fill.symbol, quote, fix.amount))

    def _apply_fill(self, fill: FillEntry, position_id: str) -> None:
        if fill.opens:
            self._open[position_id] = _Holding(position_id, fill.symbol, fill.ts)
            self._by_symbol[fill.symbol] = position_id
            self._opened_on[fill.ts.date()] += 1
        self._fills[fill.trade_id] = _Placed(position_id, fill.ts, fill.symbol, fill.side, fill.price)
        holding = self._open[position_id]
        if fill.side is Side.BUY:
            holding.buy(fill)
            return
        self.realised.append(Realised(fill.ts, fill.symbol, split_symbol(fill.symbol)[1], holding.sell(fill)))
        if fill.closes:
            self._trip_of[position_id] = len(self.trips)
            self.trips.append(holding.trip(fill, self._plans.get(position_id, _NO_PLAN)))
            del self._open[position_id]
            del self._by_symbol[fill.symbol]

    def place(self, booking: Booking, lot_step: Decimal) -> FillEntry:
        """Decide which position a fill belongs to, and whether it begins or ends it.

        ``lot_step``: what remains below one step can never be sold and closes the position.
        """
        fill = booking.fill
        position_id = self._position_for(booking)
        opens = position_id is None and fill.side is Side.BUY
        if opens:
            position_id = f"pos_{fill.ts:%Y%m%d}_{self._opened_on[fill.ts.date()] + 1:03d}"
        closes = position_id is not None and fill.side is Side.SELL and self._ends(position_id, booking, lot_step)
        return FillEntry(
            ts=fill.ts, trade_id=fill.trade_id, order_id=fill.order_id, symbol=fill.symbol, side=fill.side, amount=fill.amount,
            price=fill.price, cost=fill.cost, fee=fill.fee, fee_currency=fill.fee_currency, liquidity=fill.liquidity,
            purpose=booking.purpose, client_order_id=booking.client_order_id, reason=booking.reason, position_id=position_id, opens=opens,
            closes=closes,
        )  # fmt: skip

    def _position_for(self, booking: Booking) -> str | None:
        asked = booking.position_id
        # A position that is closed takes no more fills: what is sold or bought now is somebody else's.
        if asked is not None and asked in self._open:
            return asked
        return self._by_symbol.get(booking.fill.symbol)

    def _ends(self, position_id: str, booking: Booking, lot_step: Decimal) -> bool:
        fill = booking.fill
        base_fee = fill.fee if fill.fee_currency == split_symbol(fill.symbol)[0] else _ZERO
        with localcontext(MONEY):
            left = self._open[position_id].amount - fill.amount - base_fee
        return left <= 0 or left < lot_step

    def positions(self) -> dict[str, Position]:
        """Open positions by symbol."""
        with localcontext(MONEY):
            return {h.symbol: h.position(self._plans.get(h.position_id, _NO_PLAN)) for h in self._open.values()}

    def plan(self, position_id: str) -> Plan | None:
        return self._plans.get(position_id)

    def symbol_of(self, position_id: str) -> str | None:
        holding = self._open.get(position_id)
        return None if holding is None else holding.symbol

    def realised_since(self, moment: datetime) -> dict[str, Decimal]:
        """Sum of what exits realised from ``moment`` on, by quote currency."""
        totals: dict[str, Decimal] = {}
        with localcontext(MONEY):
            for item in reversed(self.realised):
                if item.ts >= moment:
                    totals[item.quote] = totals.get(item.quote, _ZERO) + item.amount
        return totals


def positions_from(entries: Iterable[Entry]) -> dict[str, Position]:
    """Open positions by symbol, folded from scratch."""
    return _folded(entries).positions()


def round_trips_from(entries: Iterable[Entry]) -> tuple[RoundTrip, ...]:
    """Closed trips in the order they closed, folded from scratch."""
    return tuple(_folded(entries).trips)


def _folded(entries: Iterable[Entry]) -> PositionFold:
    fold = PositionFold()
    for entry in entries:
        fold.apply(entry)
    return fold

"""Booking: orders and executions as the venue tells them, into the ledger, each exactly once.

In: venue orders and fills in any order, repeated, late or early.  Out: what was new, whose it was, what is still owed.
Never: sending, or a fill booked without its position change and its alert in the same transaction.

An order's state is recorded only as far as its fills are known: one whose fills the venue has not listed yet stays open in the ledger
and is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import Fill, OrderKind, OrderStatus, Purpose, Side, VenueOrder
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.lifecycle import IllegalTransition, life_of_order, news_of_order
from kracken_tasks.execution.news import trade_alerts
from kracken_tasks.execution.orders import is_dust, smallest_sale
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, Booking, FillEntry, IntentEntry, IntentResult

__all__ = ["Booked", "Owners", "book"]

_PRICED = (OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT)


@dataclass(frozen=True, slots=True)
class Booked:
    """What one look brought.

    ``late``: ids of our orders whose fills the venue owes us; ``foreign_orders``/``foreign_fills``: not ours, reported, never touched;
    ``accepted``: intents that were open and now have an order; ``illegal``: orders of ours that took a step no order takes, and why that is
    so: what filled of them is booked, and people are told.
    """

    fills: tuple[FillEntry, ...]
    accepted: tuple[IntentEntry, ...]
    late: Mapping[str, str]
    foreign_orders: tuple[VenueOrder, ...]
    foreign_fills: tuple[Fill, ...]
    illegal: Mapping[str, str] = field(default_factory=dict)


class Owners:
    """Which intent an order belongs to: by client order id, by adoption, or through the order whose fill made the venue place it."""

    def __init__(self, desk: Desk, orders: Iterable[VenueOrder] = ()) -> None:
        self._ledger = desk.ledger
        self._open = desk.ledger.open_orders()
        self._seen: dict[str, VenueOrder] = {}
        self.add(orders)

    def add(self, orders: Iterable[VenueOrder]) -> None:
        for order in orders:
            self._seen[order.order_id] = order

    def recorded(self, order_id: str) -> VenueOrder | None:
        """The order as the ledger last saw it."""
        if order_id in self._open:
            return self._open[order_id]
        history = self._ledger.order_history(order_id)
        return history[-1].order if history else None

    def order(self, order_id: str) -> VenueOrder | None:
        return self._seen.get(order_id) or self.recorded(order_id)

    def of(self, order_id: str) -> tuple[IntentEntry, Purpose] | None:
        """The intent and the purpose of this very order; None: nobody of ours placed it."""
        order = self.order(order_id)
        if order is None:
            return None
        if order.client_order_id is not None:
            intent = self._ledger.intent(order.client_order_id)
            if intent is not None:
                return intent, intent.purpose
        adopted = self._ledger.intent_of_order(order_id)
        if adopted is not None:
            return adopted, adopted.purpose
        if order.parent_id is None or order.parent_id == order_id:
            return None
        parent = self.of(order.parent_id)
        return None if parent is None else (parent[0], Purpose.STOP)


def book(desk: Desk, owners: Owners, orders: Iterable[VenueOrder], fills: Iterable[Fill], now: datetime) -> Booked:
    """Write what is new about ``orders`` and ``fills`` in one transaction; doing it twice equals doing it once."""
    seen = {order.order_id: order for order in orders}
    owners.add(seen.values())
    ours = {order_id: owner for order_id in seen if (owner := owners.of(order_id)) is not None}
    listed = sorted({fill.trade_id: fill for fill in fills}.values(), key=lambda fill: (fill.ts, fill.trade_id))
    with desk.ledger.transaction():
        accepted = tuple(intent for order_id, (intent, _) in ours.items() if _accept(desk, seen[order_id], intent, now))
        bookings = [booking for fill in listed if (booking := _booking(desk, owners, fill)) is not None]
        entries = _book_fills(desk, seen, bookings)
        late, illegal = _record_orders(desk, [seen[order_id] for order_id in ours], now)
        for alert in trade_alerts(desk.ledger, entries):
            desk.ledger.add_alert(alert, ts=now)
    return Booked(
        fills=entries,
        accepted=accepted,
        late=late,
        foreign_orders=tuple(order for order_id, order in seen.items() if order_id not in ours),
        foreign_fills=tuple(fill for fill in listed if owners.of(fill.order_id) is None),
        illegal=illegal,
    )


def _book_fills(desk: Desk, seen: Mapping[str, VenueOrder], bookings: Sequence[Booking]) -> tuple[FillEntry, ...]:
    """Book fill by fill; the last one of a finished sale ends its position if what is left could not be sold."""
    instruments = desk.broker.instruments()
    entries: list[FillEntry] = []
    # At one moment buys come before sales, so that a sale finds what it ends.
    ordered = sorted(bookings, key=lambda one: (one.fill.ts, one.fill.side is Side.SELL, one.fill.trade_id))
    for place, booking in enumerate(ordered):
        fill, instrument = booking.fill, instruments.get(booking.fill.symbol)
        if instrument is None:
            entries += desk.ledger.book_fills([booking])
            continue
        more_to_come = any(later.fill.order_id == fill.order_id for later in ordered[place + 1 :])
        step = instrument.lot_step
        if fill.side is Side.SELL and not more_to_come and _is_last(desk, seen.get(fill.order_id), fill):
            step = smallest_sale(instrument, fill.price)
        entries += desk.ledger.book_fills([booking], lot_steps={fill.symbol: step})
    for entry in entries:
        _plan_anew(desk, entry, entries)
    return tuple(entries)


def _is_last(desk: Desk, order: VenueOrder | None, fill: Fill) -> bool:
    """Whether the order fills no more after this one."""
    if order is None or (order.status.resting and order.remaining > 0):
        return False
    booked = [entry.amount for entry in desk.ledger.fills_of(order.order_id) if entry.trade_id != fill.trade_id]
    return sum(booked, fill.amount) >= order.filled


def _plan_anew(desk: Desk, entry: FillEntry, entries: Sequence[FillEntry]) -> None:
    """An entry that bought onto dust begins a position in all but name: its own plan holds, not that of what was left over."""
    if entry.purpose is not Purpose.ENTRY or entry.side is not Side.BUY or entry.opens or entry.client_order_id is None:
        return
    position, intent = desk.ledger.positions().get(entry.symbol), desk.ledger.intent(entry.client_order_id)
    if position is None or position.position_id != entry.position_id or intent is None or intent.plan is None:
        return
    bought = sum((one.amount for one in entries if one.position_id == entry.position_id), Decimal(0))
    before = replace(position, amount=max(Decimal(0), position.amount - bought))
    if is_dust(before, desk.broker.instruments().get(entry.symbol)):
        desk.ledger.set_plan(position.position_id, intent.plan, ts=entry.ts)


def _accept(desk: Desk, order: VenueOrder, intent: IntentEntry, now: datetime) -> bool:
    """Close the intent with its order's id, if it was open and this is its own order."""
    if order.client_order_id != intent.client_order_id:
        return False
    outcome = desk.ledger.outcome(intent.client_order_id)
    if outcome is not None and outcome.result.final:
        return False
    desk.ledger.record_outcome(intent.client_order_id, IntentResult.ACCEPTED, ts=now, order_id=order.order_id)
    return True


def _booking(desk: Desk, owners: Owners, fill: Fill) -> Booking | None:
    owner = owners.of(fill.order_id)
    if owner is None:
        return None
    intent, purpose = owner
    reason = intent.reason if purpose is intent.purpose else "stop"
    raised_to = _raised_to_target(desk, owners.order(fill.order_id)) if purpose is Purpose.STOP else None
    if raised_to is not None:
        purpose, reason = Purpose.TAKE_PROFIT, f"take_profit: target reached, the stop raised to {plain(raised_to)}"
    return Booking(fill, purpose, intent.client_order_id, reason)


def _raised_to_target(desk: Desk, order: VenueOrder | None) -> Decimal | None:
    """The trigger of a stop that was raised to its position's target and so became the sale; None for any other."""
    if order is None or order.kind not in _PRICED or order.trigger_price is None:
        return None
    position = desk.ledger.positions().get(order.symbol)
    target = None if position is None else position.take_profit_price
    return order.trigger_price if target is not None and order.trigger_price >= target else None


def _record_orders(desk: Desk, orders: Iterable[VenueOrder], now: datetime) -> tuple[dict[str, str], dict[str, str]]:
    """Record each order as far as its fills are booked; the ids of those whose fills are still owed and how much, and of impossible ones.

    What is booked is counted from the ledger each time, never added up along the way: a listing may be late, early or repeated.
    """
    late: dict[str, str] = {}
    illegal: dict[str, str] = {}
    for order in orders:
        known = desk.ledger.order(order.order_id)
        done = sum((entry.amount for entry in desk.ledger.fills_of(order.order_id)), Decimal(0))
        if known is not None and not known.status.resting and done == known.filled:
            continue  # it ended before; an older page may still show it open
        if order.filled > done:
            late[order.order_id] = f"{order.filled - done} of order {order.order_id} filled but not listed yet"
            order = replace(order, status=OrderStatus.OPEN, closed_at=None)
        order = replace(order, filled=done)
        if known is None or (known.status, known.amount, known.filled) != (order.status, order.amount, order.filled):
            why = _step(desk, order, now)
            if why:
                illegal[order.order_id] = why
        desk.ledger.record_order(order, ts=now)
    return late, illegal


def _step(desk: Desk, order: VenueOrder, now: datetime) -> str:
    """Why the order cannot have become this; empty if it can.  What is impossible, or odd, is told once."""
    try:
        life = life_of_order(desk.ledger, order)
        step = life.step_for(news_of_order(order))
        life.after(news_of_order(order))
    except IllegalTransition as illegal:
        _tell(desk, order, f"impossible:{order.order_id}:{illegal.fields['state']}", str(illegal), now)
        return str(illegal)
    if step.told and step.source is not step.target:
        detail = f"order {order.order_id} went from {step.source} to {step.target}: {step.why}"
        _tell(desk, order, f"odd:{order.order_id}:{step.source}", detail, now)
    return ""


def _tell(desk: Desk, order: VenueOrder, key: str, detail: str, now: datetime) -> None:
    payload = {
        "summary": f"{order.symbol}: the venue tells of an order what cannot follow what it told before",
        "detail": detail,
        "context": desk.tick_id,
        "what_to_do": "what filled is booked; compare the order with the venue's own page",
    }
    desk.ledger.add_alert(AlertDraft(AlertKind.ERROR, key, payload, AlertLevel.CRITICAL), ts=now)

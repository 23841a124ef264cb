"""Strangers: orders on the venue that this ledger never recorded, reported and left alone, or adopted as its own.

In: orders that belong to no intent.  Out: intents that name them, or alerts.  Never: sending, canceling or amending one.

Adopted are purchases, whose coins become a position with a stop, and sales of a symbol in which a position is open.  A sale of coins that
nobody counted is left alone whatever the setting says: adopted it would be a stop without a position, which is canceled.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import IntentKey, OrderRequest, Purpose, Side, VenueOrder
from kracken_tasks.execution.desk import Desk
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, IntentResult

__all__ = ["adopt_strangers", "report_strangers"]


def adopt_strangers(desk: Desk, orders: Iterable[VenueOrder], now: datetime) -> tuple[VenueOrder, ...]:
    """Give each order that may be adopted an intent of its own, which it has fulfilled; twice equals once.

    Returns: the adopted ones; their fills are booked by whoever asked.
    """
    if not desk.config.adopt_unknown_orders:
        return ()
    held = desk.ledger.positions()
    adopted: list[VenueOrder] = []
    for order in sorted(orders, key=lambda order: (order.opened_at, order.order_id)):
        purpose = _purpose(order)
        if order.side is Side.SELL and order.symbol not in held and order.symbol not in {one.symbol for one in adopted}:
            continue
        key = IntentKey(desk.ledger.account, f"adopted@{order.order_id}", order.symbol, purpose)
        request = OrderRequest(
            client_order_id=key.client_order_id,
            symbol=order.symbol,
            side=order.side,
            kind=order.kind,
            amount=order.amount,
            limit_price=order.limit_price,
            trigger_price=order.trigger_price,
        )
        with desk.ledger.transaction():
            desk.ledger.record_intent(key, request, ts=now, lease=desk.lease, reason="adopted")
            desk.ledger.record_outcome(
                key.client_order_id, IntentResult.ACCEPTED, ts=now, order_id=order.order_id, reason="found on the venue"
            )
            _tell(desk, order, "not placed by this ledger, adopted", now)
        adopted.append(order)
    return tuple(adopted)


def report_strangers(desk: Desk, orders: Iterable[VenueOrder], now: datetime) -> None:
    """Tell of each, once."""
    for order in orders:
        _tell(desk, order, "not placed by this ledger, left alone", now)


def _purpose(order: VenueOrder) -> Purpose:
    if order.side is Side.BUY:
        return Purpose.ENTRY
    return Purpose.EXIT if order.trigger_price is None else Purpose.STOP


def _tell(desk: Desk, order: VenueOrder, what: str, now: datetime) -> None:
    detail = f"{order.side} {plain(order.amount)} {order.kind}, {order.status}: {what}"
    payload = {"symbol": order.symbol, "order_id": order.order_id, "detail": detail}
    draft = AlertDraft(AlertKind.UNKNOWN_ORDER, f"stranger:{order.order_id}", payload, AlertLevel.WARNING)
    desk.ledger.add_alert(draft, ts=now)

"""News: what booked fills are worth telling people, as alerts for the outbox.

In: fills just booked, and the ledger they were booked in.  Out: alert drafts with stable keys.  Never: delivery.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, localcontext

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.money import MONEY, plain
from kracken_tasks.domain.receipts import receipt_line
from kracken_tasks.domain.trading import Purpose, Side
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, FillEntry, Ledger

__all__ = ["trade_alerts"]


def trade_alerts(ledger: Ledger, entries: Iterable[FillEntry]) -> list[AlertDraft]:
    """One alert per order with new fills; the key names its first new fill, so that the same news is written once."""
    by_order: dict[str, list[FillEntry]] = defaultdict(list)
    for entry in entries:
        by_order[entry.order_id].append(entry)
    return [_alert(ledger, fills) for fills in by_order.values()]


def _alert(ledger: Ledger, fills: list[FillEntry]) -> AlertDraft:
    first, last = fills[0], fills[-1]
    with localcontext(MONEY):
        amount = sum((fill.amount for fill in fills), Decimal(0))
        price = sum((fill.cost for fill in fills), Decimal(0)) / amount
    position_id = last.position_id or ""
    payload = {
        "symbol": first.symbol,
        "side": first.side.value,
        "amount": plain(amount),
        "price": plain(price, 8).rstrip("0").rstrip("."),
        "exchange": ledger.exchange,
        "position_id": position_id,
        "reason": first.reason,
    }
    if first.side is Side.BUY:
        payload |= _plan(ledger, position_id) | _receipt(ledger, first)
        return AlertDraft(AlertKind.TRADE_OPENED, f"bought:{first.trade_id}", payload)
    kind, level = AlertKind.TRADE_CLOSED, AlertLevel.INFO
    if first.purpose is Purpose.STOP:
        kind, level = AlertKind.STOPPED, AlertLevel.WARNING
    payload |= {"net": "", "currency": split_symbol(first.symbol)[1]} | _result(ledger, position_id)
    return AlertDraft(kind, f"sold:{first.trade_id}", payload, level)


def _plan(ledger: Ledger, position_id: str) -> dict[str, str]:
    plan = ledger.plan(position_id) if position_id else None
    if plan is None:
        return {}
    found = {"strategy": plan.strategy}
    if plan.stop_price is not None:
        found["stop_price"] = plain(plan.stop_price)
    if plan.take_profit_price is not None:
        found["take_profit_price"] = plain(plan.take_profit_price)
    return found


def _receipt(ledger: Ledger, fill: FillEntry) -> dict[str, str]:
    """How the size came about, where the decision behind the fill is known."""
    intent = ledger.intent(fill.client_order_id) if fill.client_order_id else None
    decided = None if intent is None else ledger.decision(intent.tick_id, intent.symbol)
    receipt = None if decided is None else decided.decision.receipt
    return {} if receipt is None else {"receipt": receipt_line(receipt)}


def _result(ledger: Ledger, position_id: str) -> dict[str, str]:
    """What the whole trip earned after fees, and which fees that leaves out; nothing while part of the position is still held."""
    for trip in reversed(ledger.round_trips()):
        if trip.position_id == position_id:
            beside = [f"less {plain(fee)} {currency}" for currency, fee in sorted(trip.fees_elsewhere.items())]
            return {"net": plain(trip.net, 2)} | ({"fees_elsewhere": " ".join(beside)} if beside else {})
    return {}

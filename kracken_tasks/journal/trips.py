"""Round trips, events and open positions as rows of the journal.

In: facts.  Out: plain mappings, ready for JSON.  Never: money as a float where the schema says text; a number where there is none.

Decimals are text, except the promised keys of ``trade_history``, which are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.money import MONEY, plain
from kracken_tasks.journal.facts import Facts, Holding
from kracken_tasks.ledger.entries import FillEntry, Plan
from kracken_tasks.ledger.roundtrips import RoundTrip

__all__ = ["event_rows", "open_position_rows", "text", "trip_rows", "unattached_fill_ids"]

_ZERO = Decimal(0)
_NO_PLAN = Plan()
_RETURN_PLACES = 12
_SIDE = "BUY"  # spot positions are long


def text(amount: Decimal) -> str:
    """Plain text of an amount: no exponent, no trailing zeros."""
    with localcontext(MONEY):
        return plain(amount.normalize())


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def trip_rows(facts: Facts) -> list[dict[str, Any]]:
    """Trips closed in the period, in the order they closed."""
    return [_trip_row(facts, trip) for trip in facts.trips_in_period]


def _trip_row(facts: Facts, trip: RoundTrip) -> dict[str, Any]:
    holding = facts.holdings.get(trip.position_id)
    with localcontext(MONEY):
        paid_back = plain(trip.net / trip.entry_cost, _RETURN_PLACES) if trip.entry_cost else None
    return {
        "trade_id": trip.position_id,
        "exchange": facts.exchange,
        "symbol": trip.symbol,
        "side": _SIDE,
        "opened_at": iso(trip.opened_at),
        "closed_at": iso(trip.closed_at),
        "entry_price": text(trip.entry_price),
        "exit_price": text(trip.exit_price),
        "amount": text(trip.amount),
        "gross": text(trip.gross),
        "fees": [{"currency": name, "amount": text(fee)} for name, fee in sorted(trip.fees.items())],
        "net": text(trip.net),
        "return": paid_back,
        "dust": text(trip.dust),
        "holding_seconds": round(trip.holding.total_seconds(), 3),
        "strategy": trip.strategy,
        "signal": "" if holding is None else holding.fills[0].reason,
        "exit_reason": trip.exit_reason,
        "order_ids": list(trip.order_ids),
        "fill_ids": list(trip.fill_ids),
    }


def event_rows(facts: Facts) -> list[dict[str, Any]]:
    """What opened and closed in the period, by time; at one moment what closed comes first, but never before it opened."""
    events: list[tuple[datetime, int, str, dict[str, Any]]] = []
    for holding in facts.holdings.values():
        if facts.period.has(holding.opened_at):
            events.append((holding.opened_at, 1, holding.position_id, _open_event(facts, holding)))
    for trip in facts.trips_in_period:
        place = 0 if trip.opened_at < trip.closed_at else 2
        events.append((trip.closed_at, place, trip.position_id, _close_event(facts, trip)))
    return [row for *_, row in sorted(events, key=lambda event: event[:3])]


def _open_event(facts: Facts, holding: Holding) -> dict[str, Any]:
    plan = facts.first_plans.get(holding.position_id, _NO_PLAN)
    bought, price = _bought(holding.buys)
    return _event("OPEN", holding.opened_at, holding.position_id, holding.symbol, price, bought, plan)


def _close_event(facts: Facts, trip: RoundTrip) -> dict[str, Any]:
    plan = facts.last_plans.get(trip.position_id, _NO_PLAN)
    event = _event("CLOSE", trip.closed_at, trip.position_id, trip.symbol, trip.entry_price, trip.amount, plan)
    return {
        **event,
        "exit_price": _number(trip.exit_price),
        "pnl": _number(trip.net),
        "exit_reason": trip.exit_reason,
    }


def _event(
    action: str, at: datetime, position_id: str, symbol: str, price: Decimal, amount: Decimal, plan: Plan
) -> dict[str, Any]:
    return {
        "timestamp": iso(at),
        "action": action,
        "position_id": position_id,
        "symbol": symbol,
        "side": _SIDE,
        "entry_price": _number(price),
        "quantity": _number(amount),
        "stop_loss": _number(plan.stop_price),
        "take_profit": _number(plan.take_profit_price),
        "signal_confidence": plan.confidence,
        "strategy": plan.strategy,
        "tags": list(plan.tags),
    }


def open_position_rows(facts: Facts) -> list[dict[str, Any]]:
    """What was held at the period's end."""
    return [_open_row(facts, holding) for holding in facts.open_holdings]


def _open_row(facts: Facts, holding: Holding) -> dict[str, Any]:
    plan = facts.last_plans.get(holding.position_id, _NO_PLAN)
    bought, price = _bought(holding.buys)
    sold = sum((fill.amount for fill in holding.fills), _ZERO) - bought
    return {
        "position_id": holding.position_id,
        "symbol": holding.symbol,
        "opened_at": iso(holding.opened_at),
        "bought": text(bought),
        "sold": text(sold),
        "entry_price": text(price),
        "stop_loss": None if plan.stop_price is None else text(plan.stop_price),
        "take_profit": None if plan.take_profit_price is None else text(plan.take_profit_price),
        "fill_ids": [fill.trade_id for fill in holding.fills],
    }


def _bought(buys: Sequence[FillEntry]) -> tuple[Decimal, Decimal]:
    """Amount bought and its average price before fees."""
    with localcontext(MONEY):
        amount = sum((fill.amount for fill in buys), _ZERO)
        return amount, sum((fill.cost for fill in buys), _ZERO) / amount


def unattached_fill_ids(facts: Facts) -> list[str]:
    """Fills of coins that no position holds."""
    attached = {fill.trade_id for holding in facts.holdings.values() for fill in holding.fills}
    return [fill.trade_id for fill in facts.fills_in_period if fill.trade_id not in attached]

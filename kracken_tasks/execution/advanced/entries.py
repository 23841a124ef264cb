"""The entry of a bracket: sent once per key, carrying its stop where the venue can place it by itself.

In: what is to be bought and how it is to be left.  Out: what became of the entry.  Never: a second order while the first may exist.

The exits go with the entry's intent as its plan, so that they are known from the first fill on, whoever books it.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from decimal import Decimal

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import price_of, ticks_at_or_below
from kracken_tasks.domain.trading import ConditionalClose, IntentKey, OrderKind, OrderRequest, Purpose, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.advanced.forms import LIMITED
from kracken_tasks.execution.advanced.keeping import BRACKET, free_key
from kracken_tasks.execution.broker import has_conditional_close
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.orders import below_minimum, entry_request, is_dust
from kracken_tasks.execution.reconcile import Reconciled
from kracken_tasks.execution.sending import commit_intent, submit_intent
from kracken_tasks.ledger import IntentEntry, IntentResult, OutcomeEntry, Plan

__all__ = ["Entry", "enter_once", "entry_of"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a bracket buys.  ``amount`` in base; ``price`` None: now, at most the cap above the ask; else a limit that rests there."""

    symbol: str
    amount: Decimal
    price: Decimal | None
    plan: Plan


def entry_of(desk: Desk, key: str, symbol: str) -> tuple[IntentEntry, OutcomeEntry | None] | None:
    """The newest intent of a bracket's entry and what came of it; None: there is none."""
    found: IntentEntry | None = None
    attempt = 0
    while True:
        one = IntentKey(desk.ledger.account, f"{BRACKET}{key}", symbol, Purpose.ENTRY, 0, attempt)
        intent = desk.ledger.intent(one.client_order_id)
        if intent is None:
            return None if found is None else (found, desk.ledger.outcome(found.client_order_id))
        found, attempt = intent, attempt + 1


def enter_once(desk: Desk, look: Reconciled, key: str, entry: Entry, quote: Quote, native: Container[OrderKind]) -> str:
    """Send the entry unless it was sent before; returns why nothing exists after all, "" otherwise.

    Raises: TradeRefused if the key was used for another entry, the symbol is held or being entered already, or the venue would refuse.
    """
    symbol, instrument = entry.symbol, desk.instrument(entry.symbol)
    before = entry_of(desk, key, symbol)
    if before is not None:
        intent, outcome = before
        _require_same(key, intent, entry)
        if outcome is None or outcome.result in (IntentResult.UNKNOWN, IntentResult.ACCEPTED):
            return ""
    doubt = desk.unknown.get(symbol) or look.unknown.get(symbol)
    if doubt:
        return doubt
    held = desk.ledger.positions().get(symbol)
    if held is not None and not is_dust(held, instrument):
        raise TradeRefused(f"{symbol} is held already: give its position exits of their own, with oco", symbol=symbol)
    if any(order.side is Side.BUY and order.symbol == symbol for order in look.open_orders):
        raise TradeRefused(f"another entry of {symbol} is under way", symbol=symbol)
    key_of_entry = free_key(desk, f"{BRACKET}{key}", symbol, Purpose.ENTRY)
    request = _request(desk, key_of_entry, entry, instrument, quote, native)
    commit_intent(desk, key_of_entry, request, ts=desk.broker.now(), plan=entry.plan, reason=f"bracket {key}")
    sent = submit_intent(desk, key_of_entry, request)
    return "" if sent.result is IntentResult.ACCEPTED else sent.reason


def _require_same(key: str, intent: IntentEntry, entry: Entry) -> None:
    resting = intent.request.limit_price if intent.request.time_in_force == "GTC" else None
    known = (intent.request.amount, resting, intent.plan)
    if known != (entry.amount, entry.price, entry.plan):
        raise TradeRefused(f"bracket {key!r} was asked for with other terms before", key=key, symbol=entry.symbol)


def _request(
    desk: Desk, key: IntentKey, entry: Entry, instrument: Instrument, quote: Quote, native: Container[OrderKind]
) -> OrderRequest:
    now, rules = desk.broker.now(), desk.config.send
    one_lot = entry_request(key, instrument, quote, lots=1, stop_ticks=None, now=now, rules=rules)
    request = replace(one_lot, amount=entry.amount)
    if entry.price is not None:
        request = replace(request, kind=OrderKind.LIMIT, limit_price=entry.price, time_in_force="GTC")
    reason = below_minimum(
        entry.amount, entry.price or price_of(ticks_at_or_below(quote.bid, instrument), instrument), instrument
    )
    if reason:
        raise TradeRefused(f"{entry.symbol}: {reason}", symbol=entry.symbol, amount=entry.amount)
    return replace(request, close=_close(desk, entry.plan, native))


def _close(desk: Desk, plan: Plan, native: Container[OrderKind]) -> ConditionalClose | None:
    """The stop that the venue places the moment the entry fills, where it can."""
    if not has_conditional_close(desk.broker) or plan.stop_price is None or plan.stop_kind not in native:
        return None
    limit = plan.stop_limit_price if plan.stop_kind in LIMITED else None
    return ConditionalClose(plan.stop_kind, plan.stop_price, limit)

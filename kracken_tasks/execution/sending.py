"""Sending: the only place an order leaves from.

In: an intent key and a request.  Out: ``Sent``, saying what surely happened and what nobody knows.  Never: a second try; a request whose
intent is not on the disk; a request under a lost lease or a state that forbids it.

The order of things is the whole point: the intent is committed, then lease and trading state are read, then the request goes out, then
the outcome is written, with the order as far as it is known.  What filled is found by the look that follows: one for all that was sent.
A stop after any of these is healed by the next reconcile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.trading import IntentKey, OrderRequest, Purpose, TradingState
from kracken_tasks.errors import RetryLater, StateUnknown, TradeRefused
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.lifecycle import IllegalTransition, OrderState, life_of_intent
from kracken_tasks.execution.orders import accepted_order
from kracken_tasks.ledger import FillEntry, IntentResult, Plan

__all__ = ["Sent", "amend_resting", "commit_intent", "filled_by", "submit_intent", "withdraw_intent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one request.  ``result`` UNKNOWN: the symbol is left alone until a later run knows more.

    ``fills`` is empty until a look after the send has booked them.
    """

    key: IntentKey
    request: OrderRequest
    result: IntentResult
    order_id: str | None
    reason: str
    fills: tuple[FillEntry, ...] = ()


def commit_intent(
    desk: Desk,
    key: IntentKey,
    request: OrderRequest,
    *,
    ts: datetime,
    plan: Plan | None = None,
    position_id: str | None = None,
    reason: str = "",
) -> bool:
    """Write the intent down; False if it stood there already, and then nothing may be sent for it.

    Raises: LeaseLost if another run holds the lease by now.
    """
    written = desk.ledger.record_intent(
        key, request, ts=ts, lease=desk.lease, plan=plan, position_id=position_id, reason=reason
    )
    return written.new


def withdraw_intent(desk: Desk, key: IntentKey, request: OrderRequest, reason: str) -> Sent:
    """Close an intent that was not sent and will not be."""
    desk.ledger.record_outcome(key.client_order_id, IntentResult.WITHDRAWN, ts=desk.broker.now(), reason=reason)
    return Sent(key, request, IntentResult.WITHDRAWN, None, reason)


def submit_intent(desk: Desk, key: IntentKey, request: OrderRequest) -> Sent:
    """Send a committed intent once and write the outcome.  The caller looks at the venue afterwards (``desk.touched``).

    Raises: LeaseLost if the lease is gone; nothing was sent, and the new holder's reconcile ends the intent.  IllegalTransition if the
    intent has an outcome already: an order is sent once.
    """
    desk.require_lease()  # first: whoever has lost it has no say in what became of the intent
    life = life_of_intent(desk.ledger, key.client_order_id)
    if life.state is not OrderState.INTENDED:
        raise IllegalTransition(
            f"order {life.name} is {life.state} and is not sent again", order=life.name, state=life.state.value
        )
    forbidden = _forbidden(desk, key.purpose)
    if forbidden:
        return withdraw_intent(desk, key, request, forbidden)
    desk.touched = True
    try:
        order_id = desk.broker.submit(request)
    except TradeRefused as refusal:
        return _ended(desk, key, request, IntentResult.REFUSED, str(refusal))
    except RetryLater as failure:
        return _ended(desk, key, request, IntentResult.NEVER_ARRIVED, str(failure))
    except StateUnknown as doubt:
        desk.unknown[key.symbol] = f"{key.purpose} {key.client_order_id[:8]} in doubt: {doubt}"
        return _ended(desk, key, request, IntentResult.UNKNOWN, str(doubt))
    now = desk.broker.now()
    with desk.ledger.transaction():  # an order that stands open in the ledger is asked for by its id until it is found
        desk.ledger.record_outcome(key.client_order_id, IntentResult.ACCEPTED, ts=now, order_id=order_id)
        desk.ledger.record_order(accepted_order(request, order_id, now), ts=now)
    return Sent(key, request, IntentResult.ACCEPTED, order_id, "accepted")


def amend_resting(
    desk: Desk,
    order_id: str,
    *,
    amount: Decimal | None = None,
    trigger_price: Decimal | None = None,
    limit_price: Decimal | None = None,
) -> None:
    """Change a resting order in place, under the lease.

    The deadline is older than the look at the lease: a process that is frozen between that look and the request changes nothing when it
    wakes, the venue refuses it.  Raises: LeaseLost; as ``Broker.amend``.
    """
    deadline = desk.broker.now() + desk.config.send.deadline
    desk.require_lease()
    desk.broker.amend(order_id, amount=amount, trigger_price=trigger_price, limit_price=limit_price, deadline=deadline)


def filled_by(sent: Sent, fills: Iterable[FillEntry]) -> Sent:
    """The same with those of ``fills`` that are its order's own; what a stop of it filled is not."""
    own = tuple(fill for fill in fills if fill.order_id == sent.order_id)
    return replace(sent, fills=sent.fills + own) if own else sent


def _forbidden(desk: Desk, purpose: Purpose) -> str:
    """Why the trading state, read just before sending, keeps this order from going; selling and protecting is always allowed."""
    entry = desk.ledger.state()
    if purpose is Purpose.ENTRY and entry.state is not TradingState.NORMAL:
        return f"trading state is {entry.state}: {entry.reason}"
    return ""


def _ended(desk: Desk, key: IntentKey, request: OrderRequest, result: IntentResult, reason: str) -> Sent:
    desk.ledger.record_outcome(key.client_order_id, result, ts=desk.broker.now(), reason=reason)
    return Sent(key, request, result, None, reason)

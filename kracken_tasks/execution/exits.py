"""Exits: sell a position, intent first, then free the coins, then sell.

In: a position, why it is left, a quote, its resting stops.  Out: ``Exit``.  Never: a sale of more than is held.

A resting stop holds the coins, so it is canceled right before the sale; for that moment the position counts as exiting.  A crash at any
point between is healed: the next reconcile finds the intent never arrived and the next ``protect`` puts the stop back, unless the reason
to sell still stands.  What the sales brought is booked by the look that follows, one for all exits of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.trading import Position, Purpose, VenueOrder
from kracken_tasks.errors import RetryLater, StateUnknown, TradeRefused
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.orders import sell_request
from kracken_tasks.execution.reconcile import Reconciled, follow_up
from kracken_tasks.execution.sending import Sent, commit_intent, filled_by, submit_intent, withdraw_intent
from kracken_tasks.ledger import FillEntry, IntentResult, LeaseLost, Plan
from kracken_tasks.risk.state import AccountState
from kracken_tasks.risk.stops import StopRules, exit_reason

__all__ = ["Exit", "due_exit", "free_coins", "leave", "settled"]

_TRIES = 2  # the second one is for a stop that filled in part while it was being canceled


@dataclass(frozen=True, slots=True)
class Exit:
    """One position's exit.  ``sent`` are the requests that went out or were withdrawn; ``problem`` says why it is still held.

    Whether an accepted sale filled is known after the next look: see ``settled``.
    """

    symbol: str
    position_id: str
    purpose: Purpose
    reason: str
    sent: tuple[Sent, ...]
    problem: str = ""


def due_exit(
    desk: Desk, position: Position, quote: Quote, look: Reconciled, state: AccountState | None, rules: StopRules
) -> tuple[Purpose, str] | None:
    """Why a position has to be left now, by the account's state or its own plan; None: it is kept.  Needs neither candles nor signals."""
    if state is not None and state.close_everything:
        return Purpose.FLATTEN, state.reason
    plan = desk.ledger.plan(position.position_id) or Plan()
    trail = None if plan.trail_fraction is None else float(plan.trail_fraction)
    planned = replace(rules, trailing_pct=trail, max_holding=plan.max_holding)
    signal = exit_reason(position, quote, look.now, planned, stop_resting=bool(look.stops(position.symbol)))
    if signal is None:
        return None
    purpose = Purpose.TAKE_PROFIT if signal.name.value == Purpose.TAKE_PROFIT.value else Purpose.EXIT
    return purpose, f"{signal.name.value}: {signal.detail}"


def leave(
    desk: Desk, position: Position, quote: Quote, stops: Sequence[VenueOrder], *, purpose: Purpose, reason: str
) -> Exit:
    """Sell the whole position now, at the bid less the cap at worst; what the book does not take is protected again afterwards.

    The caller looks at the venue next (``desk.touched``).
    """
    symbol = position.symbol
    sent: list[Sent] = []
    for _ in range(_TRIES):
        try:
            one = _sell(desk, position, quote, stops, purpose, reason)
        except TradeRefused as too_small:
            return Exit(symbol, position.position_id, purpose, reason, tuple(sent), str(too_small))
        sent.append(one)
        held = desk.ledger.positions().get(symbol)
        if held is None or not one.reason.startswith(_CHANGED) or symbol in desk.unknown:
            break
        position = held
    left = Exit(symbol, position.position_id, purpose, reason, tuple(sent))
    return left if sent[-1].result is IntentResult.ACCEPTED else settled(desk, left, ())


def settled(desk: Desk, left: Exit, fills: Iterable[FillEntry]) -> Exit:
    """The same exit after a look that booked ``fills``: what its sales brought, and whether the position is still held."""
    fills = tuple(fills)
    sent = tuple(filled_by(one, fills) for one in left.sent)
    held = desk.ledger.positions().get(left.symbol)
    gone = held is None or held.position_id != left.position_id
    reason = sent[-1].reason if sent else left.problem
    return replace(left, sent=sent, problem="" if gone else left.problem or f"still held: {reason}")


_CHANGED = "the stop filled first"


def _sell(
    desk: Desk, position: Position, quote: Quote, stops: Sequence[VenueOrder], purpose: Purpose, reason: str
) -> Sent:
    instrument = desk.instrument(position.symbol)
    key = desk.next_key(position.symbol, purpose)
    now = desk.broker.now()
    request = sell_request(key, instrument, quote, amount=position.amount, now=now, rules=desk.config.send)
    commit_intent(desk, key, request, ts=now, position_id=position.position_id, reason=reason)
    try:
        free_coins(desk, stops)
    except LeaseLost:
        raise
    except (RetryLater, StateUnknown) as failure:
        desk.unknown[position.symbol] = f"the stop could not be canceled: {failure}"
        return withdraw_intent(desk, key, request, f"the stop could not be canceled: {failure}")
    doubt = desk.unknown.get(position.symbol)
    if doubt:  # the stop has sold some of it, and nobody has told what: the rest of this sale would be coins of the account's owner
        return withdraw_intent(desk, key, request, f"what the stop has sold is not booked yet: {doubt}")
    held = desk.ledger.positions().get(position.symbol)
    if held is None or held.amount != position.amount:
        left = "nothing" if held is None else f"{held.amount}"
        return withdraw_intent(desk, key, request, f"{_CHANGED}, {left} is left")
    return submit_intent(desk, key, request)


def free_coins(desk: Desk, stops: Sequence[VenueOrder]) -> None:
    """Cancel the stops that hold the coins, then look what they had filled until then.  Raises: as ``follow_up``."""
    for stop in stops:
        desk.require_lease()
        desk.touched = True
        desk.broker.cancel(stop.order_id)
    if stops:
        follow_up(desk, (stop.order_id for stop in stops), ended=True)

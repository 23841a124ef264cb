"""What should rest at the venue for a position: pure functions from its plan to an order.

In: a plan, the stop's price, the kinds the venue has.  Out: ``Form``, and the request that makes it rest.  Never: I/O.

A trailing stop that the venue does not have becomes a stop-loss that is moved up by amend, its price being all that has to be remembered.
A target beside a stop never rests, because the stop holds the coins: it is watched.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.market import Instrument
from kracken_tasks.domain.money import floor_to_step
from kracken_tasks.domain.trading import IntentKey, OrderKind, OrderRequest, Side, VenueOrder
from kracken_tasks.execution.orders import SendRules
from kracken_tasks.ledger import Plan

__all__ = ["ALONE", "LIMITED", "PRICED", "TRAILING", "Form", "fits", "form_of", "resting_request"]

TRAILING = frozenset({OrderKind.TRAILING_STOP, OrderKind.TRAILING_STOP_LIMIT})
ALONE = frozenset({OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT})  # rests instead of a stop, never beside one
PRICED = frozenset({OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT})
LIMITED = frozenset({OrderKind.STOP_LOSS_LIMIT, OrderKind.TAKE_PROFIT_LIMIT, OrderKind.TRAILING_STOP_LIMIT})


@dataclass(frozen=True, slots=True)
class Form:
    """An order that sells a position when its time comes.

    ``trigger``: a price; of a trailing stop by distance the distance.  ``limit``: a price; of a trailing-stop-limit an offset below the
    trigger.  ``percent``: the distance of a trailing stop by percent, 5 is 5 %.
    """

    kind: OrderKind
    trigger: Decimal | None
    limit: Decimal | None = None
    percent: Decimal | None = None


def form_of(plan: Plan, stop_price: Decimal, native: Container[OrderKind]) -> Form | None:
    """What should rest for ``plan``; None: nothing can, everything is watched.  ``stop_price``: where the stop belongs now."""
    kind = plan.stop_kind
    if kind in TRAILING and kind in native:
        if plan.trail_fraction is not None:
            return Form(kind, None, plan.trail_limit_offset, plan.trail_fraction * 100)
        return Form(kind, plan.trail_distance, plan.trail_limit_offset)
    if kind in ALONE:
        return Form(kind, plan.take_profit_price, plan.stop_limit_price) if kind in native else None
    if kind is OrderKind.STOP_LOSS_LIMIT and kind in native:
        return Form(kind, stop_price, plan.stop_limit_price)
    return Form(OrderKind.STOP_LOSS, stop_price) if OrderKind.STOP_LOSS in native else None


def fits(form: Form, order: VenueOrder, request: OrderRequest | None) -> bool:
    """Whether a resting order is of this form, its prices apart if they can be amended.

    ``request``: what was sent for it, where that is known: the venue does not tell a trailing stop's distance.
    """
    if order.kind is not form.kind:
        return False
    if form.kind not in TRAILING or request is None:
        return True
    return (request.trail_percent, request.trigger_price, request.limit_price) == (
        form.percent,
        form.trigger,
        form.limit,
    )


def resting_request(
    form: Form, key: IntentKey, instrument: Instrument, *, amount: Decimal, now: datetime, rules: SendRules
) -> OrderRequest:
    """Build the sale of ``amount`` (floored to lots) that rests in this form; prices are floored to ticks, so that a stop is never above
    what was asked."""
    tick = instrument.price_tick
    return OrderRequest(
        client_order_id=key.client_order_id,
        symbol=instrument.symbol,
        side=Side.SELL,
        kind=form.kind,
        amount=floor_to_step(amount, instrument.lot_step),
        limit_price=None if form.limit is None else floor_to_step(form.limit, tick),
        trigger_price=None if form.trigger is None else floor_to_step(form.trigger, tick),
        deadline=now + rules.deadline,
        trail_percent=form.percent,
    )

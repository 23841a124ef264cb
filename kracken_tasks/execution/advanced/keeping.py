"""Keeping: what rests at the venue for each position, brought in line with its plan.

In: a desk under the lease, a look, quotes.  Out: what was done.  Never: a stop lowered that nobody asked to lower, a sale of more than is
held, a step that is not written down before it is taken.

The plan in the ledger is the intention, the venue is brought in line with it, and every step can be taken again:

- A target that is reached beside a resting stop: the plan's stop is raised to the market, then the resting order by amend.  The order that
  protected the position is the one that sells it, so there is no moment without a stop and nothing that could sell twice.  Where a venue
  does not amend, the stop is canceled and the coins are sold (``execution.exits``).
- A stop of another kind: the new order's intent is written, the old one canceled and what it filled looked up, then the new one sent.  The
  coins cannot lie under both; the position is bare for as long as the venue takes to answer.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import MONEY, floor_to_step, plain, price_of, ticks_at_or_above, ticks_at_or_below
from kracken_tasks.domain.trading import (
    IntentKey,
    OrderKind,
    OrderRequest,
    Position,
    Purpose,
    Side,
    TradingState,
    VenueOrder,
)
from kracken_tasks.errors import KrackenError, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.execution.advanced.forms import ALONE, PRICED, Form, fits, form_of, resting_request
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.orders import below_minimum
from kracken_tasks.execution.protect import raise_plan, stop_price_of
from kracken_tasks.execution.reconcile import Reconciled, follow_up
from kracken_tasks.execution.sending import amend_resting, commit_intent, submit_intent, withdraw_intent
from kracken_tasks.ledger import IntentResult, LeaseLost, Plan
from kracken_tasks.risk.stops import StopRules

__all__ = ["BRACKET", "free_key", "raise_to_market", "reform", "take_back_entries", "trail"]

BRACKET = "bracket:"


def free_key(desk: Desk, group: str, symbol: str, purpose: Purpose, leg: int = 0) -> IntentKey:
    """The first key of a group, purpose and leg that no intent has used: the same whoever asks, and whenever."""
    attempt = 0
    while True:
        key = IntentKey(desk.ledger.account, group, symbol, purpose, leg, attempt)
        if desk.ledger.intent(key.client_order_id) is None:
            return key
        attempt += 1


def trail(desk: Desk, position: Position, quote: Quote, now: datetime) -> None:
    """Raise the planned stop of a position that trails, by a fraction or by a distance, to where the best bid has carried it."""
    raise_plan(desk, position, quote, StopRules(), now)
    plan = desk.ledger.plan(position.position_id)
    if plan is None or plan.trail_distance is None:
        return
    instrument = desk.instrument(position.symbol)
    with localcontext(MONEY):
        best = price_of(ticks_at_or_below(quote.bid, instrument), instrument)
        level = floor_to_step(best - plan.trail_distance, instrument.price_tick)
    if level > stop_price_of(desk, position, instrument):
        desk.ledger.set_plan(position.position_id, replace(plan, stop_price=level), ts=now)


def raise_to_market(desk: Desk, position: Position, quote: Quote, stops: Sequence[VenueOrder], now: datetime) -> bool:
    """Turn the resting stops into the sale of a position whose target is reached; False: they cannot be, sell it otherwise.

    The plan says so first: whoever comes after a crash finds the stop planned above the market and raises it.
    """
    instrument = desk.instrument(position.symbol)
    plan = desk.ledger.plan(position.position_id)
    held = floor_to_step(position.amount, instrument.lot_step)
    resting = sum((stop.remaining for stop in stops), Decimal(0))
    if plan is None or plan.take_profit_price is None or resting != held or not _can_be_raised(stops):
        return False
    market = price_of(ticks_at_or_above(quote.last, instrument), instrument)
    level = max(market, plan.take_profit_price, plan.stop_price or Decimal(0))
    desk.ledger.set_plan(position.position_id, replace(plan, stop_price=level), ts=now)
    worst = quote.bid * (1.0 - desk.config.send.exit_cap_fraction)
    floor = price_of(max(1, ticks_at_or_below(worst, instrument)), instrument)
    try:
        for stop in stops:
            limit = floor if stop.kind is OrderKind.STOP_LOSS_LIMIT else None
            desk.touched = True
            amend_resting(desk, stop.order_id, trigger_price=level, limit_price=limit)
    except TradeRefused:
        desk.ledger.set_plan(position.position_id, plan, ts=desk.broker.now())
        return False
    follow_up(desk, (stop.order_id for stop in stops))
    return True


def _can_be_raised(stops: Sequence[VenueOrder]) -> bool:
    return bool(stops) and all(stop.kind in PRICED for stop in stops)


def reform(
    desk: Desk,
    position: Position,
    stops: Sequence[VenueOrder],
    native: Container[OrderKind],
    *,
    exact: bool = False,
) -> tuple[str, ...]:
    """Bring the kind of what rests in line with the plan, and its prices where ``exact`` (also down); returns what was done.

    Sizes are ``protect``'s work.  Raises: as the broker; what is left half done, the next call does.
    """
    plan = desk.ledger.plan(position.position_id) or Plan()
    instrument = desk.instrument(position.symbol)
    form = form_of(plan, stop_price_of(desk, position, instrument), native)
    if form is None or plan.target_reached:
        return ()
    resting = sum((stop.remaining for stop in stops), Decimal(0))
    if resting < floor_to_step(position.amount, instrument.lot_step) and _awaits_its_stop(desk, position):
        return ()
    if not all(_fits(desk, form, stop) for stop in stops):
        return _placed(desk, position, plan, stops, form, instrument)
    if not stops:
        return _placed(desk, position, plan, (), form, instrument)
    return _amended(desk, stops, form, exact=exact)


def _awaits_its_stop(desk: Desk, position: Position) -> bool:
    """Whether an entry filled so recently that the stop the venue placed with it may not be listed yet: it holds the coins already."""
    for fill in desk.ledger.fills(desk.broker.now() - desk.config.listing_lag):
        intent = desk.ledger.intent(fill.client_order_id) if fill.client_order_id else None
        if fill.position_id == position.position_id and intent is not None and intent.request.close is not None:
            return True
    return False


def _fits(desk: Desk, form: Form, stop: VenueOrder) -> bool:
    intent = None if stop.client_order_id is None else desk.ledger.intent(stop.client_order_id)
    return fits(form, stop, None if intent is None else intent.request)


def _amended(desk: Desk, stops: Sequence[VenueOrder], form: Form, *, exact: bool) -> tuple[str, ...]:
    actions: list[str] = []
    if form.trigger is None or form.kind not in PRICED | ALONE:
        return ()
    for stop in stops:
        new = {
            name: wanted
            for name, wanted, now in (
                ("trigger_price", form.trigger, stop.trigger_price),
                ("limit_price", form.limit, stop.limit_price),
            )
            if wanted is not None and wanted != now and (exact or (now is not None and wanted > now))
        }
        if not new:
            continue
        desk.touched = True
        amend_resting(desk, stop.order_id, trigger_price=new.get("trigger_price"), limit_price=new.get("limit_price"))
        actions.append(f"moved {stop.order_id} to {', '.join(plain(price) for price in new.values())}")
    return tuple(actions)


def _placed(
    desk: Desk, position: Position, plan: Plan, stops: Sequence[VenueOrder], form: Form, instrument: Instrument
) -> tuple[str, ...]:
    """Write the new order's intent, free the coins, look what was filled until then, send."""
    amount = floor_to_step(position.amount, instrument.lot_step)
    price = form.trigger if form.kind in PRICED | ALONE and form.trigger is not None else position.entry_price
    too_small = below_minimum(amount, price, instrument)
    if too_small:
        raise TradeRefused(f"{position.symbol}: {too_small}", symbol=position.symbol, amount=amount)
    purpose = Purpose.TAKE_PROFIT if form.kind in ALONE else Purpose.STOP
    key = free_key(desk, f"exits:{position.position_id}", position.symbol, purpose)
    now = desk.broker.now()
    request = resting_request(form, key, instrument, amount=amount, now=now, rules=desk.config.send)
    commit_intent(desk, key, request, ts=now, position_id=position.position_id, reason=form.kind.value)
    actions = _freed(desk, key, request, stops)
    doubt = desk.unknown.get(position.symbol)
    if doubt:  # filled, and not told yet how much
        withdraw_intent(desk, key, request, f"what rested before it has filled first: {doubt}")
        return (*actions, f"nothing placed: {doubt}")
    held = desk.ledger.positions().get(position.symbol)
    if held is None or held.amount != position.amount:
        withdraw_intent(desk, key, request, "what rested before it has filled first")
        return (*actions, "nothing placed: what rested before has filled")
    sent = submit_intent(desk, key, request)
    if sent.result is IntentResult.ACCEPTED:
        return (*actions, f"placed {form.kind} {sent.order_id} for {plain(amount)}")
    if sent.result is IntentResult.REFUSED and plan.stop_kind is not OrderKind.STOP_LOSS:
        # A plain stop takes its place at once; without this every look would take that one away to try again.
        desk.ledger.set_plan(position.position_id, replace(plan, stop_kind=OrderKind.STOP_LOSS), ts=desk.broker.now())
    raise TradeRefused(f"{position.symbol}: {form.kind} not placed: {sent.reason}", symbol=position.symbol)


def _freed(desk: Desk, key: IntentKey, request: OrderRequest, stops: Sequence[VenueOrder]) -> list[str]:
    """Cancel what holds the coins and book what it filled until then.

    A symbol whose stop was not canceled for sure is left alone until the next look: two orders for the same coins is the one thing that
    must not be.
    """
    try:
        for stop in stops:
            desk.require_lease()
            desk.touched = True
            desk.broker.cancel(stop.order_id)
        follow_up(desk, (stop.order_id for stop in stops), ended=True)
    except LeaseLost:
        raise
    except (RetryLater, StateUnknown) as failure:
        reason = f"what rested could not be canceled: {failure}"
        desk.unknown[key.symbol] = reason
        withdraw_intent(desk, key, request, reason)
        raise StateUnknown(f"{key.symbol}: {reason}", symbol=key.symbol) from failure
    return [f"canceled {stop.order_id}" for stop in stops]


def take_back_entries(desk: Desk, look: Reconciled, *, nothing_bought: bool = False) -> tuple[str, ...]:
    """Cancel our resting entries that the account's state forbids, and those of brackets that are over; returns their order ids.

    A bracket is over once the position its entry opened is closed, or its target is reached: what the entry would still buy is nobody's
    wish any more.  Where only positions may be made smaller no purchase of ours rests, whoever sent it (an adopted one, say), nor while
    ``nothing_bought`` says so (the kill switch).
    Raises: as the broker, after the others have been taken back.
    """
    free = desk.ledger.state().state is TradingState.NORMAL and not nothing_bought
    held = desk.ledger.positions()
    gone: list[str] = []
    failures: list[KrackenError] = []
    for order in look.open_orders:
        if order.side is not Side.BUY or (free and not _is_over(desk, order, held)):
            continue
        desk.require_lease()
        desk.touched = True
        try:
            desk.broker.cancel(order.order_id)
        except KrackenError as failure:  # it would keep the others resting, and buying, until the next look
            failures.append(failure)
        else:
            gone.append(order.order_id)
    follow_up(desk, gone)
    if failures:
        raise failures[0]
    return tuple(gone)


def _is_over(desk: Desk, entry: VenueOrder, held: Mapping[str, Position]) -> bool:
    """Whether what a bracket's entry has opened is closed or on its way out; of other entries nobody can say so."""
    intent = None if entry.client_order_id is None else desk.ledger.intent(entry.client_order_id)
    if intent is None or not intent.tick_id.startswith(BRACKET):
        return False
    position = held.get(entry.symbol)
    opened = {fill.position_id for fill in desk.ledger.fills_of(entry.order_id)}
    if opened and (position is None or position.position_id not in opened):
        return True
    plan = None if position is None else desk.ledger.plan(position.position_id)
    return plan is not None and plan.target_reached

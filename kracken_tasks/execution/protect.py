"""Protect: the resting stops of a symbol add up to its position, at the price its plan says.

In: positions, plans, our resting orders as just listed.  Out: ``Protection`` per symbol, saying what was done and what is still naked.
Never: a stop moved down, a stop canceled before its stead is in place, a symbol in doubt touched.

Several stops are fine as long as they add up: partial fills of an entry each bring their own.  Stops are changed by amend, which keeps
them in the book.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import MONEY, floor_to_step, plain, price_of
from kracken_tasks.domain.trading import OrderKind, Position, Purpose, VenueOrder
from kracken_tasks.errors import KrackenError, TradeRefused
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.orders import below_minimum, is_dust, stop_request
from kracken_tasks.execution.reconcile import Reconciled, follow_up, waits_to_sell
from kracken_tasks.execution.sending import Sent, amend_resting, commit_intent, submit_intent
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, IntentResult, LeaseLost
from kracken_tasks.risk.stops import StopRules, trailed_stop_ticks

__all__ = ["Protection", "merged", "protect", "protect_for", "raise_plan", "stop_price_of"]

_PRICED = (OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT)


@dataclass(frozen=True, slots=True)
class Protection:
    """One symbol's stops after a run of ``protect``.

    Units: amounts in base.  ``found``: what rested before; ``resting``: what rests now; ``naked_seconds``: how long, in market time,
    the position had been larger than its stops when it was looked at (0: it was not).  ``awaited``: the venue places the stop itself and
    may list it late; a second one beside it would sell coins that are not the position's.
    """

    symbol: str
    position_id: str | None
    wanted: Decimal
    found: Decimal
    resting: Decimal
    naked_seconds: float
    actions: tuple[str, ...]
    problem: str = ""
    sent: tuple[Sent, ...] = ()
    awaited: bool = False

    @property
    def protected(self) -> bool:
        return self.resting >= self.wanted


def protect(desk: Desk, look: Reconciled) -> tuple[Protection, ...]:
    """Bring every symbol's stops in line with its position; symbols in doubt are reported as they are."""
    positions = desk.ledger.positions()
    with_stops = {order.symbol for order in look.open_orders if waits_to_sell(order)}
    results: list[Protection] = []
    for symbol in sorted(positions.keys() | with_stops):
        results.append(_protect_symbol(desk, look, symbol, positions.get(symbol)))
    for result in results:
        if not result.protected and not result.awaited:
            _raise_alarm(desk, result, look.now)
    return tuple(results)


def protect_for(desk: Desk, look: Reconciled, position: Position) -> Protection:
    """Bring one symbol's stops in line with ``position``, which may be smaller than what the books hold: before a part is sold."""
    return _protect_symbol(desk, look, position.symbol, position)


def merged(earlier: Sequence[Protection], later: Sequence[Protection]) -> tuple[Protection, ...]:
    """Two looks of one run as one: how it ended, with all that was done and how naked it had been found."""
    before = {item.symbol: item for item in earlier}
    ended = {item.symbol: item for item in later}
    joined = [
        replace(
            item,
            found=first.found,
            naked_seconds=max(first.naked_seconds, item.naked_seconds),
            actions=first.actions + item.actions,
            sent=first.sent + item.sent,
        )
        if (first := before.get(item.symbol)) is not None
        else item
        for item in later
    ]
    gone = [
        replace(item, wanted=Decimal(0), resting=Decimal(0)) for symbol, item in before.items() if symbol not in ended
    ]
    return tuple(sorted(joined + gone, key=lambda item: item.symbol))


def stop_price_of(desk: Desk, position: Position, instrument: Instrument) -> Decimal:
    """Where the position's stop belongs: its plan's price, else a stated distance below its entry."""
    plan = desk.ledger.plan(position.position_id)
    if plan is not None and plan.stop_price is not None:
        return floor_to_step(plan.stop_price, instrument.price_tick)
    with localcontext(MONEY):
        return floor_to_step(position.entry_price * (1 - desk.config.default_stop_fraction), instrument.price_tick)


def raise_plan(desk: Desk, position: Position, quote: Quote, rules: StopRules, now: datetime) -> None:
    """Raise a trailing position's planned stop to where the price has carried it; the plan says whether and how far it trails."""
    plan = desk.ledger.plan(position.position_id)
    if plan is None or plan.trail_fraction is None:
        return
    instrument = desk.instrument(position.symbol)
    current = int(stop_price_of(desk, position, instrument) / instrument.price_tick)
    planned = replace(rules, trailing_pct=float(plan.trail_fraction))
    ticks = trailed_stop_ticks(current, quote.bid, planned, instrument)
    if ticks > current:
        desk.ledger.set_plan(position.position_id, replace(plan, stop_price=price_of(ticks, instrument)), ts=now)


def _protect_symbol(desk: Desk, look: Reconciled, symbol: str, position: Position | None) -> Protection:
    stops = list(look.stops(symbol))
    instrument = desk.broker.instruments().get(symbol)
    if instrument is None:
        held = position.amount if position is not None else Decimal(0)
        return Protection(symbol, None, held, Decimal(0), Decimal(0), 0.0, (), "the venue no longer lists it")
    wanted = floor_to_step(position.amount, instrument.lot_step) if position is not None else Decimal(0)
    found = sum((stop.remaining for stop in stops), Decimal(0))
    if position is not None and not stops and is_dust(position, instrument):  # no stop that the venue would take
        note = f"{plain(position.amount)} is too small to be sold or protected and counts as no position"
        return Protection(symbol, position.position_id, Decimal(0), Decimal(0), Decimal(0), 0.0, (), note)
    naked = _naked_seconds(desk, symbol, look.now) if found < wanted else 0.0
    state = Protection(symbol, position.position_id if position else None, wanted, found, found, naked, ())
    doubt = desk.unknown.get(symbol) or look.unknown.get(symbol)
    if doubt:
        return replace(state, problem=doubt)
    try:
        if position is None:
            return _cancel_all(desk, state, stops)
        price = stop_price_of(desk, position, instrument)
        state = _raise_triggers(desk, state, stops, position, instrument)
        if found > wanted:
            return _shrink(desk, state, stops, instrument)
        if found >= wanted:
            return state
        if _may_be_unlisted(desk, position, look.now):
            return replace(state, awaited=True, problem="the stop that came with the entry is not listed yet")
        return _extend(desk, state, stops, instrument, position, price)
    except LeaseLost:
        raise
    except KrackenError as error:  # one symbol's trouble must not keep the others from their stops
        return replace(state, problem=str(error))


def _cancel_all(desk: Desk, state: Protection, stops: list[VenueOrder]) -> Protection:
    """Stops without a position would sell coins nobody counted."""
    if not stops:
        return state
    for stop in stops:
        desk.require_lease()
        desk.broker.cancel(stop.order_id)
    desk.touched = True
    follow_up(desk, (stop.order_id for stop in stops))
    return replace(state, resting=Decimal(0), actions=tuple(f"canceled {stop.order_id}" for stop in stops))


def _may_be_unlisted(desk: Desk, position: Position, now: datetime) -> bool:
    """Whether an entry filled so recently that the stop the venue placed for it may be missing from the listings.

    A stop that was listed once is none of these, whatever became of it.
    """
    recent = [entry for entry in desk.ledger.fills(now - desk.config.listing_lag) if entry.purpose is Purpose.ENTRY]
    for order_id in {entry.order_id for entry in recent if entry.position_id == position.position_id}:
        intent = desk.ledger.intent_of_order(order_id)
        if intent is None or intent.request.close is None:
            continue
        filled = sum((entry.amount for entry in desk.ledger.fills_of(order_id)), Decimal(0))
        listed = sum(
            (order.amount for order in desk.ledger.orders().values() if order.parent_id == order_id), Decimal(0)
        )
        if listed < filled:
            return True
    return False


def _raise_triggers(
    desk: Desk, state: Protection, stops: list[VenueOrder], position: Position, instrument: Instrument
) -> Protection:
    actions: list[str] = []
    refused = ""
    for place, stop in enumerate(stops):
        # The plan is read right before each amend: one that was read before a freeze may be lower than what rests by now.
        price = stop_price_of(desk, position, instrument)
        # A trailing stop follows by itself, and a target that was chosen to rest alone has no stop's price.
        if stop.kind not in _PRICED or stop.trigger_price is None or stop.trigger_price >= price:
            continue
        try:
            amend_resting(desk, stop.order_id, trigger_price=price)
        except TradeRefused as refusal:
            # It rests where it was; the others are raised, and sizes are put right all the same.
            refused = refused or f"{stop.order_id} not raised to {plain(price)}: {refusal}"
            continue
        stops[place] = replace(stop, trigger_price=price)
        desk.touched = True
        actions.append(f"raised {stop.order_id} to {plain(price)}")
    return replace(state, actions=state.actions + tuple(actions), problem=refused)


def _shrink(desk: Desk, state: Protection, stops: list[VenueOrder], instrument: Instrument) -> Protection:
    """Cancel whole stops that are in excess, the smallest first, and take the rest off the largest: never below what is wanted."""
    excess, actions = state.found - state.wanted, []
    desk.touched = True
    for stop in reversed(stops):
        if stop.remaining > excess:
            continue
        desk.require_lease()
        desk.broker.cancel(stop.order_id)
        actions.append(f"canceled {stop.order_id}")
        excess -= stop.remaining
    if excess > 0:
        largest = stops[0]
        if largest.remaining - excess >= instrument.min_amount:
            amend_resting(desk, largest.order_id, amount=largest.amount - excess)
            actions.append(f"shrank {largest.order_id} by {plain(excess)}")
            excess = Decimal(0)
        else:  # what would remain is too small to rest; an order for more than is held can still fill what there is
            actions.append(f"left {largest.order_id} larger by {plain(excess)}")
    follow_up(desk, (stop.order_id for stop in stops))
    return replace(state, resting=state.wanted + excess, actions=state.actions + tuple(actions))


def _extend(
    desk: Desk, state: Protection, stops: list[VenueOrder], instrument: Instrument, position: Position, price: Decimal
) -> Protection:
    missing = state.wanted - state.found
    if stops:
        try:
            desk.touched = True
            amend_resting(desk, stops[0].order_id, amount=stops[0].amount + missing)
            follow_up(desk, (stops[0].order_id,))
            done = f"extended {stops[0].order_id} by {plain(missing)}"
            return replace(state, resting=state.wanted, actions=(*state.actions, done))
        except TradeRefused:
            pass  # gone, or the venue does not amend this kind: a second stop of the missing amount does as well
    return _place(desk, state, instrument, position, price, missing)


def _place(
    desk: Desk, state: Protection, instrument: Instrument, position: Position, price: Decimal, missing: Decimal
) -> Protection:
    too_small = below_minimum(missing, price, instrument)
    if too_small:
        return replace(state, problem=f"cannot be protected: {too_small}")
    key = desk.next_key(state.symbol, Purpose.STOP)
    now = desk.broker.now()
    request = stop_request(key, instrument, amount=missing, trigger_price=price, now=now, rules=desk.config.send)
    commit_intent(desk, key, request, ts=now, position_id=position.position_id, reason="stop")
    sent = submit_intent(desk, key, request)
    if sent.result is not IntentResult.ACCEPTED:
        return replace(state, problem=f"stop not placed: {sent.reason}", sent=(sent,))
    done = f"placed {sent.order_id} for {plain(missing)} at {plain(price)}"
    return replace(state, resting=state.resting + missing, actions=(*state.actions, done), sent=(sent,))


def _naked_seconds(desk: Desk, symbol: str, now: datetime) -> float:
    """Since the last fill that changed the position: it cannot have been naked longer than that or the last run."""
    recent = [entry.ts for entry in desk.ledger.fills(now - desk.config.fill_overlap) if entry.symbol == symbol]
    since = max(recent, default=now - desk.config.fill_overlap)
    return max(0.0, (now - since).total_seconds())


def _raise_alarm(desk: Desk, result: Protection, now: datetime) -> None:
    payload = {
        "symbol": result.symbol,
        "position_id": result.position_id or "",
        "seconds": f"{result.naked_seconds:.0f}",
        "amount": plain(result.wanted - result.resting),
        "detail": result.problem,
    }
    key = f"unprotected:{result.position_id}:{desk.tick_id}"
    desk.ledger.add_alert(AlertDraft(AlertKind.UNPROTECTED, key, payload, AlertLevel.CRITICAL), ts=now)

"""What is asked for, as a position's plan: pure functions, and every reason why a wish cannot be granted.

In: the plan that holds, a quote, an instrument, prices as people write them.  Out: the new plan.  Never: I/O.
Each raises TradeRefused for a wish that makes no sense at this quote: a stop that would trigger at once, a target that is reached.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import OrderKind
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.advanced.forms import ALONE
from kracken_tasks.execution.advanced.prices import Number, at_quote, fraction_asked, price_above, price_below
from kracken_tasks.ledger import Plan

__all__ = ["bracket_plan", "lone_target", "require_order", "with_stop", "with_target", "with_trail", "without_target"]


def with_stop(
    plan: Plan, quote: Quote, instrument: Instrument, stop_price: Number, limit_price: Number | None = None
) -> Plan:
    """The plan with a stop at a price, and with a limit behind it if one is given; a trail ends."""
    stop = _stop_below(stop_price, quote, instrument)
    limit = None if limit_price is None else price_below(limit_price, instrument)
    if limit is not None and limit > stop:
        raise TradeRefused(f"{quote.symbol}: the limit {limit} is above the stop {stop}", symbol=quote.symbol)
    kind = OrderKind.STOP_LOSS if limit is None else OrderKind.STOP_LOSS_LIMIT
    return replace(_without_trail(plan), stop_price=stop, stop_limit_price=limit, stop_kind=kind)


def with_target(plan: Plan, quote: Quote, instrument: Instrument, price: Number) -> Plan:
    """The plan with a target beside its stop; one that rested alone gives its place to a stop."""
    return replace(_stop_rests(plan), take_profit_price=_target_above(price, quote, instrument))


def without_target(plan: Plan) -> Plan:
    return replace(_stop_rests(plan), take_profit_price=None)


def lone_target(
    plan: Plan, quote: Quote, instrument: Instrument, price: Number, limit_price: Number | None = None
) -> Plan:
    """The plan with a target that rests instead of a stop."""
    limit = None if limit_price is None else price_above(limit_price, instrument)
    kind = OrderKind.TAKE_PROFIT if limit is None else OrderKind.TAKE_PROFIT_LIMIT
    alone = replace(_without_trail(plan), stop_price=None, stop_limit_price=limit, stop_kind=kind)
    return replace(alone, take_profit_price=_target_above(price, quote, instrument))


def with_trail(
    plan: Plan,
    quote: Quote,
    instrument: Instrument,
    *,
    percent: Number | None,
    distance: Number | None,
    limit_offset: Number | None,
) -> Plan:
    """The plan with a stop that follows the best price, by percent or by an amount of quote currency."""
    if (percent is None) == (distance is None):
        raise TradeRefused(f"{quote.symbol}: a trailing stop has either percent or distance", symbol=quote.symbol)
    fraction = None if percent is None else fraction_asked(percent)
    away = None if distance is None else price_below(distance, instrument)
    last = at_quote(quote.last, instrument)
    with localcontext(MONEY):
        behind = last * fraction if fraction is not None else away or Decimal(0)
    if behind <= 0:
        raise TradeRefused(f"{quote.symbol}: a trail of {distance} is below one tick", symbol=quote.symbol)
    return replace(
        plan,
        stop_price=_stop_below(last - behind, quote, instrument),
        stop_limit_price=None,
        stop_kind=OrderKind.TRAILING_STOP if limit_offset is None else OrderKind.TRAILING_STOP_LIMIT,
        trail_fraction=fraction,
        trail_distance=away,
        trail_limit_offset=None if limit_offset is None else price_below(limit_offset, instrument),
    )


def bracket_plan(
    instrument: Instrument,
    *,
    stop_price: Number,
    take_profit_price: Number | None,
    stop_limit_price: Number | None,
    trail_percent: Number | None,
) -> Plan:
    """The exits that go with a bracket's entry; a trail is followed by amend, so that the stop can go with the entry."""
    return Plan(
        stop_price=price_below(stop_price, instrument),
        take_profit_price=None if take_profit_price is None else price_above(take_profit_price, instrument),
        trail_fraction=None if trail_percent is None else fraction_asked(trail_percent),
        stop_kind=OrderKind.STOP_LOSS if stop_limit_price is None else OrderKind.STOP_LOSS_LIMIT,
        stop_limit_price=None if stop_limit_price is None else price_below(stop_limit_price, instrument),
        strategy="bracket",
    )


def require_order(symbol: str, plan: Plan, entry: Decimal) -> None:
    """Raises: TradeRefused unless limit, stop, entry and target of a bracket stand in this order."""
    stop, target, limit = plan.stop_price, plan.take_profit_price, plan.stop_limit_price
    if stop is None or not 0 < stop < entry:
        raise TradeRefused(f"{symbol}: the stop {stop} is not below the entry {entry}", symbol=symbol)
    if target is not None and target <= entry:
        raise TradeRefused(f"{symbol}: the target {target} is not above the entry {entry}", symbol=symbol)
    if limit is not None and limit > stop:
        raise TradeRefused(f"{symbol}: the limit {limit} is above the stop {stop}", symbol=symbol)


def _without_trail(plan: Plan) -> Plan:
    return replace(plan, trail_fraction=None, trail_distance=None, trail_limit_offset=None)


def _stop_rests(plan: Plan) -> Plan:
    return replace(plan, stop_kind=OrderKind.STOP_LOSS, stop_limit_price=None) if plan.stop_kind in ALONE else plan


def _stop_below(price: Number, quote: Quote, instrument: Instrument) -> Decimal:
    stop = price_below(price, instrument)
    if not 0 < stop < at_quote(quote.bid, instrument):
        told = f"{quote.symbol}: a stop at {stop} is not below the bid {quote.bid:g}"
        raise TradeRefused(told, symbol=quote.symbol, stop_price=stop)
    return stop


def _target_above(price: Number, quote: Quote, instrument: Instrument) -> Decimal:
    target = price_above(price, instrument)
    if target <= price_below(quote.bid, instrument):
        told = f"{quote.symbol}: a target at {target} is not above the bid {quote.bid:g}"
        raise TradeRefused(told, symbol=quote.symbol, take_profit_price=target)
    return target

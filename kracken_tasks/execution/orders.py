"""Requests: pure functions from decisions to what is sent.

In: instruments, quotes, whole lots, stop ticks, intent keys.  Out: ``OrderRequest`` values in exact steps.  Never: I/O, sending.

Entries and exits are marketable limits with a cap, immediate-or-cancel: they take what the book offers up to the cap and leave nothing
behind.  Every request carries a deadline in market time, so that a process frozen between writing the intent and sending it cannot
trade later: the venue refuses the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import amount_of, floor_to_step, price_of, ticks_at_or_above, ticks_at_or_below
from kracken_tasks.domain.trading import (
    ConditionalClose,
    IntentKey,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Position,
    Side,
    VenueOrder,
)
from kracken_tasks.errors import TradeRefused

__all__ = [
    "SendRules",
    "accepted_order",
    "below_minimum",
    "entry_request",
    "is_dust",
    "sell_request",
    "smallest_sale",
    "stop_request",
]


@dataclass(frozen=True, slots=True)
class SendRules:
    """How orders are sent.  Fractions of the touch price; ``deadline`` is how long after its intent an order may still arrive.

    ``market_orders``: send bare market orders instead of capped limits.
    """

    entry_cap_fraction: float = 0.002
    exit_cap_fraction: float = 0.02
    deadline: timedelta = timedelta(seconds=5)
    market_orders: bool = False

    def __post_init__(self) -> None:
        for name in ("entry_cap_fraction", "exit_cap_fraction"):
            if not 0.0 <= getattr(self, name) < 0.5:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: 0 to below 0.5")
        # Kraken takes deadlines of 0.5 s to 60 s ahead (Spot REST, Add Order, read 2026-11).
        if not timedelta(milliseconds=500) <= self.deadline <= timedelta(seconds=60):
            raise ValueError(f"deadline is {self.deadline}; allowed: 0.5 s to 60 s")


def entry_request(
    key: IntentKey,
    instrument: Instrument,
    quote: Quote,
    *,
    lots: int,
    stop_ticks: int | None,
    now: datetime,
    rules: SendRules,
) -> OrderRequest:
    """Build a buy of ``lots`` that pays at most ``ask * (1 + entry_cap_fraction)`` and carries its stop as a conditional close.

    Raises: ValueError if ``lots`` is not positive or the stop is not below the bid.
    """
    if lots <= 0:
        raise ValueError(f"{key}: an entry of {lots} lots")
    close = None
    if stop_ticks is not None:
        trigger = price_of(stop_ticks, instrument)
        if not 0 < float(trigger) < quote.bid:
            raise ValueError(f"{key}: stop {trigger} is not below the bid {quote.bid}")
        close = ConditionalClose(OrderKind.STOP_LOSS, trigger)
    cap = price_of(ticks_at_or_below(quote.ask * (1.0 + rules.entry_cap_fraction), instrument), instrument)
    return OrderRequest(
        client_order_id=key.client_order_id,
        symbol=instrument.symbol,
        side=Side.BUY,
        kind=OrderKind.MARKET if rules.market_orders else OrderKind.LIMIT,
        amount=amount_of(lots, instrument),
        limit_price=None if rules.market_orders else cap,
        time_in_force="GTC" if rules.market_orders else "IOC",
        close=close,
        deadline=now + rules.deadline,
    )


def sell_request(
    key: IntentKey,
    instrument: Instrument,
    quote: Quote | None,
    *,
    amount: Decimal,
    now: datetime,
    rules: SendRules,
) -> OrderRequest:
    """Build a sale of ``amount`` (floored to lots) that gets at least ``bid * (1 - exit_cap_fraction)``.

    ``quote`` None: nobody tells a price; a market order goes without one, and the venue knows whether it is worth its minimum.
    Raises: TradeRefused if what is left after flooring is below the venue's minimum (it could only be refused there), or without a quote
    where orders are capped by one.
    """
    floored = floor_to_step(amount, instrument.lot_step)
    if quote is None and not rules.market_orders:
        raise TradeRefused(f"{instrument.symbol}: no quote to sell at", symbol=instrument.symbol, amount=floored)
    worth = None if quote is None else price_of(ticks_at_or_above(quote.bid, instrument), instrument)
    reason = below_minimum(floored, worth, instrument)
    if reason:
        raise TradeRefused(f"{instrument.symbol}: {reason}", symbol=instrument.symbol, amount=floored)
    floor = None
    if quote is not None and not rules.market_orders:
        # The floor, not the ceiling: a cap that rounding makes stricter could keep an exit from filling.
        floor = price_of(max(1, ticks_at_or_below(quote.bid * (1.0 - rules.exit_cap_fraction), instrument)), instrument)
    return OrderRequest(
        client_order_id=key.client_order_id,
        symbol=instrument.symbol,
        side=Side.SELL,
        kind=OrderKind.MARKET if rules.market_orders else OrderKind.LIMIT,
        amount=floored,
        limit_price=floor,
        time_in_force="GTC" if rules.market_orders else "IOC",
        deadline=now + rules.deadline,
    )


def stop_request(
    key: IntentKey,
    instrument: Instrument,
    *,
    amount: Decimal,
    trigger_price: Decimal,
    now: datetime,
    rules: SendRules,
) -> OrderRequest:
    """Build a resting stop-loss sale of ``amount`` (floored to lots) at ``trigger_price``."""
    return OrderRequest(
        client_order_id=key.client_order_id,
        symbol=instrument.symbol,
        side=Side.SELL,
        kind=OrderKind.STOP_LOSS,
        amount=floor_to_step(amount, instrument.lot_step),
        trigger_price=floor_to_step(trigger_price, instrument.price_tick),
        deadline=now + rules.deadline,
    )


def accepted_order(request: OrderRequest, order_id: str, now: datetime) -> VenueOrder:
    """The order as it is known the moment the venue has named it: open, nothing filled.  The next look tells the rest."""
    return VenueOrder(
        order_id=order_id,
        client_order_id=request.client_order_id,
        parent_id=None,
        symbol=request.symbol,
        side=request.side,
        kind=request.kind,
        status=OrderStatus.OPEN,
        amount=request.amount,
        filled=Decimal(0),
        average_price=None,
        limit_price=request.limit_price,
        trigger_price=request.trigger_price,
        opened_at=now,
    )


def is_dust(position: Position, instrument: Instrument | None) -> bool:
    """Whether a position is too small for the venue to sell or to protect, at what was paid for it.

    It stays in the books and counts as no open position: more may be bought, and then all of it can be sold.
    """
    if instrument is None:
        return False
    return (
        below_minimum(floor_to_step(position.amount, instrument.lot_step), position.entry_price, instrument) is not None
    )


def smallest_sale(instrument: Instrument, price: Decimal) -> Decimal:
    """The least amount the venue lets anybody sell at ``price``, in base; what a finished sale leaves below it is dust."""
    by_cost = instrument.min_cost / price if price > 0 else Decimal(0)
    return max(instrument.lot_step, instrument.min_amount, by_cost)


def below_minimum(amount: Decimal, price: Decimal | None, instrument: Instrument) -> str | None:
    """Why the venue would refuse this amount at this price as too small; None if it would not, as far as one can tell without a price."""
    if amount <= 0:
        return "nothing to trade after rounding down to whole lots"
    if amount < instrument.min_amount:
        return f"amount {amount} is below the venue's minimum {instrument.min_amount} {instrument.base}"
    if price is not None and amount * price < instrument.min_cost:
        return f"cost {amount * price} is below the venue's minimum {instrument.min_cost} {instrument.quote}"
    return None

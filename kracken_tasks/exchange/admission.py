"""Whether a venue would take an order, judged before it is sent: its market's status, its minimums, its steps.

In: an instrument and an order.  Out: None, or the reason.  Never: a call, a rounding; sizes are made to fit by whoever makes them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from kracken_tasks.domain.market import Instrument, MarketStatus
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side

__all__ = ["why_not"]

_ENDS_AS_LIMIT: Final = (
    OrderKind.LIMIT,
    OrderKind.STOP_LOSS_LIMIT,
    OrderKind.TAKE_PROFIT_LIMIT,
    OrderKind.TRAILING_STOP_LIMIT,
)


def why_not(instrument: Instrument, request: OrderRequest) -> str | None:
    """The first reason for which the venue would turn the order away; None: nothing speaks against it.

    A sale counts as a reduction: Kracken holds no short positions.
    """
    return _status(instrument, request) or _amount(instrument, request) or _prices(instrument, request)


def _status(instrument: Instrument, request: OrderRequest) -> str | None:
    status, market = instrument.status, f"{instrument.symbol} on {instrument.exchange}"
    if status == MarketStatus.ONLINE:
        return None
    if status == MarketStatus.LIMIT_ONLY and request.kind in _ENDS_AS_LIMIT:
        return None
    if status == MarketStatus.REDUCE_ONLY and request.side is Side.SELL:
        return None
    wanted = {
        MarketStatus.LIMIT_ONLY: f"takes limit orders only, not {request.kind.value}",
        MarketStatus.REDUCE_ONLY: "takes only what makes a position smaller",
        MarketStatus.POST_ONLY: "takes only orders that rest, and ours take",
        MarketStatus.CANCEL_ONLY: "takes nothing but cancels",
        MarketStatus.MAINTENANCE: "is under maintenance",
    }
    reason = next((text for known, text in wanted.items() if status == known), "takes no orders")
    return f"{market} is {status}: it {reason}"


def _amount(instrument: Instrument, request: OrderRequest) -> str | None:
    if request.amount < instrument.min_amount:
        return f"amount {plain(request.amount)} is below the minimum {plain(instrument.min_amount)} {instrument.base}"
    if request.amount % instrument.lot_step:
        return f"amount {plain(request.amount)} is no multiple of {plain(instrument.lot_step)} {instrument.base}"
    price = request.limit_price or request.trigger_price
    if price is None or request.kind in (OrderKind.TRAILING_STOP, OrderKind.TRAILING_STOP_LIMIT):
        return None  # what it will cost is not known before it trades
    cost = request.amount * price
    if cost < instrument.min_cost:
        return f"cost {plain(cost)} is below the minimum {plain(instrument.min_cost)} {instrument.quote}"
    return None


def _prices(instrument: Instrument, request: OrderRequest) -> str | None:
    close = request.close
    told: dict[str, Decimal | None] = {"limit price": request.limit_price, "trigger price": request.trigger_price}
    if close is not None:
        told |= {"trigger price of the close": close.trigger_price, "limit price of the close": close.limit_price}
    for name, price in told.items():
        if price is not None and (price <= 0 or price % instrument.price_tick):
            return f"{name} {plain(price)} is no multiple of {plain(instrument.price_tick)} {instrument.quote}"
    return None

"""What the paper venue accepts, in Kraken's words, and the orders it places by itself.

In: requests and instruments.  Out: the instrument, or a refusal; closing orders.  Never: state, I/O, money.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.market import Instrument
from kracken_tasks.domain.money import floor_to_step
from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, OrderStatus, Side, VenueOrder
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.paper_matching import TRAILING, PaperOrder

__all__ = ["accepted", "closing_order", "opened_order", "require_steps"]


def accepted(request: OrderRequest, instruments: Mapping[str, Instrument], arrival: datetime) -> Instrument:
    """The instrument of an order that may arrive at ``arrival``.  Raises: TradeRefused with what a venue would say."""
    instrument = instruments.get(request.symbol)
    if instrument is None:
        raise TradeRefused(f"EQuery:Unknown asset pair {request.symbol}", symbol=request.symbol)
    if not instrument.tradable:
        raise TradeRefused(f"EService:Market in {instrument.status} mode", symbol=request.symbol)
    if request.kind in TRAILING:
        _require_trail(request)
    if request.close is not None and request.close.kind in TRAILING:
        raise TradeRefused("EGeneral:Invalid arguments:close[price]", symbol=request.symbol)
    if request.deadline is not None and arrival > request.deadline:
        raise TradeRefused("EService:Deadline elapsed", symbol=request.symbol, deadline=request.deadline)
    require_steps(request.amount, request.trigger_price, request.limit_price, instrument)
    if request.close is not None:
        require_steps(None, request.close.trigger_price, request.close.limit_price, instrument)
    if request.amount < instrument.min_amount:
        raise TradeRefused("EOrder:Order minimum not met", symbol=request.symbol, minimum=instrument.min_amount)
    price = None if request.kind in TRAILING else request.limit_price or request.trigger_price
    if price is not None and price * request.amount < instrument.min_cost:
        raise TradeRefused("EOrder:Cost minimum not met", symbol=request.symbol, minimum=instrument.min_cost)
    return instrument


def _require_trail(request: OrderRequest) -> None:
    """Raises: TradeRefused for a trailing stop without a distance, or without the limit its kind needs."""
    distance = request.trigger_price if request.trail_percent is None else request.trail_percent
    if distance is None or distance <= 0 or (request.trail_percent is not None and distance >= 100):
        raise TradeRefused("EGeneral:Invalid arguments:price", symbol=request.symbol)
    if (request.kind is OrderKind.TRAILING_STOP_LIMIT) != (request.limit_price is not None):
        raise TradeRefused("EGeneral:Invalid arguments:price2", symbol=request.symbol)


def opened_order(request: OrderRequest, order_id: str, at: datetime) -> PaperOrder:
    """The order a request becomes when it arrives at ``at``; where a trailing stop stands is told by the first quote it meets."""
    trails = request.kind in TRAILING
    view = VenueOrder(
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
        limit_price=None if trails else request.limit_price,
        trigger_price=None if trails else request.trigger_price,
        opened_at=at,
    )
    if not trails:
        return PaperOrder(view, request.time_in_force, request.close)
    percent = request.trail_percent
    return PaperOrder(
        view,
        request.time_in_force,
        request.close,
        trail=request.trigger_price if percent is None else percent / 100,
        trail_is_fraction=percent is not None,
        limit_offset=request.limit_price,
    )


def closing_order(
    parent: PaperOrder, close: ConditionalClose, order_id: str, amount: Decimal, at: datetime
) -> PaperOrder:
    """The order that a fill of ``amount`` base brings with it: the parent's other side, resting from ``at``."""
    view = VenueOrder(
        order_id=order_id,
        client_order_id=None,
        parent_id=parent.view.order_id,
        symbol=parent.view.symbol,
        side=Side.SELL if parent.view.side is Side.BUY else Side.BUY,
        kind=close.kind,
        status=OrderStatus.OPEN,
        amount=amount,
        filled=Decimal(0),
        average_price=None,
        limit_price=close.limit_price,
        trigger_price=close.trigger_price,
        opened_at=at,
    )
    return PaperOrder(view, "GTC", None)


def require_steps(
    amount: Decimal | None, trigger: Decimal | None, limit: Decimal | None, instrument: Instrument
) -> None:
    """Raises: TradeRefused, in Kraken's words, for an amount or a price that is not in whole steps."""
    if amount is not None and (amount <= 0 or floor_to_step(amount, instrument.lot_step) != amount):
        raise TradeRefused(f"EGeneral:Invalid arguments:volume {amount}", symbol=instrument.symbol, amount=amount)
    for price in (trigger, limit):
        if price is not None and (price <= 0 or floor_to_step(price, instrument.price_tick) != price):
            raise TradeRefused(f"EOrder:Tick size check failed: {price}", symbol=instrument.symbol, price=price)

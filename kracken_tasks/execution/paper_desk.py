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
from kracken_tasks.execution.paper_matching import PaperOrder

__all__ = ["accepted", "closing_order", "opened_order", "require_steps"]

_NO_TRAILING = frozenset({OrderKind.TRAILING_STOP, OrderKind.TRAILING_STOP_LIMIT})


def accepted(request: OrderRequest, instruments: Mapping[str, Instrument], arrival: datetime) -> Instrument:
    """The instrument of an order that may arrive at ``arrival``.  Raises: TradeRefused with what a venue would say."""
    instrument = instruments.get(request.symbol)
    if instrument is None:
        raise TradeRefused(f"EQuery:Unknown asset pair {request.symbol}", symbol=request.symbol)
    if not instrument.tradable:
        raise TradeRefused(f"EService:Market in {instrument.status} mode", symbol=request.symbol)
    if request.kind in _NO_TRAILING:
        raise TradeRefused(f"EGeneral:Invalid arguments:ordertype {request.kind}", symbol=request.symbol)
    if request.deadline is not None and arrival > request.deadline:
        raise TradeRefused("EService:Deadline elapsed", symbol=request.symbol, deadline=request.deadline)
    require_steps(request.amount, request.trigger_price, request.limit_price, instrument)
    if request.close is not None:
        require_steps(None, request.close.trigger_price, request.close.limit_price, instrument)
    if request.amount < instrument.min_amount:
        raise TradeRefused("EOrder:Order minimum not met", symbol=request.symbol, minimum=instrument.min_amount)
    price = request.limit_price or request.trigger_price
    if price is not None and price * request.amount < instrument.min_cost:
        raise TradeRefused("EOrder:Cost minimum not met", symbol=request.symbol, minimum=instrument.min_cost)
    return instrument


def opened_order(request: OrderRequest, order_id: str, at: datetime) -> PaperOrder:
    """The order a request becomes when it arrives at ``at``."""
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
        limit_price=request.limit_price,
        trigger_price=request.trigger_price,
        opened_at=at,
    )
    return PaperOrder(view, request.time_in_force, request.close)


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

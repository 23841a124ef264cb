"""An order as Kraken's AddOrder wants it: pure, every number exact decimal text.

In: an ``OrderRequest`` and the pair's key.  Out: form parameters.  Never: a default price, a rounding.

Source: Kraken, Add Order, 2026; encodings compared with ccxt 4.5.90.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side
from kracken_tasks.errors import TradeRefused

__all__ = ["order_params"]


def order_params(request: OrderRequest, pair: str) -> dict[str, Any]:
    """AddOrder's parameters, every number as exact decimal text.

    ``price`` is the limit of a limit order and the trigger of a triggered one, whose limit is ``price2``; a trailing stop's trigger is
    an offset behind the best price (``+100``, ``+5%``), as Kraken wants it.  ``oflags=fciq`` asks for fees in quote currency, so that
    what was bought is what is held.
    """
    price, price2 = _prices(request)
    asked: dict[str, Any] = {
        "pair": pair,
        "type": request.side.value,
        "ordertype": request.kind.value,
        "volume": plain(request.amount),
        "price": price,
        "price2": price2,
        "oflags": "fciq",
        "cl_ord_id": request.client_order_id,
        "timeinforce": None if request.time_in_force == "GTC" else request.time_in_force,
        "deadline": None if request.deadline is None else iso(request.deadline),
    }
    if request.close is not None:
        close = {"ordertype": request.close.kind.value, "price": plain(request.close.trigger_price)}
        if request.close.limit_price is not None:
            close["price2"] = plain(request.close.limit_price)
        asked["close"] = close
    return {name: value for name, value in asked.items() if value is not None}


def _prices(request: OrderRequest) -> tuple[str | None, str | None]:
    kind, trigger, limit = request.kind, request.trigger_price, request.limit_price
    if kind is OrderKind.MARKET:
        return None, None
    if kind is OrderKind.LIMIT:
        return _needed(limit, request, "limit_price"), None
    needs_limit = kind in (OrderKind.STOP_LOSS_LIMIT, OrderKind.TAKE_PROFIT_LIMIT, OrderKind.TRAILING_STOP_LIMIT)
    percent = request.trail_percent
    first = _needed(trigger, request, "trigger_price") if percent is None else f"{plain(percent)}%"
    second = _needed(limit, request, "limit_price") if needs_limit else None
    if kind in (OrderKind.TRAILING_STOP, OrderKind.TRAILING_STOP_LIMIT):
        sign = "-" if request.side is Side.SELL else "+"
        return f"+{first}", None if second is None else f"{sign}{second}"
    return first, second


def _needed(price: Decimal | None, request: OrderRequest, field: str) -> str:
    if price is None:
        raise TradeRefused(
            f"a {request.kind.value} order needs {field}", field=field, client_order_id=request.client_order_id
        )
    return plain(price)

"""A Coinbase order request, read: from an ``order_configuration`` to an order spec.

In: a signed call.  Out: an ``OrderSpec`` with exact integers.  Raises ``OrderFailed`` with the words of a failed order.
Never: funds, or what the book holds.
"""

from __future__ import annotations

from typing import Any, Final

from kracken_tasks.domain.clock import parse_utc, to_ns
from kracken_tasks.sandbox.dialects.coinbase.errors import argument
from kracken_tasks.sandbox.dialects.coinbase.public import read_decimal
from kracken_tasks.sandbox.dialects.rest import Call
from kracken_tasks.sandbox.engine.orders import Kind, OrderSpec, PriceTerm, Refused
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing

__all__ = ["DOWN", "LIMITS", "STOPS", "OrderFailed", "order_spec"]

LIMITS: Final = {"limit_limit_gtc": "GTC", "limit_limit_gtd": "GTD", "limit_limit_fok": "FOK", "sor_limit_ioc": "IOC"}
STOPS: Final = {"stop_limit_stop_limit_gtc": "GTC", "stop_limit_stop_limit_gtd": "GTD"}
DOWN: Final = "STOP_DIRECTION_STOP_DOWN"
_SIZE = ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_SIZE_PRECISION", "Invalid size precision")
_PRICE = ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_PRICE_PRECISION", "Invalid price precision")
_CONFIGURATION = (
    "UNSUPPORTED_ORDER_CONFIGURATION",
    "UNKNOWN_PREVIEW_FAILURE_REASON",
    "Unsupported order configuration",
)
_ABOVE = (
    "UNKNOWN_FAILURE_REASON",
    "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
    "Stop price is above the last trade price",
)
_BELOW = (
    "UNKNOWN_FAILURE_REASON",
    "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE",
    "Stop price is below the last trade price",
)


class OrderFailed(Refused):
    """An order that fails inside an HTTP 200: error, preview failure, message."""

    def __init__(self, failure: tuple[str, str, str]) -> None:
        super().__init__(failure[0])
        self.failure = failure


def order_spec(call: Call, listing: Listing) -> OrderSpec:
    side = {"BUY": 1, "SELL": -1}.get((call.text("side") or "").upper())
    if side is None:
        raise argument("side is required")
    configuration = call.values.get("order_configuration")
    if not isinstance(configuration, dict) or len(configuration) != 1:
        raise OrderFailed(_CONFIGURATION)
    name, terms = next(iter(configuration.items()))
    if not isinstance(terms, dict):
        raise OrderFailed(_CONFIGURATION)
    client_id = call.text("client_order_id")
    if name == "market_market_ioc":
        lots, cost = _market_size(listing, terms, side)
        return OrderSpec(listing.symbol, side, Kind.MARKET, lots, quote_volume=cost, tif="IOC", cl_ord_id=client_id)
    tif = LIMITS.get(name) or STOPS.get(name)
    if tif is None:
        raise OrderFailed(_CONFIGURATION)
    limit = PriceTerm("", _price(listing, terms, "limit_price"))
    lots, expire_ns = _lots(listing, terms), _end_ns(terms) if tif == "GTD" else 0
    if name in STOPS:
        kind, stop = _stop(call, listing, terms, side)
        return OrderSpec(
            listing.symbol, side, kind, lots, price=PriceTerm("", stop), price2=limit, tif=tif, expire_ns=expire_ns,
            cl_ord_id=client_id,
        )  # fmt: skip
    flags = ("post", "fciq") if terms.get("post_only") is True else ("fciq",)
    return OrderSpec(
        listing.symbol,
        side,
        Kind.LIMIT,
        lots,
        price=limit,
        flags=flags,
        tif=tif,
        expire_ns=expire_ns,
        cl_ord_id=client_id,
    )


def _market_size(listing: Listing, terms: dict[str, Any], side: int) -> tuple[int, int]:
    if side < 0 or "base_size" in terms:
        return _lots(listing, terms), 0
    cost = read_decimal(terms.get("quote_size"), listing.cost_decimals)
    if cost is None:
        raise OrderFailed(_SIZE)
    return 0, cost


def _lots(listing: Listing, terms: dict[str, Any]) -> int:
    lots = read_decimal(terms.get("base_size"), LOT_DECIMALS)
    if lots is None or lots % listing.step:
        raise OrderFailed(_SIZE)
    return lots


def _price(listing: Listing, terms: dict[str, Any], name: str) -> int:
    ticks = read_decimal(terms.get(name), listing.price_decimals)
    if ticks is None:
        raise OrderFailed(_PRICE)
    return ticks


def _end_ns(terms: dict[str, Any]) -> int:
    try:
        return to_ns(parse_utc(str(terms.get("end_time"))))
    except ValueError:
        raise argument("end_time is required") from None


def _stop(call: Call, listing: Listing, terms: dict[str, Any], side: int) -> tuple[Kind, int]:
    """The engine knows a falling and a rising trigger by what they are for: a stop or a profit."""
    stop = _price(listing, terms, "stop_price")
    falling = terms.get("stop_direction") == DOWN
    last = call.venue.engine.execution.last_price(listing.symbol, call.now_ns)
    if falling and stop >= last:
        raise OrderFailed(_ABOVE)
    if not falling and stop <= last:
        raise OrderFailed(_BELOW)
    return (Kind.STOP_LOSS_LIMIT if falling == (side < 0) else Kind.TAKE_PROFIT_LIMIT), stop

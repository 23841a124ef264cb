"""An AddOrder request, read: from Kraken's spelling to an order spec.

In: arguments.  Out: an ``OrderSpec`` with exact integers.  Raises ``Refused`` naming what is wrong.  Never: funds, prices.
"""

from __future__ import annotations

import re
from typing import Final

from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments, invalid
from kracken_tasks.sandbox.dialects.kraken.context import Call
from kracken_tasks.sandbox.engine.orders import CloseTerms, Kind, OrderSpec, Refused
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing

__all__ = ["check_deadline", "order_spec"]

_FLAGS: Final = ("post", "viqc", "fcib", "fciq", "nompp")
_SHOWN_FLAGS: Final = ("post", "viqc", "fcib", "fciq")  # nompp is accepted and ignored, as at Kraken
_TIFS: Final = ("GTC", "IOC", "GTD")
# UUID with or without dashes, or free text.  Source: Kraken "Spot client order identifiers".
_CLIENT_ID: Final = re.compile(r"^([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[!-~]{1,18})$")
_LATEST_DEADLINE_NS: Final = 60 * NS_PER_SECOND


def check_deadline(call: Call) -> None:
    """Raises: Refused once the venue's clock has passed the request's ``deadline``, or if it lies over a minute ahead."""
    deadline = call.arguments.rfc3339("deadline")
    if deadline is None:
        return
    if deadline < call.shown_now_ns:
        raise Refused("EService:Deadline elapsed")
    if deadline > call.shown_now_ns + _LATEST_DEADLINE_NS:
        raise invalid("deadline")


def order_spec(call: Call, listing: Listing) -> OrderSpec:
    arguments, decimals = call.arguments, listing.price_decimals
    kind = _kind(arguments, "ordertype")
    side = _side(arguments)
    flags = _flags(arguments)
    _refuse_margin(arguments)
    lots = quote_volume = 0
    if "viqc" in flags:
        if kind is not Kind.MARKET or side < 0:
            raise invalid("viqc")
        quote_volume = arguments.volume("volume", listing.cost_decimals)
    else:
        lots = arguments.volume("volume", listing.lot_decimals) * 10 ** (LOT_DECIMALS - listing.lot_decimals)
    price, price2 = arguments.price("price", decimals), arguments.price("price2", decimals)
    if kind is Kind.MARKET:
        price = price2 = None  # Kraken ignores a market order's price
    tif, start_ns, expire_ns = _times(call, kind)
    return OrderSpec(
        symbol=listing.symbol,
        side=side,
        kind=kind,
        lots=lots,
        quote_volume=quote_volume,
        price=price,
        price2=price2,
        flags=flags,
        tif=tif,
        start_ns=start_ns,
        expire_ns=expire_ns,
        cl_ord_id=_client_id(arguments),
        userref=_userref(arguments),
        trigger=_trigger(arguments, kind),
        close=_close(arguments, decimals),
    )


def _kind(arguments: Arguments, name: str) -> Kind:
    try:
        return Kind(arguments.required(name))
    except ValueError:
        raise invalid(name) from None


def _side(arguments: Arguments) -> int:
    side = {"buy": 1, "sell": -1}.get(arguments.required("type"))
    if side is None:
        raise invalid("type")
    return side


def _flags(arguments: Arguments) -> tuple[str, ...]:
    sent = arguments.listed("oflags")
    if set(sent) - set(_FLAGS) or {"fcib", "fciq"} <= set(sent):
        raise invalid("oflags")
    fee = [] if "fcib" in sent or "fciq" in sent else ["fciq"]
    return tuple(flag for flag in _SHOWN_FLAGS if flag in {*sent, *fee})


def _refuse_margin(arguments: Arguments) -> None:
    """The sandbox trades spot only and says so instead of pretending."""
    if arguments.text("leverage") not in (None, "none", "0", "1", "1:1"):
        raise Refused("EOrder:Margin allowance exceeded")
    if arguments.flag("reduce_only"):
        raise Refused("EOrder:Reduce only:No position exists")


def _times(call: Call, kind: Kind) -> tuple[str, int, int]:
    arguments = call.arguments
    tif = (arguments.text("timeinforce") or "GTC").upper()
    if tif not in _TIFS:
        raise invalid("timeinforce")
    start_ns, expire_ns = arguments.moment("starttm", call.now_ns), arguments.moment("expiretm", call.now_ns)
    if tif == "GTD" and not expire_ns:
        raise invalid("expiretm")
    if expire_ns and expire_ns <= max(call.now_ns, start_ns):
        raise invalid("expiretm")
    if start_ns and tif == "IOC":
        raise invalid("starttm")
    return tif, start_ns, expire_ns


def _client_id(arguments: Arguments) -> str | None:
    value = arguments.text("cl_ord_id")
    if value is not None and (not _CLIENT_ID.match(value) or arguments.text("userref") is not None):
        raise invalid("cl_ord_id")
    return value


def _userref(arguments: Arguments) -> int | None:
    value = arguments.whole("userref")
    if value is not None and not -(2**31) <= value < 2**31:
        raise invalid("userref")
    return value


def _trigger(arguments: Arguments, kind: Kind) -> str | None:
    value = arguments.text("trigger")
    if value is None or not kind.waits_for_trigger:
        return None
    if value not in (
        "last",
        "index",
    ):  # without an index feed Kraken falls back to the last price, and so does this venue
        raise invalid("trigger")
    return value


def _close(arguments: Arguments, decimals: int) -> CloseTerms | None:
    if arguments.text("close[ordertype]") is None:
        return None
    kind = _kind(arguments, "close[ordertype]")
    if kind is Kind.MARKET:
        raise invalid("close[ordertype]")
    price, price2 = arguments.price("close[price]", decimals), arguments.price("close[price2]", decimals)
    if price is None or (kind.is_trailing and not price.sign):
        raise invalid("close[price]")
    if price2 is None and kind.waits_for_trigger and kind.ends_as_limit:
        raise invalid("close[price2]")
    return CloseTerms(kind, price, price2)

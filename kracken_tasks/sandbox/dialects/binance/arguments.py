"""What a client sent to Binance, read strictly.

In: a call.  Out: typed values.  Raises ``Rejection`` with Binance's code for what is missing or malformed.  Never: floats.
"""

from __future__ import annotations

import json

from kracken_tasks.sandbox.amounts import scaled
from kracken_tasks.sandbox.dialects.binance.errors import bad_filter, malformed, missing, refused
from kracken_tasks.sandbox.dialects.rest import Call
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing

__all__ = ["amount", "listing_of", "listings_of", "price", "required", "whole"]


def required(call: Call, name: str) -> str:
    value = call.text(name)
    if value is None:
        raise missing(name)
    return value


def whole(call: Call, name: str, default: int | None = None) -> int | None:
    value = call.text(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdigit():
        raise malformed(name)
    return int(value)


def listing_of(call: Call) -> Listing:
    """Raises: Rejection for a symbol that is not listed, or none."""
    return _listed(call, required(call, "symbol"))


def listings_of(call: Call) -> list[Listing]:
    """The pairs of ``symbol`` or ``symbols`` (a JSON list); all of them where neither was sent."""
    if call.text("symbol") is not None:
        return [listing_of(call)]
    listed = call.text("symbols")
    if listed is None:
        return list(call.venue.listings.by_symbol.values())
    try:
        names = json.loads(listed)
        return [_listed(call, str(name)) for name in names]
    except ValueError:
        raise malformed("symbols") from None


def _listed(call: Call, name: str) -> Listing:
    found = next((one for one in call.venue.listings.by_symbol.values() if one.spec.key == name), None)
    if found is None:
        raise refused(-1121, "Invalid symbol.")
    return found


def amount(call: Call, name: str, listing: Listing) -> int:
    """A volume in lots, on the pair's step."""
    text = required(call, name)
    try:
        value = scaled(text, LOT_DECIMALS)
    except ValueError:
        raise refused(-1111, f"Parameter '{name}' has too much precision.") from None
    if value <= 0 or value % 10 ** (LOT_DECIMALS - listing.lot_decimals):
        raise bad_filter("LOT_SIZE")
    return value


def price(call: Call, name: str, listing: Listing) -> int:
    """A price in ticks."""
    text = required(call, name)
    try:
        scaled(text, LOT_DECIMALS)
    except ValueError:
        raise refused(-1111, f"Parameter '{name}' has too much precision.") from None
    try:
        ticks = scaled(text, listing.price_decimals)
    except ValueError:
        raise bad_filter("PRICE_FILTER") from None
    if ticks <= 0:
        raise bad_filter("PRICE_FILTER")
    return ticks

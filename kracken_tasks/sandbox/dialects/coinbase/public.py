"""Coinbase's market data: time, currencies, products, candles, trades, book.

In: a call.  Out: JSON-ready answers with Coinbase's keys.  Never: an account.
Candles come newest first, at most 350, and an interval without trades has none.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.sandbox.amounts import scaled, text_of
from kracken_tasks.sandbox.clock import NS_PER_MS, NS_PER_SECOND
from kracken_tasks.sandbox.dialects.coinbase.errors import argument, not_found
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint, asset_codes
from kracken_tasks.sandbox.dialects.tape import (
    DayFigures,
    bars_between,
    day_figures,
    floor_to,
    newest_trades,
    trade_rows,
)
from kracken_tasks.sandbox.engine.engine import MATCHING_STATUSES
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.market.pairs import code_of
from kracken_tasks.sandbox.market.protocol import Trades

__all__ = [
    "PUBLIC",
    "listing_of",
    "listings_named",
    "price_text",
    "read_decimal",
    "size_text",
    "stamp",
    "trimmed",
    "whole",
]

_GRANULARITIES: Final = {
    "ONE_MINUTE": 1, "FIVE_MINUTE": 5, "FIFTEEN_MINUTE": 15, "THIRTY_MINUTE": 30, "ONE_HOUR": 60, "TWO_HOUR": 120,
    "FOUR_HOUR": 240, "SIX_HOUR": 360, "ONE_DAY": 1440,
}  # fmt: skip
_MOST_CANDLES = 350
_TRADES, _MOST_TRADES = 100, 1000
_DEPTH, _MOST_DEPTH = 50, 500
_NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "ADA": "Cardano", "XRP": "XRP", "LTC": "Litecoin",
                 "DOGE": "Dogecoin", "USDT": "Tether", "USDC": "USDC", "USD": "US Dollar", "EUR": "Euro"}  # fmt: skip


def stamp(ts_ns: int) -> str:
    """RFC 3339 with microseconds."""
    return from_ms(ts_ns // NS_PER_MS).strftime("%Y-%m-%dT%H:%M:%S") + f".{ts_ns // 1000 % 1_000_000:06d}Z"


def price_text(ticks: int, listing: Listing) -> str:
    return text_of(ticks, listing.price_decimals)


def trimmed(value: int, decimals: int) -> str:
    """Without the zeros at the end: ``0.1``."""
    text = text_of(value, decimals)
    return text.rstrip("0").rstrip(".") if decimals else text


def size_text(lots: int) -> str:
    return trimmed(lots, LOT_DECIMALS)


def whole(call: Call, name: str) -> int | None:
    value = call.text(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit():
        raise argument(f"{name} must be a whole number")
    return int(value)


def listing_of(call: Call) -> Listing:
    """The product of ``product_id``.  Raises: Rejection for one that is not listed."""
    return listings_named(call, [call.text("product_id") or ""])[0]


def listings_named(call: Call, names: list[str]) -> list[Listing]:
    known = {listing.spec.key: listing for listing in call.venue.listings.by_symbol.values()}
    if any(name not in known for name in names):
        raise not_found("valid product_id is required")
    return [known[name] for name in names]


def time_v2(call: Call) -> Any:
    seconds = call.shown_now_ns // NS_PER_SECOND
    return {"data": {"iso": stamp(seconds * NS_PER_SECOND)[:19] + "Z", "epoch": seconds}}


def time_v3(call: Call) -> Any:
    ms = call.shown_now_ns // NS_PER_MS
    return {"iso": stamp(call.shown_now_ns), "epochSeconds": str(ms // 1000), "epochMillis": str(ms)}


def currencies(call: Call) -> Any:
    money = [asset for asset in call.venue.listings.assets() if asset.fiat]
    rows = [{"id": code_of(one.key), "name": _name(code_of(one.key)), "min_size": "0.01"} for one in money]
    return {"data": rows}


def currencies_crypto(call: Call) -> Any:
    coins = [code_of(asset.key) for asset in call.venue.listings.assets() if not asset.fiat]
    return {
        "data": [
            {
                "asset_id": str(uuid.uuid5(uuid.NAMESPACE_OID, code)),
                "code": code,
                "name": _name(code),
                "color": "#000000",
                "sort_index": 100 + place,
                "exponent": 8,
                "type": "crypto",
                "address_regex": "^[0-9A-Za-z]+$",
            }
            for place, code in enumerate(coins)
        ]
    }


def exchange_rates(call: Call) -> Any:
    """How much of everything one dollar buys."""
    rates = {"USD": "1.0"}
    for listing in call.venue.listings.by_symbol.values():
        base, quote = asset_codes(listing)
        last = call.venue.market.last_trade_before(listing.symbol, call.now_ns)
        if quote == "USD" and len(last):
            rates[base] = f"{10**listing.price_decimals / int(last.price[0]):.16f}"
    return {"data": {"currency": "USD", "rates": rates}}


def _name(code: str) -> str:
    return _NAMES.get(code, code)


def products(call: Call) -> Any:
    """All products, or those named (``product_ids`` may be repeated); there are no futures."""
    if (call.text("product_type") or "SPOT") != "SPOT":
        return {"products": [], "num_products": 0}
    named = call.values.get("product_ids") or []
    listings = listings_named(call, list(named)) if named else list(call.venue.listings.by_symbol.values())
    rows = [_product_json(call, listing) for listing in listings]
    return {"products": rows, "num_products": len(rows)}


def product(call: Call) -> Any:
    return _product_json(call, listing_of(call))


def _product_json(call: Call, listing: Listing) -> dict[str, Any]:
    base, quote = asset_codes(listing)
    day = day_figures(call.venue, listing.symbol, call.now_ns)
    disabled = call.venue.engine.status_of(listing.symbol) not in MATCHING_STATUSES
    tick = text_of(1, listing.price_decimals)
    return {
        "product_id": listing.spec.key,
        **_day_json(day, listing),
        "base_increment": size_text(listing.step),
        "quote_increment": tick,
        "quote_min_size": listing.spec.costmin,
        "quote_max_size": "150000000",
        "base_min_size": size_text(listing.ordermin_lots),
        "base_max_size": "3400000",
        "base_name": _name(base),
        "quote_name": _name(quote),
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": disabled,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": disabled,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": quote,
        "base_currency_id": base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": base,
        "quote_display_symbol": quote,
        "view_only": False,
        "price_increment": tick,
        "display_name": listing.spec.key,
        "product_venue": "CBE",
    }


def _day_json(day: DayFigures | None, listing: Listing) -> dict[str, str]:
    if day is None:
        return {"price": "", "price_percentage_change_24h": "", "volume_24h": "", "approximate_quote_24h_volume": ""}
    return {
        "price": price_text(day.last, listing),
        "price_percentage_change_24h": f"{100 * (day.last - day.open) / day.open:.14f}",
        "volume_24h": size_text(day.lots),
        "approximate_quote_24h_volume": f"{day.worth:.2f}",
    }


def candles(call: Call) -> Any:
    """Candles that open in [start, end] (seconds)."""
    listing = listing_of(call)
    minutes = _GRANULARITIES.get(call.text("granularity") or "")
    if minutes is None:
        raise argument("invalid granularity")
    start, end = whole(call, "start"), whole(call, "end")
    if start is None or end is None or end < start:
        raise argument("start and end are required, and start comes before end")
    if (end - start) // (minutes * 60) > _MOST_CANDLES:
        raise argument(f"number of candles requested should be less than {_MOST_CANDLES}")
    first = floor_to(minutes, start + minutes * 60 - 1)
    bars = bars_between(call.venue, listing.symbol, minutes, first, end + 1, call.now_ns, fill=False)
    return {
        "candles": [
            {
                "start": str(bar.open_s),
                "low": price_text(bar.low, listing),
                "high": price_text(bar.high, listing),
                "open": price_text(bar.open, listing),
                "close": price_text(bar.close, listing),
                "volume": size_text(bar.lots),
            }
            for bar in reversed(bars)
        ][:_MOST_CANDLES]
    }


def product_ticker(call: Call) -> Any:
    """The newest trades (of a span), newest first, and the touch."""
    listing = listing_of(call)
    found = _asked_trades(call, listing)
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, 1)
    return {
        "trades": [
            {
                "trade_id": str(number),
                "product_id": listing.spec.key,
                "price": price_text(ticks, listing),
                "size": size_text(lots),
                "time": stamp(ts),
                "side": "BUY" if side > 0 else "SELL",
                "bid": "",
                "ask": "",
            }
            for ts, ticks, lots, side, number in reversed(trade_rows(found))
        ],
        "best_bid": price_text(bids[0][0], listing) if bids else "",
        "best_ask": price_text(asks[0][0], listing) if asks else "",
    }


def _asked_trades(call: Call, listing: Listing) -> Trades:
    limit = min(whole(call, "limit") or _TRADES, _MOST_TRADES)
    start, end = whole(call, "start"), whole(call, "end")
    until_ns = call.now_ns if end is None else min(call.now_ns, (end + 1) * NS_PER_SECOND - 1)
    found = newest_trades(call.venue.market, listing.symbol, limit, until_ns)
    if start is None:
        return found
    keep = found.ts_ns >= start * NS_PER_SECOND
    return Trades(*(getattr(found, name)[keep] for name in Trades.__dataclass_fields__))


def product_book(call: Call) -> Any:
    return {"pricebook": _book_json(call, listing_of(call), min(whole(call, "limit") or _DEPTH, _MOST_DEPTH))}


def best_bid_ask(call: Call) -> Any:
    named = call.values.get("product_ids") or []
    listings = listings_named(call, list(named)) if named else list(call.venue.listings.by_symbol.values())
    return {"pricebooks": [_book_json(call, listing, 1) for listing in listings]}


def _book_json(call: Call, listing: Listing, depth: int) -> dict[str, Any]:
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, depth)

    def rows(levels: list[tuple[int, int]]) -> list[dict[str, str]]:
        return [{"price": price_text(ticks, listing), "size": size_text(lots)} for ticks, lots in levels]

    return {"product_id": listing.spec.key, "bids": rows(bids), "asks": rows(asks), "time": stamp(call.shown_now_ns)}


def read_decimal(text: object, decimals: int) -> int | None:
    """A positive amount at exactly these decimals; None for anything else."""
    try:
        value = scaled(str(text), decimals)
    except ValueError:
        return None
    return value if value > 0 else None


_V3: Final = "/api/v3/brokerage"
_MARKET: Final[tuple[tuple[str, str, Callable[[Call], Any]], ...]] = (
    ("products", "products", products),
    ("products/{product_id}", "product", product),
    ("products/{product_id}/candles", "candles", candles),
    ("products/{product_id}/ticker", "ticker", product_ticker),
    ("product_book", "product_book", product_book),
)
PUBLIC: Final = (
    Endpoint("GET", "/v2/time", "time", time_v2),
    Endpoint("GET", "/v2/currencies", "currencies", currencies),
    Endpoint("GET", "/v2/currencies/crypto", "currencies/crypto", currencies_crypto),
    Endpoint("GET", "/v2/exchange-rates", "exchange-rates", exchange_rates),
    Endpoint("GET", f"{_V3}/time", "time", time_v3),
    # The same data for everybody, and for those who sign.
    *(Endpoint("GET", f"{_V3}/market/{path}", name, answer) for path, name, answer in _MARKET),
    *(Endpoint("GET", f"{_V3}/{path}", name, answer, private=True) for path, name, answer in _MARKET),
    Endpoint("GET", f"{_V3}/best_bid_ask", "best_bid_ask", best_bid_ask, private=True),
)

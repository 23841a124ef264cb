"""Bitstamp's market data: markets, tickers, candles, transactions, order book.

In: a call.  Out: JSON-ready answers with Bitstamp's keys, numbers as text.  Never: an account.
Candles have no gaps: an interval without trades stands flat at the last price (an assumption).
"""

from __future__ import annotations

from typing import Any, Final

from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.dialects.bitstamp.errors import bad_order, not_found
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint, asset_codes
from kracken_tasks.sandbox.dialects.tape import (
    DAY_S,
    Bar,
    bars_from,
    bars_until,
    day_figures,
    floor_to,
    step_from,
    trade_rows,
)
from kracken_tasks.sandbox.engine.engine import MATCHING_STATUSES
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing

__all__ = ["PUBLIC", "listing_of", "price_text", "whole"]

_STEPS: Final = (60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 259200)
_MOST_CANDLES = 1000
_SPANS: Final = {"minute": 60, "hour": 3600, "day": DAY_S}
_DEPTH = 100
_NAMES: Final = {
    "BTC": "Bitcoin", "ETH": "Ether", "SOL": "Solana", "ADA": "Cardano", "XRP": "XRP", "LTC": "Litecoin", "DOGE": "Dogecoin",
    "USD": "U.S. dollar", "EUR": "Euro", "GBP": "British pound", "USDT": "Tether USD", "USDC": "USD Coin",
}  # fmt: skip


def listing_of(call: Call) -> Listing:
    """The pair of the path.  Raises: Rejection for one that is not listed."""
    name = call.text("pair")
    found = next((one for one in call.venue.listings.by_symbol.values() if one.spec.key == name), None)
    if found is None:
        raise not_found("Market not found.")
    return found


def price_text(ticks: int, listing: Listing) -> str:
    return text_of(ticks, listing.price_decimals)


def whole(call: Call, name: str) -> int | None:
    value = call.text(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit():
        raise bad_order("Enter a whole number.", name)
    return int(value)


def markets(call: Call) -> Any:
    return [_market_json(call, listing) for listing in call.venue.listings.by_symbol.values()]


def _market_json(call: Call, listing: Listing) -> dict[str, Any]:
    base, quote = asset_codes(listing)
    trading = "Enabled" if call.venue.engine.status_of(listing.symbol) in MATCHING_STATUSES else "Disabled"
    return {
        "name": listing.symbol,
        "market_symbol": listing.spec.key,
        "base_currency": base,
        "base_decimals": listing.lot_decimals,
        "counter_currency": quote,
        "counter_decimals": listing.price_decimals,
        "minimum_order_value": listing.spec.costmin,
        "trading": trading,
        "instant_order_counter_decimals": 2,
        "instant_and_market_orders": trading,
        "description": f"{_NAMES.get(base, base)} / {_NAMES.get(quote, quote)}",
        "market_type": "SPOT",
    }


def ticker(call: Call) -> Any:
    return _ticker_json(call, listing_of(call))


def tickers(call: Call) -> Any:
    return [_ticker_json(call, listing) for listing in call.venue.listings.by_symbol.values()]


def _ticker_json(call: Call, listing: Listing) -> dict[str, Any]:
    day = day_figures(call.venue, listing.symbol, call.now_ns)
    if day is None:
        raise not_found("Market not found.")
    now_s = call.shown_now_ns // NS_PER_SECOND
    today = floor_to(1440, now_s)
    opened = bars_from(call.venue, listing.symbol, 1440, today, 1, call.now_ns, fill=True)
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, 1)
    vwap = day.vwap if day.lots else day.last / 10**listing.price_decimals
    return {
        "timestamp": str(now_s),
        "open": price_text(opened[0].open if opened else day.last, listing),
        "high": price_text(day.high, listing),
        "low": price_text(day.low, listing),
        "last": price_text(day.last, listing),
        "volume": text_of(day.lots, LOT_DECIMALS),
        "vwap": f"{vwap:.{listing.price_decimals}f}",
        "bid": price_text(bids[0][0] if bids else 0, listing),
        "ask": price_text(asks[0][0] if asks else 0, listing),
        "side": "0",
        "open_24": price_text(day.open, listing),
        "percent_change_24": f"{100 * (day.last - day.open) / day.open:.2f}",
        "pair": listing.symbol,
        "market": listing.symbol,
        "market_type": "SPOT",
    }


def ohlc(call: Call) -> Any:
    """From ``start`` on, or up to ``end`` (seconds), at most ``limit``; with both, the span's newest."""
    listing = listing_of(call)
    step, limit = whole(call, "step"), whole(call, "limit")
    if step not in _STEPS:
        raise bad_order("Select a valid choice.", "step")
    if limit is None or not 1 <= limit <= _MOST_CANDLES:
        raise bad_order("Ensure this value is from 1 to 1000.", "limit")
    bars = _bars(call, listing, step // 60, limit)
    if (call.text("exclude_current_candle") or "").lower() == "true":
        bars = [bar for bar in bars if bar.end_s * NS_PER_SECOND <= call.now_ns]
    return {"data": {"pair": listing.symbol, "ohlc": [_bar_json(bar, listing) for bar in bars]}}


def _bars(call: Call, listing: Listing, minutes: int, limit: int) -> list[Bar]:
    start, end = whole(call, "start"), whole(call, "end")
    if start is not None and (end is None or step_from(minutes, start, limit) > end):
        bars = bars_from(call.venue, listing.symbol, minutes, start, limit, call.now_ns, fill=True)
        return bars if end is None else [bar for bar in bars if bar.open_s <= end]
    last_s = call.now_ns // NS_PER_SECOND if end is None else end
    bars = bars_until(call.venue, listing.symbol, minutes, last_s, limit, call.now_ns, fill=True)
    return [bar for bar in bars if start is None or bar.open_s >= start]


def _bar_json(bar: Bar, listing: Listing) -> dict[str, str]:
    return {
        "timestamp": str(bar.open_s),
        "open": price_text(bar.open, listing),
        "high": price_text(bar.high, listing),
        "low": price_text(bar.low, listing),
        "close": price_text(bar.close, listing),
        "volume": text_of(bar.lots, LOT_DECIMALS),
    }


def transactions(call: Call) -> Any:
    """The trades of the last minute, hour or day, newest first, in whole seconds."""
    listing = listing_of(call)
    span = _SPANS.get(call.text("time") or "hour")
    if span is None:
        raise bad_order("Select a valid choice.", "time")
    since_ns = call.now_ns - span * NS_PER_SECOND
    found = call.venue.market.trades(listing.symbol, since_ns, call.now_ns + 1)
    return [
        {
            "date": str(ts // NS_PER_SECOND),
            "tid": str(number),
            "amount": text_of(lots, LOT_DECIMALS),
            "type": "0" if side > 0 else "1",
            "price": price_text(ticks, listing),
        }
        for ts, ticks, lots, side, number in reversed(trade_rows(found))
    ]


def order_book(call: Call) -> Any:
    listing = listing_of(call)
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, _DEPTH)

    def rows(levels: list[tuple[int, int]]) -> list[list[str]]:
        return [[price_text(ticks, listing), text_of(lots, LOT_DECIMALS)] for ticks, lots in levels]

    return {
        "timestamp": str(call.shown_now_ns // NS_PER_SECOND),
        "microtimestamp": str(call.shown_now_ns // 1000),
        "bids": rows(bids),
        "asks": rows(asks),
    }


PUBLIC: Final = (
    Endpoint("GET", "/api/v2/markets/", "markets", markets),
    Endpoint("GET", "/api/v2/ticker/", "ticker", tickers),
    Endpoint("GET", "/api/v2/ticker/{pair}/", "ticker", ticker),
    Endpoint("GET", "/api/v2/ohlc/{pair}/", "ohlc", ohlc),
    Endpoint("GET", "/api/v2/transactions/{pair}/", "transactions", transactions),
    Endpoint("GET", "/api/v2/order_book/{pair}/", "order_book", order_book),
)

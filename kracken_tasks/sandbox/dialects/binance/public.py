"""Binance's market data: time, listing, candles, trades, book, tickers.

In: a call.  Out: JSON-ready answers with Binance's keys and number formats.  Never: an account.
Candles have no gaps: an interval without trades stands flat at the last price.  How much of a candle takers bought is not known
here; half is shown.  Aggregate trades are the trades themselves, one each.
"""

from __future__ import annotations

from typing import Any, Final

from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.clock import NS_PER_MS, NS_PER_SECOND
from kracken_tasks.sandbox.dialects.binance.arguments import listing_of, listings_of, required, whole
from kracken_tasks.sandbox.dialects.binance.errors import refused
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint, asset_codes
from kracken_tasks.sandbox.dialects.tape import (
    MONTH,
    WEEK,
    Bar,
    DayFigures,
    bars_from,
    bars_until,
    day_figures,
    newest_trades,
    trade_rows,
    trades_from_id,
)
from kracken_tasks.sandbox.engine.engine import MATCHING_STATUSES
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.market.protocol import Trades

__all__ = ["INTERVALS", "PUBLIC", "day_json", "price_text"]

INTERVALS: Final = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720,
    "1d": 1440, "3d": 4320, "1w": WEEK, "1M": MONTH,
}  # fmt: skip
_CANDLES, _MOST_CANDLES = 500, 1000
_TRADES, _MOST_TRADES = 500, 1000
_DEPTH, _MOST_DEPTH = 100, 5000
_MOST_PRICE = "1000000.00000000"
_DECIMALS = 8


def price_text(ticks: int, listing: Listing) -> str:
    return text_of(ticks * 10 ** (_DECIMALS - listing.price_decimals), _DECIMALS)


def time_now(call: Call) -> Any:
    return {"serverTime": call.shown_now_ns // NS_PER_MS}


def ping(call: Call) -> Any:
    return {}


def exchange_info(call: Call) -> Any:
    return {
        "timezone": "UTC",
        "serverTime": call.shown_now_ns // NS_PER_MS,
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        ],
        "exchangeFilters": [],
        "symbols": [_symbol_json(call, listing) for listing in listings_of(call)],
    }


def _symbol_json(call: Call, listing: Listing) -> dict[str, Any]:
    base, quote = asset_codes(listing)
    trading = call.venue.engine.status_of(listing.symbol) in MATCHING_STATUSES
    step, tick = text_of(10 ** (_DECIMALS - listing.lot_decimals), 8), price_text(1, listing)
    cost = text_of(listing.costmin // 10 ** (listing.cost_decimals - _DECIMALS), _DECIMALS)
    return {
        "symbol": listing.spec.key,
        "status": "TRADING" if trading else "BREAK",
        "baseAsset": base,
        "baseAssetPrecision": _DECIMALS,
        "quoteAsset": quote,
        "quotePrecision": _DECIMALS,
        "quoteAssetPrecision": _DECIMALS,
        "baseCommissionPrecision": _DECIMALS,
        "quoteCommissionPrecision": _DECIMALS,
        "orderTypes": [
            "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": _MOST_PRICE, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": text_of(listing.ordermin_lots, 8), "maxQty": "92141578.00000000",
             "stepSize": step},
            {"filterType": "NOTIONAL", "minNotional": cost, "applyMinToMarket": True, "maxNotional": "9000000.00000000",
             "applyMaxToMarket": False, "avgPriceMins": 0},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }  # fmt: skip


def klines(call: Call) -> Any:
    """From ``startTime`` on, or up to ``endTime`` (both milliseconds, inclusive), or the newest; the last may be unfinished."""
    listing = listing_of(call)
    minutes = INTERVALS.get(required(call, "interval"))
    if minutes is None:
        raise refused(-1120, "Invalid interval.")
    limit = min(whole(call, "limit", _CANDLES) or _CANDLES, _MOST_CANDLES)
    start, end = whole(call, "startTime"), whole(call, "endTime")
    last_s = call.now_ns // NS_PER_SECOND if end is None else end // 1000
    if start is None:
        bars = bars_until(call.venue, listing.symbol, minutes, last_s, limit, call.now_ns, fill=True)
    else:
        bars = bars_from(call.venue, listing.symbol, minutes, -(-start // 1000), limit, call.now_ns, fill=True)
        bars = [bar for bar in bars if bar.open_s <= last_s]
    return [_kline(bar, listing) for bar in bars]


def _kline(bar: Bar, listing: Listing) -> list[Any]:
    return [
        bar.open_s * 1000,
        *(price_text(ticks, listing) for ticks in (bar.open, bar.high, bar.low, bar.close)),
        text_of(bar.lots, LOT_DECIMALS),
        bar.end_s * 1000 - 1,
        f"{bar.worth:.8f}",
        bar.count,
        text_of(bar.lots // 2, LOT_DECIMALS),
        f"{bar.worth / 2:.8f}",
        "0",
    ]


def agg_trades(call: Call) -> Any:
    return [
        {
            "a": number,
            "p": price_text(ticks, listing),
            "q": text_of(lots, LOT_DECIMALS),
            "f": number,
            "l": number,
            "T": ts // NS_PER_MS,
            "m": side < 0,
            "M": True,
        }
        for listing, found in [_asked_trades(call)]
        for ts, ticks, lots, side, number in trade_rows(found)
    ]


def _asked_trades(call: Call) -> tuple[Listing, Trades]:
    """From an id, within a span of time, or the newest."""
    listing, market = listing_of(call), call.venue.market
    limit = min(whole(call, "limit", _TRADES) or _TRADES, _MOST_TRADES)
    first_id, start, end = whole(call, "fromId"), whole(call, "startTime"), whole(call, "endTime")
    if first_id is not None:
        return listing, trades_from_id(market, listing.symbol, first_id, limit, call.now_ns)
    if start is None and end is None:
        return listing, newest_trades(market, listing.symbol, limit, call.now_ns)
    until_ns = call.now_ns if end is None else min(call.now_ns, (end + 1) * NS_PER_MS - 1)
    if start is None:
        return listing, newest_trades(market, listing.symbol, limit, until_ns)
    return listing, market.trades(listing.symbol, start * NS_PER_MS, until_ns + 1, limit)


def recent_trades(call: Call) -> Any:
    """``trades`` (the newest) and ``historicalTrades`` (from an id on)."""
    listing, found = _asked_trades(call)
    return [
        {
            "id": number,
            "price": price_text(ticks, listing),
            "qty": text_of(lots, LOT_DECIMALS),
            "quoteQty": text_of(ticks * lots // 10**listing.price_decimals, LOT_DECIMALS),
            "time": ts // NS_PER_MS,
            "isBuyerMaker": side < 0,
            "isBestMatch": True,
        }
        for ts, ticks, lots, side, number in trade_rows(found)
    ]


def depth(call: Call) -> Any:
    listing = listing_of(call)
    count = min(whole(call, "limit", _DEPTH) or _DEPTH, _MOST_DEPTH)
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, count)
    epoch = call.venue.market.book(listing.symbol, call.now_ns, 1).epoch

    def rows(levels: list[tuple[int, int]]) -> list[list[str]]:
        return [[price_text(ticks, listing), text_of(lots, LOT_DECIMALS)] for ticks, lots in levels]

    return {"lastUpdateId": epoch, "bids": rows(bids), "asks": rows(asks)}


def _one_or_all(call: Call, rows: list[dict[str, Any]]) -> Any:
    return rows[0] if call.text("symbol") is not None else rows


def ticker_day(call: Call) -> Any:
    rows = [
        day_json(call, listing, figures)
        for listing in listings_of(call)
        if (figures := day_figures(call.venue, listing.symbol, call.now_ns)) is not None
    ]
    return _one_or_all(call, rows)


def day_json(call: Call, listing: Listing, day: DayFigures) -> dict[str, Any]:
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, 1)
    before = call.venue.market.last_trade_before(listing.symbol, day.open_s * NS_PER_SECOND - 1)
    change = day.last - day.open
    vwap = day.vwap if day.lots else day.last / 10**listing.price_decimals
    return {
        "symbol": listing.spec.key,
        "priceChange": price_text(change, listing),
        "priceChangePercent": f"{100 * change / day.open:.3f}",
        "weightedAvgPrice": f"{vwap:.8f}",
        "prevClosePrice": price_text(int(before.price[0]) if len(before) else day.open, listing),
        "lastPrice": price_text(day.last, listing),
        "lastQty": text_of(day.last_lots, LOT_DECIMALS),
        "bidPrice": price_text(bids[0][0] if bids else 0, listing),
        "bidQty": text_of(bids[0][1] if bids else 0, LOT_DECIMALS),
        "askPrice": price_text(asks[0][0] if asks else 0, listing),
        "askQty": text_of(asks[0][1] if asks else 0, LOT_DECIMALS),
        "openPrice": price_text(day.open, listing),
        "highPrice": price_text(day.high, listing),
        "lowPrice": price_text(day.low, listing),
        "volume": text_of(day.lots, LOT_DECIMALS),
        "quoteVolume": f"{day.worth:.8f}",
        "openTime": day.open_s * 1000,
        "closeTime": call.now_ns // NS_PER_MS,
        "firstId": day.last_id - day.count + 1 if day.count else -1,
        "lastId": day.last_id if day.count else -1,
        "count": day.count,
    }


def book_ticker(call: Call) -> Any:
    rows = []
    for listing in listings_of(call):
        bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, 1)
        if bids and asks:
            rows.append(
                {
                    "symbol": listing.spec.key,
                    "bidPrice": price_text(bids[0][0], listing),
                    "bidQty": text_of(bids[0][1], LOT_DECIMALS),
                    "askPrice": price_text(asks[0][0], listing),
                    "askQty": text_of(asks[0][1], LOT_DECIMALS),
                }
            )
    return _one_or_all(call, rows)


def ticker_price(call: Call) -> Any:
    rows = []
    for listing in listings_of(call):
        last = call.venue.market.last_trade_before(listing.symbol, call.now_ns)
        if len(last):
            rows.append({"symbol": listing.spec.key, "price": price_text(int(last.price[0]), listing)})
    return _one_or_all(call, rows)


def system_status(call: Call) -> Any:
    normal = call.venue.state.settings.system_status == "online"
    return {"status": 0 if normal else 1, "msg": "normal" if normal else "system_maintenance"}


PUBLIC: Final = (
    Endpoint("GET", "/api/v3/ping", "ping", ping),
    Endpoint("GET", "/api/v3/time", "time", time_now),
    Endpoint("GET", "/api/v3/exchangeInfo", "exchangeInfo", exchange_info, weight=20),
    Endpoint("GET", "/api/v3/klines", "klines", klines, weight=2),
    Endpoint("GET", "/api/v3/aggTrades", "aggTrades", agg_trades, weight=4),
    Endpoint("GET", "/api/v3/trades", "trades", recent_trades, weight=25),
    Endpoint("GET", "/api/v3/historicalTrades", "historicalTrades", recent_trades, weight=25),
    Endpoint("GET", "/api/v3/depth", "depth", depth, weight=5),
    Endpoint("GET", "/api/v3/ticker/24hr", "ticker/24hr", ticker_day, weight=40),
    Endpoint("GET", "/api/v3/ticker/bookTicker", "ticker/bookTicker", book_ticker, weight=4),
    Endpoint("GET", "/api/v3/ticker/price", "ticker/price", ticker_price, weight=4),
    Endpoint("GET", "/sapi/v1/system/status", "system/status", system_status),
)

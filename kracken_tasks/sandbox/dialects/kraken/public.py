"""Kraken's public endpoints: time, listings, ticker, candles, trades, depth.

In: a call.  Out: the ``result`` of Kraken's envelope, keyed by the AssetPairs key.  Never: an account.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.sandbox.amounts import scaled, text_of
from kracken_tasks.sandbox.clock import NS_PER_MS, NS_PER_SECOND
from kracken_tasks.sandbox.dialects.kraken.arguments import invalid
from kracken_tasks.sandbox.dialects.kraken.context import Call, Json
from kracken_tasks.sandbox.dialects.kraken.figures import DAY_S, day_candles, figures_of, rows_where
from kracken_tasks.sandbox.dialects.kraken.shapes import print_decimals, seconds_of
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.market.protocol import Trades

__all__ = ["INTERVALS", "PUBLIC"]

INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
_CANDLES = 720
_TRADES = 1000
_DEPTH, _MAX_DEPTH = 100, 500


def _moment(ts_ns: int) -> datetime:
    return from_ms(ts_ns // NS_PER_MS)


def time_now(call: Call) -> Json:
    seconds = call.shown_now_ns // NS_PER_SECOND
    moment = datetime.fromtimestamp(seconds, UTC)
    return {"unixtime": seconds, "rfc1123": moment.strftime("%a, %d %b %y %H:%M:%S +0000")}


def system_status(call: Call) -> Json:
    stamp = _moment(call.shown_now_ns).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"status": call.venue.state.settings.system_status, "timestamp": stamp}


def assets(call: Call) -> Json:
    wanted = set(call.arguments.listed("asset"))
    listed = call.venue.listings.assets()
    if wanted - {name for asset in listed for name in (asset.key, asset.altname)}:
        raise Refused("EQuery:Unknown asset")
    return {
        asset.key: {
            "aclass": "currency",
            "altname": asset.altname,
            "decimals": asset.decimals,
            "display_decimals": asset.display_decimals,
            "status": "enabled",
        }
        for asset in listed
        if not wanted or asset.key in wanted or asset.altname in wanted
    }


def asset_pairs(call: Call) -> Json:
    """Keyed by Kraken's own key, or by the name as asked where that is v2's (``BTC/USD``)."""
    asked = {name.upper() for name in call.arguments.listed("pair")}
    return {
        listing.symbol if listing.symbol in asked else listing.spec.key: _pair_json(call, listing)
        for listing in _wanted(call)
    }


def _wanted(call: Call) -> list[Listing]:
    names = call.arguments.listed("pair")
    return [call.listing(name) for name in names] or list(call.venue.listings.by_symbol.values())


def _pair_json(call: Call, listing: Listing) -> Json:
    spec = listing.spec
    return {
        "altname": spec.altname,
        "wsname": spec.wsname,
        "aclass_base": "currency",
        "base": spec.base,
        "aclass_quote": "currency",
        "quote": spec.quote,
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": spec.price_decimals,
        "lot_decimals": spec.lot_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[tier.volume_usd, tier.taker_ppm / 10_000] for tier in listing.schedule.tiers],
        "fees_maker": [[tier.volume_usd, tier.maker_ppm / 10_000] for tier in listing.schedule.tiers],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": spec.ordermin,
        "costmin": spec.costmin,
        "tick_size": text_of(1, spec.price_decimals),
        "status": call.venue.engine.status_of(spec.symbol),
    }


def ticker(call: Call) -> Json:
    return {listing.spec.key: _ticker_json(call, listing) for listing in _wanted(call)}


def _ticker_json(call: Call, listing: Listing) -> Json:
    """Today's and the last 24 hours' figures, from five-minute candles."""
    market, symbol, now_s = call.venue.market, listing.symbol, call.now_ns // NS_PER_SECOND
    decimals, cut = print_decimals(listing), listing.price_decimals
    last = market.last_trade_before(symbol, call.now_ns)
    if not len(last):
        raise Refused("EService:Unavailable")

    def price(ticks: int) -> str:
        return text_of(ticks * 10 ** (decimals - cut), decimals)

    close = int(last.price[0])
    day = day_candles(call.venue, listing, call.now_ns)
    today = figures_of(rows_where(day, day.open_s >= now_s // DAY_S * DAY_S), close)
    spans = (today, figures_of(day, close))
    bids, asks = call.venue.engine.execution.matcher.book(symbol, call.now_ns, 1)
    return {
        "a": _best(asks, price),
        "b": _best(bids, price),
        "c": [price(close), text_of(int(last.lots[0]), LOT_DECIMALS)],
        "v": [text_of(span.lots, LOT_DECIMALS) for span in spans],
        "p": [f"{span.vwap:.{decimals}f}" if span.lots else price(close) for span in spans],
        "t": [span.count for span in spans],
        "l": [price(span.low) for span in spans],
        "h": [price(span.high) for span in spans],
        "o": price(today.open),
    }


def _best(levels: list[tuple[int, int]], price: Callable[[int], str]) -> list[str]:
    if not levels:
        return [price(0), "0", "0.000"]
    ticks, lots = levels[0]
    return [price(ticks), str(max(1, lots // 10**LOT_DECIMALS)), _book_volume(lots)]


def _book_volume(lots: int) -> str:
    """Books show three decimals; a smaller volume shows as the least there is, never as nothing."""
    return text_of(max(1, lots // 10 ** (LOT_DECIMALS - 3)), 3)


def ohlc(call: Call) -> Json:
    """The newest 720 candles, whatever ``since`` says; the last is unfinished and always there."""
    listing = call.listing(call.arguments.text("pair"))
    interval = call.arguments.whole("interval", 1) or 0
    if interval not in INTERVALS:
        raise invalid("interval")
    market, width_s, now_s = call.venue.market, interval * 60, call.now_ns // NS_PER_SECOND
    running_s = now_s // width_s * width_s
    candles = market.candles(
        listing.symbol, interval, running_s - (_CANDLES - 1) * width_s, running_s + width_s, call.now_ns
    )
    decimals, since_ns = listing.price_decimals, call.arguments.seconds("since")
    rows = [
        [
            open_s,
            *(text_of(ticks, decimals) for ticks in prices),
            f"{vwap:.{decimals}f}",
            text_of(lots, LOT_DECIMALS),
            count,
        ]
        for open_s, *prices, vwap, lots, count in zip(
            *(column.tolist() for column in (candles.open_s, candles.open, candles.high, candles.low, candles.close)),
            candles.vwap.tolist(),
            candles.lots.tolist(),
            candles.count.tolist(),
            strict=True,
        )
    ]
    if not rows or rows[-1][0] != running_s:
        rows.append(_flat_row(call, listing, running_s))
    committed = rows[-2][0] if len(rows) > 1 else running_s - width_s
    if since_ns is not None:
        rows = [row for row in rows[:-1] if row[0] * NS_PER_SECOND > since_ns] + rows[-1:]
    return {listing.spec.key: rows[-_CANDLES:], "last": committed}


def _flat_row(call: Call, listing: Listing, open_s: int) -> list[object]:
    """An interval that has not traded yet: the last price, no volume, no vwap."""
    last = call.venue.market.last_trade_before(listing.symbol, call.now_ns)
    close = text_of(int(last.price[0]) if len(last) else 0, listing.price_decimals)
    return [open_s, close, close, close, close, text_of(0, listing.price_decimals), text_of(0, LOT_DECIMALS), 0]


def trades(call: Call) -> Json:
    """Up to 1000 trades after ``since`` (exclusive; nanoseconds, or seconds), or the newest."""
    listing = call.listing(call.arguments.text("pair"))
    count = _count(call, _TRADES, _TRADES)
    since = call.arguments.text("since")
    if since is None:
        found = _newest(call, listing.symbol, count)
    else:
        found = call.venue.market.trades(listing.symbol, _cursor_ns(since) + 1, call.now_ns + 1, count)
    decimals = print_decimals(listing)
    scale = 10 ** (decimals - listing.price_decimals)
    rows = [
        [
            text_of(price * scale, decimals),
            text_of(lots, LOT_DECIMALS),
            seconds_of(ts),
            "b" if side > 0 else "s",
            "m" if at_market else "l",
            "",
            trade_id,
        ]
        for ts, price, lots, side, at_market, trade_id in zip(
            *(
                column.tolist()
                for column in (found.ts_ns, found.price, found.lots, found.side, found.market, found.trade_id)
            ),
            strict=True,
        )
    ]
    last = int(found.ts_ns[-1]) if len(found) else _cursor_ns(since) if since else call.now_ns
    return {listing.spec.key: rows, "last": str(last)}


def _count(call: Call, usual: int, most: int) -> int:
    """How many rows are wanted; asking for more than there can be gets the most."""
    count = call.arguments.whole("count", usual) or usual
    if count < 1:
        raise invalid("count")
    return min(count, most)


def _cursor_ns(since: str) -> int:
    """A cursor is in nanoseconds; anything too small to be one is in seconds."""
    try:
        return int(since) if since.isdigit() and len(since) > 12 else scaled(since, 9)
    except ValueError:
        raise invalid("since") from None


def _newest(call: Call, symbol: str, count: int) -> Trades:
    """The newest ``count`` trades: look back further until there are enough."""
    market, end_ns = call.venue.market, call.now_ns + 1
    first_ns, span_ns = market.first_trade_ns(symbol), 600 * NS_PER_SECOND
    while True:
        found = market.trades(symbol, max(first_ns, end_ns - span_ns), end_ns)
        if len(found) >= count or end_ns - span_ns <= first_ns:
            break
        span_ns *= 4
    return Trades(*(getattr(found, name)[-count:] for name in Trades.__dataclass_fields__))


def depth(call: Call) -> Json:
    listing = call.listing(call.arguments.text("pair"))
    count = _count(call, _DEPTH, _MAX_DEPTH)
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, count)
    decimals, stamp = print_decimals(listing), call.now_ns // NS_PER_SECOND
    scale = 10 ** (decimals - listing.price_decimals)

    def rows(levels: list[tuple[int, int]]) -> list[list[object]]:
        return [[text_of(price * scale, decimals), _book_volume(lots), stamp] for price, lots in levels]

    return {listing.spec.key: {"asks": rows(asks), "bids": rows(bids)}}


PUBLIC: Final[dict[str, Callable[[Call], Json]]] = {
    "Time": time_now,
    "SystemStatus": system_status,
    "Assets": assets,
    "AssetPairs": asset_pairs,
    "Ticker": ticker,
    "OHLC": ohlc,
    "Trades": trades,
    "Depth": depth,
}

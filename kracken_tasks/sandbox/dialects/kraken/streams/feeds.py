"""The public channels: what a subscriber is told first, and what it is told after.

In: a venue, a pair, two moments.  Out: frames with the moment each belongs to, in order of time.  Never: a socket, a fault.
A feed is a function of market time: frames between two moments are the same however many looks they take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kracken_tasks.sandbox.assets import Asset
from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.dialects.kraken.figures import day_candles, figures_of
from kracken_tasks.sandbox.dialects.kraken.streams.moments import book_moments
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Digits, Json, digits, stamp, stamp_ns
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.market.protocol import Candles, Trades
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Feed", "Frame", "InstrumentFeed", "OhlcFeed", "TickerFeed", "TradeFeed", "code_of"]

_SNAPSHOT_TRADES: Final = 50
_SNAPSHOT_CANDLES: Final = 10
_LOOK_BACK_CANDLES: Final = 720  # as far as REST looks


@dataclass(frozen=True, slots=True)
class Frame:
    """A message, and the market moment (ns) at which Kraken would have sent it."""

    ts_ns: int
    message: Json


class Feed(Protocol):
    """One subscription of one channel."""

    def snapshot(self, now_ns: int) -> Iterable[Frame]:
        """What is known at ``now_ns``; updates go on from there, whether or not it is sent."""
        ...

    def updates(self, after_ns: int, until_ns: int) -> Iterable[Frame]:
        """What happened in (after_ns, until_ns], in order."""
        ...


def code_of(asset: Asset) -> str:
    """An asset under the name v2 uses: ``BTC``, ``USD``, ``DOGE``."""
    return {"XBT": "BTC", "XDG": "DOGE"}.get(asset.altname, asset.altname)


def _frame(ts_ns: int, channel: str, kind: str, rows: Any, **more: Any) -> Frame:
    return Frame(ts_ns, {"channel": channel, "type": kind, **more, "data": rows})


@dataclass(slots=True)
class TradeFeed:
    """Every public trade, one frame each; the snapshot is the newest 50 in one."""

    venue: Venue
    listing: Listing

    def snapshot(self, now_ns: int) -> Iterator[Frame]:
        last = self.venue.market.last_trade_before(self.listing.symbol, now_ns)
        if len(last):
            rows = _rows(self._newest(now_ns))[-_SNAPSHOT_TRADES:]
            yield _frame(now_ns, "trade", "snapshot", [self._row(row) for row in rows])

    def updates(self, after_ns: int, until_ns: int) -> Iterator[Frame]:
        for row in _rows(self.venue.market.trades(self.listing.symbol, after_ns + 1, until_ns + 1)):
            yield _frame(row[0], "trade", "update", [self._row(row)])

    def _newest(self, now_ns: int) -> Trades:
        market, symbol, span_ns = self.venue.market, self.listing.symbol, 600 * NS_PER_SECOND
        first_ns = market.first_trade_ns(symbol)
        while True:
            found = market.trades(symbol, max(first_ns, now_ns - span_ns), now_ns + 1)
            if len(found) >= _SNAPSHOT_TRADES or now_ns - span_ns <= first_ns:
                return found
            span_ns *= 4

    def _row(self, row: tuple[int, int, int, int, bool, int]) -> Json:
        ts_ns, price, lots, side, at_market, trade_id = row
        return {
            "symbol": self.listing.symbol,
            "side": "buy" if side > 0 else "sell",
            "price": digits(price, self.listing.price_decimals),
            "qty": digits(lots, LOT_DECIMALS),
            "ord_type": "market" if at_market else "limit",
            "trade_id": trade_id,
            "timestamp": stamp(ts_ns),
        }


def _rows(trades: Trades) -> list[tuple[int, int, int, int, bool, int]]:
    columns = (trades.ts_ns, trades.price, trades.lots, trades.side, trades.market, trades.trade_id)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@dataclass(slots=True)
class TickerFeed:
    """Best bid and ask with the day's figures: on every trade, or (``bbo``) whenever a best price changes."""

    venue: Venue
    listing: Listing
    on_bbo: bool = False
    best: tuple[int, int] | None = None

    def snapshot(self, now_ns: int) -> Iterator[Frame]:
        self.best = self._best(now_ns)
        if len(self.venue.market.last_trade_before(self.listing.symbol, now_ns)):
            yield _frame(now_ns, "ticker", "snapshot", [self._row(now_ns)])

    def updates(self, after_ns: int, until_ns: int) -> Iterator[Frame]:
        for ts_ns in self._moments(after_ns, until_ns):
            yield _frame(ts_ns, "ticker", "update", [self._row(ts_ns)])

    def _moments(self, after_ns: int, until_ns: int) -> Iterator[int]:
        symbol = self.listing.symbol
        if not self.on_bbo:
            yield from self.venue.market.trades(symbol, after_ns + 1, until_ns + 1).ts_ns.tolist()
            return
        for ts_ns in book_moments(self.venue, symbol, after_ns, until_ns):
            best = self._best(ts_ns)
            if best != self.best and all(best):
                self.best = best
                yield ts_ns

    def _best(self, at_ns: int) -> tuple[int, int]:
        bids, asks = self.venue.engine.execution.matcher.book(self.listing.symbol, at_ns, 1)
        return bids[0][0] if bids else 0, asks[0][0] if asks else 0

    def _row(self, at_ns: int) -> Json:
        listing, decimals = self.listing, self.listing.price_decimals
        last = int(self.venue.market.last_trade_before(listing.symbol, at_ns).price[0])
        day = figures_of(day_candles(self.venue, listing, at_ns), last)
        bids, asks = self.venue.engine.execution.matcher.book(listing.symbol, at_ns, 1)
        (bid, bid_lots), (ask, ask_lots) = bids[0] if bids else (0, 0), asks[0] if asks else (0, 0)
        return {
            "symbol": listing.symbol,
            "bid": digits(bid, decimals),
            "bid_qty": digits(bid_lots, LOT_DECIMALS),
            "ask": digits(ask, decimals),
            "ask_qty": digits(ask_lots, LOT_DECIMALS),
            "last": digits(last, decimals),
            "volume": digits(day.lots, LOT_DECIMALS),
            "vwap": Digits(f"{day.vwap:.{decimals}f}") if day.lots else digits(last, decimals),
            "low": digits(day.low, decimals),
            "high": digits(day.high, decimals),
            "change": digits(last - day.open, decimals),
            "change_pct": Digits(f"{100 * (last - day.open) / day.open if day.open else 0:.2f}"),
            "trades": day.count,
            "timestamp": stamp(at_ns),
        }


@dataclass(slots=True)
class OhlcFeed:
    """The running candle after every trade, never a word about its being closed; the snapshot is the newest ten."""

    venue: Venue
    listing: Listing
    interval: int

    def snapshot(self, now_ns: int) -> Iterator[Frame]:
        width_s = self.interval * 60
        running_s = now_ns // NS_PER_SECOND // width_s * width_s
        for count in (_SNAPSHOT_CANDLES, _LOOK_BACK_CANDLES):  # further only where nobody traded for a while
            rows = self._rows(running_s - (count - 1) * width_s, running_s + width_s, now_ns)[-_SNAPSHOT_CANDLES:]
            if len(rows) == _SNAPSHOT_CANDLES:
                break
        if rows:
            yield _frame(now_ns, "ohlc", "snapshot", rows, timestamp=stamp_ns(now_ns))

    def updates(self, after_ns: int, until_ns: int) -> Iterator[Frame]:
        width_s = self.interval * 60
        for ts_ns in self.venue.market.trades(self.listing.symbol, after_ns + 1, until_ns + 1).ts_ns.tolist():
            open_s = ts_ns // NS_PER_SECOND // width_s * width_s
            rows = self._rows(open_s, open_s + width_s, ts_ns)
            yield _frame(ts_ns, "ohlc", "update", rows, timestamp=stamp_ns(ts_ns))

    def _rows(self, start_s: int, end_s: int, now_ns: int) -> list[Json]:
        found: Candles = self.venue.market.candles(self.listing.symbol, self.interval, start_s, end_s, now_ns)
        decimals, width_s = self.listing.price_decimals, self.interval * 60
        columns = (found.open_s, found.open, found.high, found.low, found.close, found.lots, found.vwap, found.count)
        return [
            {
                "symbol": self.listing.symbol,
                "open": digits(first, decimals),
                "high": digits(high, decimals),
                "low": digits(low, decimals),
                "close": digits(close, decimals),
                "trades": count,
                "volume": digits(lots, LOT_DECIMALS),
                "vwap": Digits(f"{vwap:.{decimals}f}"),
                "interval_begin": stamp_ns(open_s * NS_PER_SECOND),
                "interval": self.interval,
                "timestamp": stamp((open_s + width_s) * NS_PER_SECOND),
            }
            for open_s, first, high, low, close, lots, vwap, count in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]


@dataclass(slots=True)
class InstrumentFeed:
    """Every asset and pair; afterwards the pairs whose status changed."""

    venue: Venue
    statuses: dict[str, str] | None = None

    def snapshot(self, now_ns: int) -> Iterator[Frame]:
        self.statuses = self._statuses()
        listings = self.venue.listings
        assets = [_asset_json(asset) for asset in listings.assets()]
        pairs = [self._pair_json(listing) for listing in listings.by_symbol.values()]
        yield _frame(now_ns, "instrument", "snapshot", {"assets": assets, "pairs": pairs})

    def updates(self, after_ns: int, until_ns: int) -> Iterator[Frame]:
        now = self._statuses()
        before, self.statuses = self.statuses or {}, now
        changed = [self._pair_json(self.venue.listings.by_symbol[s]) for s in now if now[s] != before.get(s)]
        if changed:
            yield _frame(until_ns, "instrument", "update", {"assets": [], "pairs": changed})

    def _statuses(self) -> dict[str, str]:
        return {symbol: self.venue.engine.status_of(symbol) for symbol in self.venue.listings.by_symbol}

    def _pair_json(self, listing: Listing) -> Json:
        spec, tick = listing.spec, digits(1, listing.price_decimals)
        return {
            "symbol": spec.symbol,
            "base": code_of(listing.base),
            "quote": code_of(listing.quote),
            "status": self.venue.engine.status_of(spec.symbol),
            "qty_precision": spec.lot_decimals,
            "qty_increment": digits(1, spec.lot_decimals),
            "price_precision": spec.price_decimals,
            "cost_precision": 5,
            "marginable": False,
            "has_index": False,
            "cost_min": Digits(spec.costmin),
            "tick_size": tick,
            "price_increment": tick,
            "qty_min": Digits(spec.ordermin),
        }


def _asset_json(asset: Asset) -> Json:
    return {
        "id": code_of(asset),
        "status": "enabled",
        "precision": asset.decimals,
        "precision_display": asset.display_decimals,
        "borrowable": False,
        "collateral_value": Digits("0.0"),
        "margin_rate": Digits("0.0"),
    }

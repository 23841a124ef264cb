"""Binance's public streams: what each tells between two moments of market time.

In: a venue, a stream's name, two moments.  Out: events in order of time.  Never: a socket, a fault.
A book's update id is the number of the five seconds it stands for, in streams and in ``depth`` alike; what a trader took within
them shows with the next.  Tickers and candles come at most once a look, as they stand then; a candle that closed says so first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.clock import NS_PER_MS, NS_PER_SECOND
from kracken_tasks.sandbox.dialects.binance.public import INTERVALS, day_json, price_text
from kracken_tasks.sandbox.dialects.rest import Call
from kracken_tasks.sandbox.dialects.tape import Bar, bars_between, day_figures, floor_to, trade_rows
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.market.book import EPOCH_NS
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Event", "EveryPair", "Stream", "stream_named"]

_DEPTH: Final = 1000  # as deep as the snapshot that clients start from
_LONGEST_NS: Final = 86_400 * NS_PER_SECOND
_MINI: Final = {
    "c": "lastPrice",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
}
_FULL: Final = {
    "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice", "Q": "lastQty",
    "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "O": "openTime", "C": "closeTime", "F": "firstId",
    "L": "lastId", "n": "count",
}  # fmt: skip

Event = dict[str, Any]
Level = tuple[int, int]


@dataclass(slots=True)
class Stream:
    """One stream of one pair: ``kind`` is what stands behind its name's first ``@``."""

    venue: Venue
    listing: Listing
    kind: str
    _epoch: int = 0
    _bids: dict[int, int] = field(default_factory=dict)
    _asks: dict[int, int] = field(default_factory=dict)

    @property
    def channel(self) -> str:
        """``trade``, ``kline``, ``depth``: what fault rules and the list of sockets call it."""
        return self.kind.partition("@")[0].partition("_")[0]

    def begin(self, now_ns: int) -> None:
        """Note where updates go on from."""
        self._epoch = self._epoch_at(now_ns)
        if self.channel == "depth":
            self._bids, self._asks = self._book(now_ns)

    def events(self, after_ns: int, until_ns: int) -> Iterator[Event]:
        """What is told of (after_ns, until_ns]; of more than a day only the last."""
        after_ns = max(after_ns, until_ns - _LONGEST_NS)
        if self.channel in ("trade", "aggTrade"):
            yield from self._trades(after_ns, until_ns)
        elif self.channel == "kline":
            yield from self._candles(after_ns, until_ns)
        elif self.channel == "depth":
            yield from self._books(after_ns, until_ns)
        elif self.channel == "bookTicker":
            if self._epoch_at(until_ns) != self._epoch:
                yield self._touch(until_ns)
        elif after_ns // NS_PER_SECOND != until_ns // NS_PER_SECOND:
            yield from self._ticker(until_ns)

    def _trades(self, after_ns: int, until_ns: int) -> Iterator[Event]:
        for ts, price, lots, side, number in trade_rows(
            self.venue.market.trades(self.listing.symbol, after_ns + 1, until_ns + 1)
        ):
            ids = {"t": number} if self.channel == "trade" else {"a": number, "f": number, "l": number}
            yield {
                "e": self.channel,
                "E": ts // NS_PER_MS,
                "s": self.listing.spec.key,
                **ids,
                "p": price_text(price, self.listing),
                "q": text_of(lots, LOT_DECIMALS),
                "T": ts // NS_PER_MS,
                "m": side < 0,
                "M": True,
            }

    def _candles(self, after_ns: int, until_ns: int) -> Iterator[Event]:
        minutes = INTERVALS[self.kind.partition("_")[2]]
        if not len(self.venue.market.trades(self.listing.symbol, after_ns + 1, until_ns + 1, 1)):
            return
        first, end = floor_to(minutes, after_ns // NS_PER_SECOND), until_ns // NS_PER_SECOND + 1
        for bar in bars_between(self.venue, self.listing.symbol, minutes, first, end, until_ns, fill=True):
            if bar.end_s * NS_PER_SECOND > after_ns:
                yield self._kline(bar, until_ns)

    def _kline(self, bar: Bar, until_ns: int) -> Event:
        closed = bar.end_s * NS_PER_SECOND <= until_ns
        prices = {name: price_text(ticks, self.listing) for name, ticks in zip("ohlc", self._ohlc(bar), strict=True)}
        kline = {
            "t": bar.open_s * 1000,
            "T": bar.end_s * 1000 - 1,
            "s": self.listing.spec.key,
            "i": self.kind.partition("_")[2],
            **prices,
            "v": text_of(bar.lots, LOT_DECIMALS),
            "n": bar.count,
            "x": closed,
            "q": f"{bar.worth:.8f}",
        }
        return {"e": "kline", "E": until_ns // NS_PER_MS, "s": self.listing.spec.key, "k": kline}

    @staticmethod
    def _ohlc(bar: Bar) -> tuple[int, int, int, int]:
        return bar.open, bar.high, bar.low, bar.close

    def _book(self, at_ns: int) -> tuple[dict[int, int], dict[int, int]]:
        bids, asks = self.venue.engine.execution.matcher.book(self.listing.symbol, at_ns, _DEPTH)
        return dict(bids), dict(asks)

    def _epoch_at(self, at_ns: int) -> int:
        return self.venue.market.book(self.listing.symbol, at_ns, 1).epoch

    def _books(self, after_ns: int, until_ns: int) -> Iterator[Event]:
        """One update for every book drawn in between: what changed, and what is gone (volume 0)."""
        # Books are drawn every five seconds, on the venue's own beat.
        beat_ns = self.venue.market.book(self.listing.symbol, until_ns, 1).ts_ns % EPOCH_NS
        first = after_ns + 1 + (beat_ns - after_ns - 1) % EPOCH_NS
        for at_ns in range(first, until_ns + 1, EPOCH_NS):
            epoch = self._epoch_at(at_ns)
            if epoch == self._epoch:
                continue
            bids, asks = self._book(at_ns)
            yield {
                "e": "depthUpdate",
                "E": at_ns // NS_PER_MS,
                "s": self.listing.spec.key,
                "U": self._epoch + 1,
                "u": epoch,
                "b": self._changed(self._bids, bids),
                "a": self._changed(self._asks, asks),
            }
            self._epoch, self._bids, self._asks = epoch, bids, asks

    def _changed(self, before: dict[int, int], now: dict[int, int]) -> list[list[str]]:
        gone = [(price, 0) for price in before if price not in now]
        fresh = [(price, lots) for price, lots in now.items() if before.get(price) != lots]
        return [[price_text(price, self.listing), text_of(lots, LOT_DECIMALS)] for price, lots in (*gone, *fresh)]

    def _touch(self, at_ns: int) -> Event:
        bids, asks = self.venue.engine.execution.matcher.book(self.listing.symbol, at_ns, 1)
        (bid, bid_lots), (ask, ask_lots) = bids[0], asks[0]
        self._epoch = self._epoch_at(at_ns)
        return {
            "u": self._epoch,
            "s": self.listing.spec.key,
            "b": price_text(bid, self.listing),
            "B": text_of(bid_lots, LOT_DECIMALS),
            "a": price_text(ask, self.listing),
            "A": text_of(ask_lots, LOT_DECIMALS),
        }

    def _ticker(self, at_ns: int) -> Iterator[Event]:
        figures = day_figures(self.venue, self.listing.symbol, at_ns)
        if figures is None:
            return
        day = day_json(Call(self.venue, at_ns, {}), self.listing, figures)
        full = self.channel == "ticker"
        names = {**_MINI, **_FULL} if full else _MINI
        event = "24hrTicker" if full else "24hrMiniTicker"
        told = {short: day[name] for short, name in names.items()}
        yield {"e": event, "E": at_ns // NS_PER_MS, "s": self.listing.spec.key, **told}


@dataclass(slots=True)
class EveryPair:
    """A ticker stream of all pairs: their events in one list."""

    streams: list[Stream]

    @property
    def channel(self) -> str:
        return self.streams[0].channel

    def begin(self, now_ns: int) -> None:
        for stream in self.streams:
            stream.begin(now_ns)

    def events(self, after_ns: int, until_ns: int) -> Iterator[list[Event]]:
        told = [event for stream in self.streams for event in stream.events(after_ns, until_ns)]
        if told:
            yield told


def stream_named(venue: Venue, name: str) -> Stream | EveryPair | None:
    """The stream of a name such as ``btcusdt@kline_1m`` or ``!miniTicker@arr``; None for a pair or kind that there is not."""
    pair, mark, kind = name.partition("@")
    listings = venue.listings.by_symbol.values()
    if name in ("!miniTicker@arr", "!ticker@arr"):
        return EveryPair([Stream(venue, listing, pair.removeprefix("!")) for listing in listings])
    listing = next((one for one in listings if one.spec.key.lower() == pair), None)
    if not mark or listing is None:
        return None
    plain = kind in ("trade", "aggTrade", "depth", "depth@100ms", "bookTicker", "miniTicker", "ticker")
    candle = kind.startswith("kline_") and kind.removeprefix("kline_") in INTERVALS
    return Stream(venue, listing, kind) if plain or candle else None

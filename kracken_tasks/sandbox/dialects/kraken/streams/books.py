"""The book channel: a snapshot, then exactly what changed, with the checksum of what must stand there afterwards.

In: a venue, a pair, a depth.  Out: frames.  Never: a level that the subscriber could not have worked out by itself.
Source of the checksum: Kraken "Book checksum (v2)"; it reproduces every recorded one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kracken_tasks.sandbox.dialects.kraken.streams.feeds import Frame
from kracken_tasks.sandbox.dialects.kraken.streams.moments import book_moments
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Json, digits, stamp
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.venue import Venue

__all__ = ["DEPTHS", "BookFeed", "book_checksum"]

DEPTHS: Final = (10, 25, 100, 500, 1000)
_CHECKED: Final = 10

Levels = list[tuple[int, int]]


def book_checksum(bids: Levels, asks: Levels) -> int:
    """CRC32 over the best ten asks, then the best ten bids, as (price in ticks, lots).

    Printed at the pair's decimals with the dot and leading zeros taken out, a price is its number of ticks and a volume its lots.
    """
    best = (*asks[:_CHECKED], *bids[:_CHECKED])
    return zlib.crc32("".join(f"{price}{lots}" for price, lots in best).encode())


@dataclass(slots=True)
class BookFeed:
    """One book at one depth.  A level that merely drops below the depth is not told of: the subscriber cuts it off itself."""

    venue: Venue
    listing: Listing
    depth: int
    bids: Levels = field(default_factory=list)
    asks: Levels = field(default_factory=list)

    def snapshot(self, now_ns: int) -> Iterator[Frame]:
        self.bids, self.asks = self._levels(now_ns)
        yield self._frame(now_ns, "snapshot", self.bids, self.asks)

    def updates(self, after_ns: int, until_ns: int) -> Iterator[Frame]:
        for ts_ns in book_moments(self.venue, self.listing.symbol, after_ns, until_ns):
            bids, asks = self._levels(ts_ns)
            changed_bids = _changes(self.bids, bids, self.depth, best_is_high=True)
            changed_asks = _changes(self.asks, asks, self.depth, best_is_high=False)
            self.bids, self.asks = bids, asks
            if changed_bids or changed_asks:
                yield self._frame(ts_ns, "update", changed_bids, changed_asks)

    def _levels(self, at_ns: int) -> tuple[Levels, Levels]:
        return self.venue.engine.execution.matcher.book(self.listing.symbol, at_ns, self.depth)

    def _frame(self, ts_ns: int, kind: str, bids: Levels, asks: Levels) -> Frame:
        decimals = self.listing.price_decimals

        def rows(levels: Levels) -> list[Json]:
            return [{"price": digits(p, decimals), "qty": digits(lots, LOT_DECIMALS)} for p, lots in levels]

        row: Json = {"symbol": self.listing.symbol, "bids": rows(bids), "asks": rows(asks)}
        if min(len(self.bids), len(self.asks)) >= _CHECKED:  # a thin book comes without one
            row["checksum"] = book_checksum(self.bids, self.asks)
        return Frame(ts_ns, {"channel": "book", "type": kind, "data": [row | {"timestamp": stamp(ts_ns)}]})


def _changes(before: Levels, after: Levels, depth: int, best_is_high: bool) -> Levels:
    """What turns one side into the other: levels gone (0 lots) first, then new and changed ones, each best first."""
    was, now = dict(before), dict(after)
    full = len(after) >= depth
    worst = after[-1][0] if after else 0

    def pushed_out(price: int) -> bool:
        return full and (price < worst if best_is_high else price > worst)

    gone = [(price, 0) for price, _ in before if price not in now and not pushed_out(price)]
    return gone + [(price, lots) for price, lots in after if was.get(price) != lots]

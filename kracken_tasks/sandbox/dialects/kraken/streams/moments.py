"""When a book may have changed.

In: a venue, a pair, a span of market time.  Out: the moments at which to look again.  Never: what stands in the book.
"""

from __future__ import annotations

from collections.abc import Iterator

from kracken_tasks.sandbox.market.book import EPOCH_NS
from kracken_tasks.sandbox.venue import Venue

__all__ = ["book_moments"]


def book_moments(venue: Venue, symbol: str, after_ns: int, until_ns: int) -> Iterator[int]:
    """Moments in (after_ns, until_ns] with a book of a new epoch, and ``until_ns`` itself: our own trades change it any time.

    Markets refresh their books on a fixed grid or with a trade, so these are the only places to look at.
    """
    grid = range((after_ns // EPOCH_NS + 1) * EPOCH_NS, until_ns + 1, EPOCH_NS)
    trades = venue.market.trades(symbol, after_ns + 1, until_ns + 1).ts_ns.tolist()
    epoch = None
    for ts_ns in sorted({*grid, *trades}):
        found = venue.market.book(symbol, ts_ns, 1).epoch
        if found != epoch and ts_ns < until_ns:
            yield ts_ns
        epoch = found
    yield until_ns

"""What the streams need of a venue: a stream, and something to ask when the stream is silent.

In: feeds.  Out: what arrived.  Never: a retry or a time-out of its own; whoever waits decides how long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.streams.words import Book, Candle, FeedKey, Item, PublicTrade, Ticker

__all__ = ["StreamSource", "StreamTrouble", "VenueQuestions"]


class StreamTrouble(RetryLater):
    """A stream that broke, hangs, was rejected, or sends what cannot be true.  Nothing is lost that REST still has."""


class StreamSource(Protocol):
    """The streaming half of a venue."""

    consecutive_ids: bool
    """Whether trade ids count up one by one, so that a jump is a loss."""

    def streams(self, key: FeedKey) -> bool:
        """Whether the venue streams this channel at all; what it does not stream is polled."""
        ...

    async def next_items(self, key: FeedKey) -> Sequence[Item]:
        """Wait for what comes next on a feed, subscribing first if need be.  Candles include the running one.

        Raises: StreamTrouble when the stream broke or cannot be trusted; Misconfigured for a symbol the venue does not list.
        """
        ...

    def trouble(self, key: FeedKey) -> str:
        """Why waiting for this feed is in vain (rejected, broken); empty when nothing is known against it."""
        ...

    def frame_age(self, key: FeedKey) -> float | None:
        """Seconds since any frame came on the feed's connection; None while there is none."""
        ...

    async def drop(self, key: FeedKey) -> None:
        """Throw the feed's connection away, so that the next wait subscribes anew."""
        ...

    async def close(self) -> None: ...


class VenueQuestions(Protocol):
    """The asking half of a venue.  Every call raises RetryLater when the venue does not answer."""

    async def now(self) -> datetime: ...

    async def ticker(self, symbol: str) -> Ticker: ...

    async def trades(
        self, symbol: str, cursor: str | None, since: datetime | None
    ) -> tuple[Sequence[PublicTrade], str]:
        """As ``MarketData.trades``: one page, oldest first, and the cursor of the next."""
        ...

    async def candles(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> Sequence[Candle]:
        """As ``MarketData.ohlc``: one page, oldest first, the running candle included."""
        ...

    def reach(self, timeframe: Timeframe) -> int | None:
        """How many of the newest candles the venue can give; None: as many as there are."""
        ...

    async def book(self, symbol: str, depth: int) -> Book: ...

    async def close(self) -> None: ...

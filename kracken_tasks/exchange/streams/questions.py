"""Questions over REST for the streams, asked in a thread so that a slow answer holds up no stream.

In: the public half of a venue.  Out: answers in the streams' words.  Never: a retry, a quote that waits behind a listing: trades and
candles have a thread of their own, and trades, which may be many pages, give way to every other call of the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.domain.market import OrderBook, Quote, Timeframe
from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.words import Book, Candle, PublicTrade, Ticker

__all__ = ["PublicVenue", "ThreadedQuestions", "trades_of"]

_T = TypeVar("_T")
_UNKNOWN: Final = float("nan")


class PublicVenue(MarketData, Protocol):
    """What is asked of a venue besides its market data."""

    def quotes(self, symbols: Iterable[str]) -> Mapping[str, Quote]: ...

    def order_book(self, symbol: str, depth: int = 10) -> OrderBook: ...


class ThreadedQuestions:
    """Satisfies ``VenueQuestions``.

    ``together_seconds``: quotes of all symbols that were ever asked for come in one call, and serve for so long.
    """

    def __init__(
        self,
        venue: PublicVenue,
        *,
        clock: StreamClock,
        together_seconds: float,
    ) -> None:
        self._venue, self._clock = venue, clock
        self._together = together_seconds
        self._asked_for: dict[str, None] = {}
        self._quotes: tuple[float, Mapping[str, Quote], datetime] | None = None
        self._asking = asyncio.Lock()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{venue.exchange} questions")
        self._listings = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{venue.exchange} listings")

    async def now(self) -> datetime:
        return await self._in_thread(self._venue.now)

    async def ticker(self, symbol: str) -> Ticker:
        async with self._asking:
            told = self._quotes
            if told is None or monotonic_seconds() - told[0] > self._together or symbol not in told[1]:
                answer = await self._quotes_with(symbol)
                told = self._quotes = (monotonic_seconds(), answer, self._clock.now())
        quote = told[1].get(symbol)
        if quote is None:
            raise RetryLater(f"{self._venue.exchange} gave no quote of {symbol}", symbol=symbol)
        return Ticker(symbol, quote.bid, quote.ask, _UNKNOWN, _UNKNOWN, quote.last, quote.ts, told[2])

    async def _quotes_with(self, symbol: str) -> Mapping[str, Quote]:
        """Quotes of all that are asked for; where one of them is not listed any more the venue refuses them all: then this one alone."""
        wanted = list(dict.fromkeys([*self._asked_for, symbol]))
        try:
            answer = await self._in_thread(lambda: self._venue.quotes(wanted))
        except (Misconfigured, BadData):
            self._asked_for.pop(symbol, None)
            if len(wanted) == 1:
                raise
            answer = await self._in_thread(lambda: self._venue.quotes([symbol]))
        self._asked_for[symbol] = None
        return answer

    async def trades(
        self, symbol: str, cursor: str | None, since: datetime | None
    ) -> tuple[Sequence[PublicTrade], str]:
        def asked() -> tuple[pd.DataFrame, str]:
            with calls_at(Priority.EXPORT):
                return self._venue.trades(symbol, cursor, since)

        frame, following = await self._in_thread(asked, self._listings)
        return trades_of(frame), following

    async def candles(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> Sequence[Candle]:
        frame = await self._in_thread(lambda: self._venue.ohlc(symbol, timeframe, since), self._listings)
        counts = [None if pd.isna(count) else int(count) for count in frame["trades"]]
        numbers = frame[["open", "high", "low", "close", "volume", "vwap"]].to_numpy(np.float64).tolist()
        stamps = [stamp.to_pydatetime() for stamp in frame["ts"]]
        return [Candle._make((ts, *row, count)) for ts, row, count in zip(stamps, numbers, counts, strict=True)]

    def reach(self, timeframe: Timeframe) -> int | None:
        return self._venue.ohlc_reach(timeframe)

    async def book(self, symbol: str, depth: int) -> Book:
        told = await self._in_thread(lambda: self._venue.order_book(symbol, depth))
        bids, asks = (tuple((float(price), float(volume)) for price, volume in side) for side in (told.bids, told.asks))
        return Book(symbol, bids, asks, told.ts, self._clock.now(), None)

    async def close(self) -> None:
        """A question on its way is left behind; it ends by its own time-out."""
        for pool in (self._pool, self._listings):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, question: Callable[[], _T], pool: ThreadPoolExecutor | None = None) -> _T:
        return await asyncio.get_running_loop().run_in_executor(pool or self._pool, question)


def trades_of(frame: pd.DataFrame) -> list[PublicTrade]:
    """A frame of TRADE_COLUMNS as trades, in its order."""
    if frame.empty:
        return []
    ids: list[Any] = [None if pd.isna(one) else int(one) for one in frame["trade_id"]]
    columns = (
        [stamp.to_pydatetime() for stamp in frame["ts"]],
        frame["price"].to_numpy(np.float64).tolist(),
        frame["volume"].to_numpy(np.float64).tolist(),
        frame["side"].astype(str).tolist(),
        frame["kind"].astype(str).tolist(),
        ids,
    )
    return [PublicTrade(*row) for row in zip(*columns, strict=True)]

"""A venue's streams in memory, obeying ``StreamSource`` and ``VenueQuestions``: one tape of trades, and faults on command.

In: trades that happen when ``happen`` is called.  Out: what a stream and a REST answer would show of them.  Never: a sleep, the wall clock.

    cut()       the connections break; what was on its way is lost
    mute()      connections stay up, frames of data are lost, until ``loud()``
    reject()    new subscriptions are refused, until ``accept()``
    deaf()      REST does not answer, until ``answer()``
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.source import StreamTrouble
from kracken_tasks.exchange.streams.words import (
    Book,
    Candle,
    Channel,
    FeedKey,
    Item,
    PublicTrade,
    StreamTiming,
    Ticker,
)

__all__ = ["BTC", "FAST", "ScriptedStreams", "candles_of", "with_flat_rows"]

BTC = "BTC/USD"
START = utc(2024, 3, 1)
NAN = float("nan")

# Every time-out of a feed, short enough for a test and long enough for a busy machine.
FAST = StreamTiming(
    backup_polling_interval=0.02, quiet=0.02, silence=0.2, subscribe=0.1, patience=5.0, settle=0.02, stable=0.05,
    backoff_first=0.002, backoff_most=0.01, clock=60.0,
)  # fmt: skip


class ScriptedStreams:
    """Both halves of a venue.

    ``page``: trades a REST answer holds; ``trades_reach``: of how many of the newest trades REST knows (None: all); ``lag``: how many of
    the newest trades REST does not show yet; ``flat_rows``: windows without
    trades have a row of their own, as Kraken has it at times.
    """

    exchange = "kraken"

    def __init__(self, *, consecutive_ids: bool = True, page: int = 5) -> None:
        self.consecutive_ids = consecutive_ids
        self.tape: list[PublicTrade] = []
        self.market_now = START
        self.page = page
        self.lag = 0
        self.trades_reach: int | None = None
        self.muted = self.rejecting = self.rest_down = False
        self.wrong_width = False
        self.flat_rows = False
        self.not_streamed: set[Channel] = set()
        self.subscriptions = 0
        self.questions: list[str] = []
        self._queues: dict[FeedKey, asyncio.Queue[Sequence[Item] | Exception]] = {}
        self._refused: set[FeedKey] = set()
        self._cut: set[FeedKey] = set()

    def halves(self, exchange: str, clock: StreamClock) -> tuple[ScriptedStreams, ScriptedStreams]:
        return self, self

    # -- the script ----------------------------------------------------------------------------------------------------------

    def happen(self, count: int = 1, *, seconds: float = 1.0) -> None:
        """So many trades, one after the other, each ``seconds`` after the one before."""
        for _ in range(count):
            self.market_now += timedelta(seconds=seconds)
            number = len(self.tape) + 1
            self.tape.append(PublicTrade(self.market_now, 100.0 + number % 7, 0.5, "b", "m", number))
            self._publish(self.tape[-1])

    def _publish(self, trade: PublicTrade) -> None:
        if self.muted:
            return
        for key, queue in self._queues.items():
            if key not in self._cut:
                queue.put_nowait(self._shown(key, trade))

    def _shown(self, key: FeedKey, trade: PublicTrade) -> Sequence[Item]:
        if key.channel is Channel.TRADES:
            return (trade,)
        if key.channel is Channel.TICKER:
            return (self._ticker(),)
        if key.channel is Channel.BOOK:
            return (self._book(),)
        assert key.timeframe is not None
        return self.made(key.timeframe)[-1:]

    def cut(self) -> None:
        for queue in self._queues.values():
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(StreamTrouble("the socket was closed"))
        self._cut |= self._queues.keys()

    def mute(self) -> None:
        self.muted = True

    def loud(self) -> None:
        self.muted = False

    def reject(self) -> None:
        self.rejecting = True

    def accept(self) -> None:
        self.rejecting = False

    def deaf(self) -> None:
        self.rest_down = True

    def answer(self) -> None:
        self.rest_down = False

    def made(self, timeframe: Timeframe) -> list[Candle]:
        """Candles of the whole tape, the running one included."""
        found = candles_of(self.tape, timeframe)
        return with_flat_rows(found, timeframe) if self.flat_rows else found

    def _ticker(self) -> Ticker:
        price = self.tape[-1].price if self.tape else 100.0
        return Ticker(BTC, price - 0.5, price + 0.5, 1.0, 1.0, price, self.market_now, self.market_now)

    def _book(self) -> Book:
        quote = self._ticker()
        return Book(BTC, ((quote.bid, 1.0),), ((quote.ask, 1.0),), self.market_now, self.market_now, True)

    def streams(self, key: FeedKey) -> bool:
        return key.channel not in self.not_streamed

    # -- StreamSource --------------------------------------------------------------------------------------------------------

    async def next_items(self, key: FeedKey) -> Sequence[Item]:
        if key not in self._queues:
            self.subscriptions += 1
            if self.rejecting:
                self._refused.add(key)
                await asyncio.Event().wait()  # as in ccxt: nobody ever hears
            self._refused.discard(key)
            self._queues[key] = asyncio.Queue()
            self._snapshot(key)
        told = await self._queues[key].get()
        if isinstance(told, Exception):
            raise told
        return told

    def _snapshot(self, key: FeedKey) -> None:
        if self.muted:
            return
        queue = self._queues[key]
        if key.channel in (Channel.TICKER, Channel.BOOK):
            queue.put_nowait((self._ticker(),) if key.channel is Channel.TICKER else (self._book(),))
        if key.channel is Channel.CANDLES and self.tape:
            assert key.timeframe is not None
            width = Timeframe.M5 if self.wrong_width else key.timeframe
            queue.put_nowait(candles_of(self.tape, width)[-3:])

    def trouble(self, key: FeedKey) -> str:
        return "the subscription is refused" if key in self._refused else ""

    def frame_age(self, key: FeedKey) -> float | None:
        return 0.0 if key in self._queues else None

    async def drop(self, key: FeedKey) -> None:
        self._queues.pop(key, None)
        self._refused.discard(key)
        self._cut.discard(key)

    async def close(self) -> None:
        self._queues.clear()

    # -- VenueQuestions ------------------------------------------------------------------------------------------------------

    async def _asked(self, what: str) -> None:
        self.questions.append(what)
        await asyncio.sleep(0)
        if self.rest_down:
            raise RetryLater(f"{what}: no answer")

    async def now(self) -> datetime:
        return self.market_now

    async def ticker(self, symbol: str) -> Ticker:
        await self._asked("ticker")
        return self._ticker()

    async def trades(
        self, symbol: str, cursor: str | None, since: datetime | None
    ) -> tuple[Sequence[PublicTrade], str]:
        await self._asked("trades")
        known = self.tape[: len(self.tape) - self.lag]
        if self.trades_reach is not None:
            known = known[-self.trades_reach :]
        if cursor is not None:
            found = [trade for trade in known if trade.trade_id is not None and trade.trade_id > int(cursor)]
        else:
            found = [trade for trade in known if since is None or trade.ts >= since]
        page = found[: self.page]
        return page, str(page[-1].trade_id) if page else cursor or "0"

    async def candles(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> Sequence[Candle]:
        await self._asked("candles")
        return [candle for candle in self.made(timeframe) if since is None or candle.ts >= since]

    def reach(self, timeframe: Timeframe) -> int | None:
        return 720

    async def book(self, symbol: str, depth: int) -> Book:
        await self._asked("book")
        return self._book()


def candles_of(trades: Sequence[PublicTrade], timeframe: Timeframe) -> list[Candle]:
    """Candles of trades; the last one runs."""
    found: dict[datetime, Candle] = {}
    for trade in trades:
        opened = timeframe.floor(trade.ts)
        before = found.get(opened)
        if before is None:
            found[opened] = Candle(opened, *[trade.price] * 4, trade.volume, NAN, 1)
        else:
            found[opened] = before._replace(
                high=max(before.high, trade.price), low=min(before.low, trade.price), close=trade.price,
                volume=before.volume + trade.volume, trades=(before.trades or 0) + 1,
            )  # fmt: skip
    return list(found.values())


def with_flat_rows(candles: Sequence[Candle], timeframe: Timeframe) -> list[Candle]:
    """The same with a flat row for every window that has none."""
    found: list[Candle] = []
    for candle in candles:
        while found and found[-1].ts + timeframe.delta < candle.ts:
            last = found[-1].close
            found.append(Candle(found[-1].ts + timeframe.delta, last, last, last, last, 0.0, 0.0, 0))
        found.append(candle)
    return found

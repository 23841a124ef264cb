"""The four channels: what each hands on, and how each finds out what its stream has missed.

In: messages and answers over REST.  Out: batches in which every trade comes once and every candle is closed.
Never: a trade left out in silence: what cannot be fetched afterwards is told as a gap.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from kracken_tasks.domain.clock import monotonic_seconds, pause
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.exchange.market_data import QUIET_HEAD, SHORTEST_PAGE
from kracken_tasks.exchange.streams.backoff import Backoff
from kracken_tasks.exchange.streams.pump import Post, Pump, Surroundings
from kracken_tasks.exchange.streams.source import StreamTrouble
from kracken_tasks.exchange.streams.tracks import CandleTrack, TradeTrack, in_order
from kracken_tasks.exchange.streams.words import Book, Candle, Channel, FeedKey, FeedSource, Item, PublicTrade, Ticker

__all__ = ["Resume", "pump_for"]

# Where an earlier run of a feed ended: the newest trades it has seen, or the end of its last candle.
Resume = Sequence[PublicTrade] | datetime

_MOMENT: Final = timedelta(microseconds=1)
_DEPTH: Final = 10
_LOOK_AGAIN: Final = 0.05
_BEGIN_WHERE_ASKED: Final = ("binance", "binanceus", "bitstamp", "coinbase")  # with candles
_NEARLY_ALL: Final = 0.9  # a page that is cut short by the reach lacks only windows without trades


def pump_for(key: FeedKey, around: Surroundings, post: Post, resume: Resume | None = None) -> Pump:
    """The pump of a feed.  ``resume`` as the channel needs it: trades for trades, a moment for candles."""
    if key.channel is Channel.TRADES:
        return _TradePump(key, around, post, () if resume is None else cast("Sequence[PublicTrade]", resume))
    if key.channel is Channel.CANDLES:
        return _CandlePump(key, around, post, cast("datetime | None", resume))
    return _TickerPump(key, around, post) if key.channel is Channel.TICKER else _BookPump(key, around, post)


class _TickerPump(Pump):
    """Quotes are a state that holds until the next one: within a session none is missing between two messages.  What a broken session
    did not bring is gone, and only the newest counts."""

    def __init__(self, key: FeedKey, around: Surroundings, post: Post) -> None:
        super().__init__(key, around, post)
        self._last: Ticker | None = None
        self._covered: datetime | None = None  # of this session
        self._strikes = 0

    async def take(self, items: Sequence[Item], *, opening: bool) -> None:
        self._strikes = 0
        if not items:
            return
        self._last = cast("Ticker", items[-1])
        stamps = [item.ts for item in items]
        known = [] if opening or self._covered is None else [self._covered]
        self._covered = max([*stamps, *known]) + _MOMENT
        self.hand_on(items, FeedSource.STREAM, (min([*stamps, *known]), self._covered))

    async def catch_up(self) -> bool:
        """An answer may be newer than a message that is on its way: only a second difference in one silence is held against the stream."""
        told = await self.around.ask.ticker(self.key.symbol)
        before, self._last = self._last, told
        if before is not None and (told.bid, told.ask) == (before.bid, before.ask):
            return False
        self.hand_on((told,), FeedSource.POLLING)
        self._strikes += 1
        if self._strikes > 1:
            self._covered = None  # the stream has kept something to itself
        return self._strikes > 1


class _BookPump(Pump):
    """Books are a state like quotes; a poll brings a shallow one."""

    async def take(self, items: Sequence[Item], *, opening: bool) -> None:
        if any(cast("Book", item).checked is False for item in items):
            raise StreamTrouble("the book does not have the checksum that the venue sent", feed=str(self.key))
        self.hand_on(items, FeedSource.STREAM)

    async def catch_up(self) -> bool:
        if self._session is not None and self._session.opened is not None:
            return False  # a book in which nothing moves is no news; the connection itself is watched
        self.hand_on((await self.around.ask.book(self.key.symbol, self.key.depth or _DEPTH),), FeedSource.POLLING)
        return False


class _TradePump(Pump):
    """Every trade once.  A hole before a message is filled over REST before the message is handed on."""

    opens_at_once = False  # a pair in which nobody trades

    def __init__(self, key: FeedKey, around: Surroundings, post: Post, seen: Sequence[PublicTrade]) -> None:
        super().__init__(key, around, post)
        self._track = TradeTrack(seen, consecutive=around.source.consecutive_ids)
        self._began_at: datetime | None = None
        self._covered: datetime | None = None if self._track.last is None else self._track.last.ts + _MOMENT

    @property
    def newest(self) -> PublicTrade | None:
        return self._track.last

    async def take(self, items: Sequence[Item], *, opening: bool) -> None:
        trades = cast("Sequence[PublicTrade]", items)
        fresh = self._track.fresh(trades)
        if fresh and not self._track.joins(trades, unbroken=not opening):
            await self._fill(until=max(fresh, key=in_order))
        self._give(trades, FeedSource.STREAM)

    async def catch_up(self) -> bool:
        if self._track.last is None:
            return await self._begin()
        overdue = 0
        async for page in self._missed():
            overdue += self._overdue(page)
            self._give(page, FeedSource.POLLING)
        return overdue > 0

    async def _begin(self) -> bool:
        """Nothing was seen yet: the tape begins when its first session did."""
        since = self.now() if self._session is None else self._session.began_at
        self._began_at = since = min(since, self._began_at or since)
        page, _ = await self.around.ask.trades(self.key.symbol, None, since)
        overdue = self._overdue(page)
        self._give(page, FeedSource.POLLING)
        return overdue > 0

    def _overdue(self, page: Sequence[PublicTrade]) -> int:
        """How many of these the stream should have brought by now, after what it has brought."""
        limit, last = self.now() - self._grace(), self._track.last
        return sum(trade.ts <= limit and (last is None or trade.ts >= last.ts) for trade in self._track.fresh(page))

    def _grace(self) -> timedelta:
        return timedelta(seconds=self.around.timing.settle)

    async def _missed(self) -> AsyncIterator[Sequence[PublicTrade]]:
        """Pages from the newest trade seen, included, up to the venue's newest.

        From its whole second on: some venues' REST knows no finer stamps, and would leave out what happened later in that second.
        """
        assert self._track.last is not None
        cursor: str | None = None
        since = self._track.last.ts.replace(microsecond=0)
        while True:
            page, following = await self.around.ask.trades(self.key.symbol, cursor, since)
            if page:
                if cursor is None:
                    self._tell_what_is_out_of_reach(page)
                yield page
            if not page or following == cursor:
                return
            cursor = following

    def _tell_what_is_out_of_reach(self, page: Sequence[PublicTrade]) -> None:
        if self._track.last is None or self._track.follows(page):
            return
        first = min(self._track.fresh(page), key=in_order).ts
        self.tell_gap(self._track.last.ts + _MOMENT, first, f"{self.key.exchange} does not reach back so far over REST")
        self._covered = first

    async def _fill(self, until: PublicTrade) -> None:
        """Bring everything up to ``until``; what cannot be had within ``patience`` is told as a gap."""
        assert self._track.last is not None
        start, brought = self._track.last.ts, 0
        give_up = monotonic_seconds() + self.around.timing.patience
        pauses = Backoff(self.around.timing.backoff_first, self.around.timing.backoff_most, seed=f"fill {self.key}")
        while True:
            try:
                async for page in self._missed():
                    brought += len(self._track.fresh(page))
                    self._give(page, FeedSource.POLLING)
                    if any(trade.identity == until.identity or trade.ts > until.ts for trade in page):
                        self.tell_filled(brought)
                        return
                why = "the venue's REST does not show what its stream has sent"
            except RetryLater as error:
                why = str(error)
            if monotonic_seconds() > give_up:
                self.tell_gap(start + _MOMENT, until.ts, f"not to be had over REST: {why}")
                self._covered = until.ts
                return
            await pause(pauses.next_pause())

    def _give(self, trades: Sequence[PublicTrade], source: FeedSource) -> None:
        fresh = sorted(self._track.fresh(trades), key=in_order)
        if not fresh:
            return
        self._track.note(fresh)
        start = self._covered if self._covered is not None else fresh[0].ts
        end = max(fresh[-1].ts + _MOMENT, start)
        self._covered = end
        self.tell_lag(fresh[-1].ts)
        self.hand_on(fresh, source, (min(start, fresh[0].ts), end))


class _CandlePump(Pump):
    """Closed candles only, each confirmed over REST: the last frames of a candle may be lost as quietly as any, and nothing in a candle
    shows that it lacks a trade.  So the stream says that one has closed, and the venue's REST, asked a little later, what it was.

    While REST does not answer nothing is handed on; the candles wait.
    """

    def __init__(self, key: FeedKey, around: Surroundings, post: Post, until: datetime | None) -> None:
        super().__init__(key, around, post)
        if key.timeframe is None:
            raise Misconfigured(f"{key}: candles need a timeframe", key="timeframe")
        self._track = CandleTrack(key.timeframe, until)
        self._ask_again = 0.0
        self._spoken_until = until

    async def take(self, items: Sequence[Item], *, opening: bool) -> None:
        candles = cast("Sequence[Candle]", items)
        misfit = self._track.misfit(candles)
        if misfit:
            raise StreamTrouble(misfit, feed=str(self.key))
        self._track.note(candles)
        if candles:
            self.around.clock.saw(max(candle.ts for candle in candles))
        await self.while_waiting()

    def wait_at_most(self) -> float:
        due = self._track.closes_at()
        if due is None:
            return self.around.timing.quiet
        wait = max(
            (due + self._grace() - self.now()).total_seconds(), self._ask_again - monotonic_seconds(), _LOOK_AGAIN
        )
        return min(self.around.timing.quiet, wait)

    async def while_waiting(self) -> None:
        """Hand on what has closed, once the venue has had ``settle`` seconds to agree with itself."""
        due, ended = self._track.closes_at(), self.now() - self._grace()
        if due is None or due > ended or monotonic_seconds() < self._ask_again:
            return
        self._ask_again = monotonic_seconds() + self.around.timing.settle
        try:
            await self._fetch(ended)
        except RetryLater as error:
            self.note_trouble(f"closed candles wait to be confirmed: {error}")

    async def catch_up(self) -> bool:
        before = self._track.until
        closed = await self._fetch(self.now() - self._grace())
        overdue = self.now() - 3 * self._grace()
        return before is not None and any(candle.ts + self._track.timeframe.delta <= overdue for candle in closed)

    def session_over(self) -> None:
        self._track.forget()

    def _grace(self) -> timedelta:
        return timedelta(seconds=self.around.timing.settle)

    async def _fetch(self, ended: datetime) -> list[Candle]:
        """Candles that ended at ``ended`` or before, handed on; what a venue no longer reaches is told as a gap."""
        width = self._track.timeframe
        since = self._track.until or self._track.first() or width.floor(ended) - width.delta
        page = await self.around.ask.candles(self.key.symbol, width, since)
        while not page and (after := self._behind_an_empty_page(since, ended)) is not None:
            self._spoken_until, since = self._spoken_until or since, after
            self._track.skip_to(since)
            page = await self.around.ask.candles(self.key.symbol, width, since)
        misfit = self._track.misfit(page)
        if misfit:
            raise RetryLater(f"over REST: {misfit}", feed=str(self.key))
        if page and (why := self._out_of_reach(page, since)):
            self.tell_gap(since, page[0].ts, why)
            since = self._spoken_until = page[0].ts
            self._track.skip_to(since)
        closed = [candle for candle in page if candle.ts >= since and candle.ts + width.delta <= ended]
        if not closed:
            return []
        streamed = all(self._track.agrees(candle) for candle in closed)
        end = closed[-1].ts + width.delta
        self._track.skip_to(end)
        # A flat row of a window in which nobody traded is one of the two ways to say so; it is no candle, and the span includes it.
        traded = [candle for candle in closed if not candle.empty]
        if traded:
            self.hand_on(
                traded, FeedSource.STREAM if streamed else FeedSource.POLLING, (self._spoken_until or since, end)
            )
            self._spoken_until = end
        return traded

    def _out_of_reach(self, page: Sequence[Candle], since: datetime) -> str:
        """Why a page that begins later than asked says nothing of what lies before it; empty where it does.

        Of a venue that nobody has looked at, a page that begins much later may be its newest, whatever it was asked for.
        """
        width, reach = self._track.timeframe, self.around.ask.reach(self._track.timeframe)
        late = (page[0].ts - since) // width.delta
        if reach is not None:
            cut = late > 0 and len(page) >= reach * _NEARLY_ALL
            return f"{self.key.exchange} reaches back {reach} candles over REST" if cut else ""
        doubtful = late > QUIET_HEAD and self.key.exchange not in _BEGIN_WHERE_ASKED
        return f"{self.key.exchange} begins {late} candles later than asked over REST" if doubtful else ""

    def _behind_an_empty_page(self, since: datetime, ended: datetime) -> datetime | None:
        """Where to go on asking: a venue that pages looks no further than a page's length, and nobody may have traded for longer.

        None where it has been asked for all there is, or the stream told of a candle that REST does not show.
        """
        after = since + SHORTEST_PAGE * self._track.timeframe.delta
        told = self._track.first()
        whole = self.around.ask.reach(self._track.timeframe) is not None
        return None if whole or after > ended or (told is not None and told < after) else after

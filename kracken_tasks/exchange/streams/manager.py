"""``WebSocketManager``: streams of any venue, with polling behind them.

In: which exchanges, how patient to be.  Out: tickers, trades, closed candles and books, as async iterators or to callbacks.
Never: a trade twice, a candle that still runs, silence about a hole, a task or a socket left behind.

    async with WebSocketManager("kraken") as streams:
        async for trade in streams.trades("BTC/USD"):
            ...

One feed is pumped once, however many listen.  A listener that does not keep up gets the newest quote and book, and every trade and candle:
if it falls ``most_waiting`` batches behind, it is told so by an error instead of being lied to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, cast

from kracken_tasks.domain.clock import pause
from kracken_tasks.domain.market import Balance, Timeframe
from kracken_tasks.domain.trading import Fill, VenueOrder
from kracken_tasks.errors import KrackenError, Misconfigured
from kracken_tasks.exchange.streams.account_feed import AccountFeed
from kracken_tasks.exchange.streams.backoff import Backoff
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.latecomers import Latecomer
from kracken_tasks.exchange.streams.listener import Listener
from kracken_tasks.exchange.streams.opening import Accounts, Halves, ccxt_accounts, ccxt_halves, configured
from kracken_tasks.exchange.streams.pump import Pump, Surroundings
from kracken_tasks.exchange.streams.pumps import Resume, pump_for
from kracken_tasks.exchange.streams.words import (
    Batch,
    Book,
    Candle,
    Channel,
    FeedKey,
    FeedStatus,
    Gap,
    Item,
    PublicTrade,
    StreamTiming,
    Ticker,
)

__all__ = ["WebSocketManager"]

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 10_000
_END_SECONDS: Final = 5.0
_LOOK_AGAIN: Final = 0.05

Callback = Callable[[Any], Awaitable[None] | None]


class _Closed(Exception):
    """The manager was closed while somebody listened."""


class _Venue:
    """One exchange: its halves, its clock, its feeds."""

    def __init__(self, exchange: str, halves: Halves, timing: StreamTiming, seed: int) -> None:
        self.clock = StreamClock()
        source, ask = halves(exchange, self.clock)
        self.around = Surroundings(source, ask, self.clock, timing, seed)
        self.pumps: dict[FeedKey, tuple[Pump, asyncio.Task[None]]] = {}
        self.keeper = asyncio.create_task(self._keep_time(), name=f"{exchange} clock")

    async def _keep_time(self) -> None:
        timing = self.around.timing
        pauses = Backoff(timing.backoff_first, timing.backoff_most, seed=f"{self.around.seed}|clock")
        while True:
            try:
                self.clock.told(await self.around.ask.now())
                pauses.reset()
                seconds = timing.clock
            except KrackenError as error:
                _log.warning("the venue does not tell its time: %s", error)
                seconds = pauses.next_pause()
            await pause(seconds)


class WebSocketManager:
    """See the module docstring.  Belongs to the event loop it is first used in; leave it with ``close`` or ``async with``."""

    def __init__(
        self,
        exchanges: str | Sequence[str] | None = None,
        *,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        backup_polling_interval: float | None = None,
        timing: StreamTiming | None = None,
        timeout_seconds: float = 10.0,
        seed: int = 0,
        halves: Halves | None = None,
        most_waiting: int = _MOST_WAITING,
        accounts: Accounts | None = None,
    ) -> None:
        """Makes no call.

        ``exchanges``: ccxt ids, the first is the default of every call (None: the enabled ones of ``config/exchanges.yaml``, as the profile
        has them; public Kraken where nothing is configured).  ``options``: ccxt's constructor options by
        exchange.  ``backup_polling_interval``: seconds between polls while a stream is down, instead of that of ``timing``.  ``seed``
        spreads reconnects.  ``halves`` and ``accounts`` replace ccxt.

        Raises: Misconfigured for no exchange, or a time out of bounds.
        """
        names = [exchanges] if isinstance(exchanges, str) else list(exchanges or ())
        base = timing or StreamTiming()
        changed = {name: getattr(base, name) for name in base.__dataclass_fields__}
        if backup_polling_interval is not None:
            changed["backup_polling_interval"] = float(backup_polling_interval)
        self._timing = StreamTiming(**changed)
        self._seed, self._most_waiting = seed, most_waiting
        if not names and halves is None and options is None:
            names, halves, accounts = configured(self._timing, accounts)
        self.exchanges = tuple(names or ("kraken",))
        self._halves = halves or ccxt_halves(dict(options or {}), timeout_seconds, self._timing)
        self._accounts = accounts or ccxt_accounts(dict(options or {}), timeout_seconds, self._timing)
        self._watched: dict[str, AccountFeed] = {}
        self._venues: dict[str, _Venue] = {}
        self._listeners: list[Listener] = []
        self._callbacks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- listening -----------------------------------------------------------------------------------------------------------

    def ticker(self, symbol: str, exchange: str | None = None) -> AsyncIterator[Ticker]:
        """Quotes as they change."""
        return cast("AsyncIterator[Ticker]", self._items(self._key(exchange, symbol, Channel.TICKER)))

    def trades(
        self, symbol: str, exchange: str | None = None, *, since: Sequence[PublicTrade] = ()
    ) -> AsyncIterator[PublicTrade]:
        """Every trade once; ``since``: the newest that are known already, everything after them is brought first, also where others
        listen to the feed already."""
        return cast(
            "AsyncIterator[PublicTrade]", self._items(self._key(exchange, symbol, Channel.TRADES), since or None)
        )

    def candles(
        self, symbol: str, timeframe: Timeframe | str = Timeframe.M1, exchange: str | None = None
    ) -> AsyncIterator[Candle]:
        """Candles when they have closed."""
        return cast(
            "AsyncIterator[Candle]",
            self._items(self._key(exchange, symbol, Channel.CANDLES, timeframe=Timeframe(timeframe))),
        )

    def book(self, symbol: str, depth: int = 10, exchange: str | None = None) -> AsyncIterator[Book]:
        """The book whenever it changes; on Kraken with its checksum verified."""
        return cast("AsyncIterator[Book]", self._items(self._key(exchange, symbol, Channel.BOOK, depth=depth)))

    def watch_orders(self, exchange: str | None = None) -> AsyncIterator[VenueOrder]:
        """Of the account whose key the options hold: every order that rests, then every order whenever it has changed.

        The private stream rings, REST tells what happened: exact numbers, and nothing left out while a stream is down.
        Raises: Misconfigured without a key.
        """
        return self._account(exchange).orders()

    def watch_my_trades(self, exchange: str | None = None, *, since: datetime | None = None) -> AsyncIterator[Fill]:
        """Every execution of the account once, oldest first: from ``since`` (market time; None: from now) on.  As ``watch_orders``."""
        return self._account(exchange).fills(since)

    def watch_balance(self, exchange: str | None = None) -> AsyncIterator[dict[str, Balance]]:
        """Totals and holds of the account by asset, now and whenever one changes.  As ``watch_orders``."""
        return self._account(exchange).balances()

    def _account(self, exchange: str | None) -> AccountFeed:
        if self._closed:
            raise Misconfigured("this WebSocketManager is closed", key="WebSocketManager")
        name = self._named(exchange)
        if name not in self._watched:
            self._watched[name] = AccountFeed(name, *self._accounts(name), self._timing)
        return self._watched[name]

    def on_ticker(self, callback: Callback, symbol: str, exchange: str | None = None) -> asyncio.Task[None]:
        """Call back with every quote.  Cancel the returned task to stop."""
        return self._calling(callback, self.ticker(symbol, exchange))

    def on_trade(self, callback: Callback, symbol: str, exchange: str | None = None) -> asyncio.Task[None]:
        """Call back with every trade."""
        return self._calling(callback, self.trades(symbol, exchange))

    def on_candle(
        self, callback: Callback, symbol: str, timeframe: Timeframe | str = Timeframe.M1, exchange: str | None = None
    ) -> asyncio.Task[None]:
        """Call back with every closed candle."""
        return self._calling(callback, self.candles(symbol, timeframe, exchange))

    def on_book(
        self, callback: Callback, symbol: str, depth: int = 10, exchange: str | None = None
    ) -> asyncio.Task[None]:
        """With every state of the book."""
        return self._calling(callback, self.book(symbol, depth, exchange))

    async def batches(
        self, keys: Iterable[FeedKey], resume: Mapping[FeedKey, Resume] | None = None
    ) -> AsyncIterator[Batch | Gap]:
        """Everything of several feeds as it comes, holes that could not be filled included: what a recorder reads.

        Raises: Misconfigured for a symbol that a venue does not list; BadData if the reader falls too far behind.
        """
        listener = Listener(keys, self._most_waiting)
        self._listeners.append(listener)
        late: dict[FeedKey, Latecomer] = {}
        try:
            for key in sorted(listener.keys, key=str):
                one = self._join(key, (resume or {}).get(key))
                if one is not None:
                    late[key] = one
            for one in late.values():
                async for missed in one.missed():
                    yield missed
            while True:
                try:
                    told: Batch | Gap | None = await listener.next()
                except _Closed:
                    return
                if isinstance(told, Batch) and told.key in late:
                    told = late[told.key].new_of(told)
                if told is not None:
                    yield told
        finally:
            self._listeners.remove(listener)
            await self._stop_unheard(listener.keys)

    # -- looking -------------------------------------------------------------------------------------------------------------

    def status(self) -> tuple[FeedStatus, ...]:
        """How every running feed is doing, by exchange, symbol and channel."""
        found = [pump.status() for venue in self._venues.values() for pump, _ in venue.pumps.values()]
        return tuple(sorted(found, key=lambda status: str(status.key)))

    def clock(self, exchange: str | None = None) -> StreamClock:
        """Market time of a venue that is listened to.  Raises: KeyError for one that is not."""
        return self._venues[exchange or self.exchanges[0]].clock

    async def market_now(self, exchange: str | None = None) -> datetime:
        """A venue's time; waits until it has told it once."""
        clock = self._venue(exchange or self.exchanges[0]).clock
        while not clock.running:
            await pause(_LOOK_AGAIN)
        return clock.now()

    async def close(self) -> None:
        """End every feed, task and socket.  Iterators end."""
        self._closed = True
        for task in list(self._callbacks):
            task.cancel()
        for listener in list(self._listeners):
            listener.fail(_Closed())
        await asyncio.gather(*(watched.close() for watched in self._watched.values()))
        for venue in list(self._venues.values()):
            await _end([venue.keeper, *(task for _, task in venue.pumps.values())])
            venue.pumps.clear()
            await venue.around.source.close()
            await venue.around.ask.close()
        self._venues.clear()
        await _end(list(self._callbacks))

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _key(self, exchange: str | None, symbol: str, channel: Channel, **rest: Any) -> FeedKey:
        return FeedKey(self._named(exchange), symbol, channel, **rest)

    def _named(self, exchange: str | None) -> str:
        name = exchange or self.exchanges[0]
        if name not in self.exchanges:
            raise Misconfigured(
                f"no streams of {name!r} here; allowed: {', '.join(self.exchanges)}",
                key="exchange", value=name, allowed=self.exchanges,
            )  # fmt: skip
        return name

    async def _items(self, key: FeedKey, resume: Resume | None = None) -> AsyncIterator[Item]:
        told = self.batches([key], None if resume is None else {key: resume})
        try:
            while True:
                try:
                    one = await anext(told)
                except StopAsyncIteration:
                    return
                if isinstance(one, Batch):
                    for item in one.items:
                        yield item
        finally:
            await told.aclose()  # type: ignore[attr-defined]  # an async generator

    def _calling(self, callback: Callback, items: AsyncIterator[Any]) -> asyncio.Task[None]:
        async def call() -> None:
            async for item in items:
                answer = callback(item)
                if answer is not None:
                    await answer

        task = asyncio.create_task(call())
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)
        return task

    def _join(self, key: FeedKey, resume: Resume | None) -> Latecomer | None:
        """Start a feed, or join one that is running; then what the listener missed is brought to it alone."""
        venue = self._venue(key.exchange)
        if key in venue.pumps:
            if not resume:
                return None
            if isinstance(resume, datetime):
                raise Misconfigured(f"{key} has been begun by another listener: it cannot begin again", key="resume")
            return Latecomer(key, venue.around, resume, venue.pumps[key][0].newest)
        pump = pump_for(key, venue.around, self._post, resume)
        task = asyncio.create_task(pump.run(), name=str(key))
        venue.pumps[key] = (pump, task)
        task.add_done_callback(lambda done: self._ended(key, done))
        return None

    def _venue(self, exchange: str) -> _Venue:
        if self._closed:
            raise Misconfigured("this WebSocketManager is closed", key="WebSocketManager")
        if exchange not in self._venues:
            self._venues[exchange] = _Venue(exchange, self._halves, self._timing, self._seed)
        return self._venues[exchange]

    def _post(self, told: Batch | Gap) -> None:
        for listener in self._listeners:
            if told.key in listener.keys:
                listener.post(told)

    def _ended(self, key: FeedKey, task: asyncio.Task[None]) -> None:
        """A pump ends by itself only for what no waiting mends: its listeners hear why."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        for listener in self._listeners:
            if key in listener.keys:
                listener.fail(error)

    async def _stop_unheard(self, keys: Iterable[FeedKey]) -> None:
        for key in keys:
            venue = self._venues.get(key.exchange)
            if venue is None or key not in venue.pumps or any(key in other.keys for other in self._listeners):
                continue
            _, task = venue.pumps.pop(key)
            await _end([task])
            await venue.around.source.drop(key)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        done, _ = await asyncio.wait(tasks, timeout=_END_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # told to the listeners already

"""An account as it changes: its private stream says that something happened, the venue's REST says what.

In: a stream of hints, the account to ask.  Out: orders, fills and balances as ``CcxtVenue`` tells them, exact to the digit, each change
once.  Never: a fill left out because a frame was lost, a number that passed through float, trust in silence.

Private frames of venues are lean (Kraken's cancellation names neither symbol nor price) and ccxt makes floats of them, so they are a
bell and nothing more.  After each ring the account is asked at once and, because REST may lag, once more ``settle`` seconds later; without
a ring every ``look_again`` seconds; while the stream is down every ``backup_polling_interval``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Container, Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from kracken_tasks.domain.clock import pause
from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.trading import Fill, VenueOrder
from kracken_tasks.errors import KrackenError, Misconfigured, RetryLater
from kracken_tasks.exchange.streams.backoff import Backoff
from kracken_tasks.exchange.streams.words import StreamTiming

__all__ = ["AccountBell", "AccountFeed", "WatchedAccount"]

T = TypeVar("T")
_log = logging.getLogger(__name__)
# How far back each look reaches behind the one before: a fill is told once the venue has booked it, up to a minute after it happened.
_OVERLAP: Final = timedelta(minutes=5)
_LOOK_AGAIN: Final = 60.0


class AccountBell(Protocol):
    """The streaming half of an account."""

    async def ring(self) -> None:
        """Return when something happened on the account.  Raises: StreamTrouble when the stream broke, hangs or was refused."""
        ...

    async def drop(self) -> None:
        """Throw the connection away; the next ``ring`` makes another, with a fresh token."""
        ...


class WatchedAccount(Protocol):
    """The asking half: what is used of ``CcxtVenue``."""

    def now(self) -> datetime: ...
    def balances(self) -> dict[str, Balance]: ...
    def open_orders(self) -> list[VenueOrder]: ...
    def closed_orders(self, start: datetime) -> list[VenueOrder]: ...
    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]: ...
    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]: ...


class AccountFeed:
    """One account, however many listen.  Its bell is heard while somebody does; ``close`` ends it."""

    def __init__(
        self,
        exchange: str,
        account: WatchedAccount,
        bell: AccountBell,
        timing: StreamTiming,
        *,
        look_again: float = _LOOK_AGAIN,
    ) -> None:
        self._exchange, self._account, self._bell, self._timing = exchange, account, bell, timing
        self._look_again = look_again
        self._waiting: set[asyncio.Event] = set()
        self._listening: asyncio.Task[None] | None = None
        self._error: KrackenError | None = None
        self._closed = False
        self.rings = 0
        self.trouble = "not heard yet"

    async def orders(self) -> AsyncIterator[VenueOrder]:
        """Every order that rests now, then every order whenever it has changed, those that opened and ended in one go included."""
        known: dict[str, VenueOrder] = {}
        start = await self._ask(self._account.now)
        first = True
        async for _ in self._moments():
            began = await self._ask(self._account.now)
            resting = {order.order_id: order for order in await self._ask(self._account.open_orders)}
            gone = [order_id for order_id, order in known.items() if order.status.resting and order_id not in resting]
            ended = await self._ended(start - _OVERLAP, gone)
            if first:  # what has ended before anybody listened is no news
                known, first = dict(ended), False
            listed = {**ended, **resting}
            news = [order for order in listed.values() if known.get(order.order_id) != order]
            start, known = began, listed
            for order in sorted(news, key=lambda one: one.opened_at):
                yield order

    async def _ended(self, start: datetime, gone: list[str]) -> dict[str, VenueOrder]:
        try:
            ended = {order.order_id: order for order in await self._ask(lambda: self._account.closed_orders(start))}
        except Misconfigured:  # a venue that lists none (Bitstamp): those that were seen resting can be asked for
            ended = {}
        left = [order_id for order_id in gone if order_id not in ended]
        return ended | (await self._ask(lambda: self._account.orders(left)) if left else {})

    async def fills(self, since: datetime | None = None) -> AsyncIterator[Fill]:
        """Every execution once, oldest first: those at or after ``since`` (market time; None: from now on)."""
        begin: datetime = await self._ask(self._account.now) if since is None else since
        start = begin
        told: dict[str, datetime] = {}
        async for _ in self._moments():
            began = await self._ask(self._account.now)
            span, known = max(begin, start - _OVERLAP), frozenset(told)
            found = await self._ask(lambda span=span, known=known: self._account.fills(span, known))  # type: ignore[misc]
            for fill in sorted(found, key=lambda one: (one.ts, one.trade_id)):
                if fill.trade_id not in told:
                    told[fill.trade_id] = fill.ts
                    yield fill
            start = began
            told = {trade_id: ts for trade_id, ts in told.items() if ts >= start - 2 * _OVERLAP}

    async def balances(self) -> AsyncIterator[dict[str, Balance]]:
        """Totals and holds by asset now, then whenever one has changed."""
        last: dict[str, Balance] | None = None
        async for _ in self._moments():
            told = await self._ask(self._account.balances)
            if told != last:
                last = told
                yield told

    async def close(self) -> None:
        """Iterators end."""
        self._closed = True
        for rung in self._waiting:
            rung.set()
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait({listening})
        await self._bell.drop()

    # -- when to look --------------------------------------------------------------------------------------------------------

    async def _moments(self) -> AsyncIterator[None]:
        rung = asyncio.Event()
        self._waiting.add(rung)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name=f"{self._exchange} account")
        try:
            yield
            while True:
                happened = await _within(rung.wait(), self._look_again)
                rung.clear()
                if self._over():
                    return
                yield
                if happened and not await _within(rung.wait(), self._timing.settle):
                    yield
        finally:
            self._waiting.discard(rung)

    def _over(self) -> bool:
        """Raises: what ended the bell for good."""
        if self._error is not None:
            raise self._error
        return self._closed

    async def _listen(self) -> None:
        """Hear the bell until cancelled.  Where it is out of order, it is taken to ring at every polling interval."""
        pauses = Backoff(self._timing.backoff_first, self._timing.backoff_most, seed=f"{self._exchange}|account")
        while True:
            try:
                await self._bell.ring()
                self.trouble = ""
                self.rings += 1
                pauses.reset()
            except RetryLater as error:
                self.trouble = str(error)
                _log.warning("%s: the account's stream: %s", self._exchange, error)
                await self._bell.drop()
                await pause(max(pauses.next_pause(), self._timing.backup_polling_interval))
            except KrackenError as error:
                self._error = error
            for rung in self._waiting:
                rung.set()
            if self._error is not None:
                return

    async def _ask(self, question: Callable[[], T]) -> T:
        """Ask until there is an answer.  Raises: what no waiting mends (Misconfigured, BadData)."""
        pauses = Backoff(self._timing.backoff_first, self._timing.backoff_most, seed=f"{self._exchange}|asking")
        while True:
            try:
                return await asyncio.to_thread(question)
            except RetryLater as error:
                _log.warning("%s: the account: %s", self._exchange, error)
                await pause(pauses.next_pause())


async def _within(waiting: object, seconds: float) -> bool:
    try:
        await asyncio.wait_for(waiting, seconds)  # type: ignore[arg-type]
    except TimeoutError:
        return False
    return True

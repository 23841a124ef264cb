"""One feed kept alive: from its stream while that works, from questions over REST while it does not.

In: a stream, questions, a clock.  Out: ``Batch`` and ``Gap`` to whoever listens, and a status.  Never: an end by itself, an unbounded
wait, a thing handed on twice, a hole that nobody is told of.

A session is one subscription.  Silence in it is not trusted: after ``quiet`` seconds REST is asked whether anything was missed.  If so,
or if the connection is dead, rejected or lies, the session ends; then the feed is polled every ``backup_polling_interval`` until the next
session, after a pause that grows, has brought its first message.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kracken_tasks.domain.clock import monotonic_seconds, pause
from kracken_tasks.errors import KrackenError, Misconfigured
from kracken_tasks.exchange.streams.backoff import Backoff
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.source import StreamSource, StreamTrouble, VenueQuestions
from kracken_tasks.exchange.streams.words import (
    Batch,
    Candle,
    FeedKey,
    FeedSource,
    FeedStatus,
    Gap,
    Item,
    PublicTrade,
    StreamTiming,
)

__all__ = ["Post", "Pump", "Surroundings"]

_log = logging.getLogger(__name__)

Post = Callable[[Batch | Gap], None]
_SHORTEST_WAIT = 0.01


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all feeds of a venue share."""

    source: StreamSource
    ask: VenueQuestions
    clock: StreamClock
    timing: StreamTiming
    seed: int = 0


@dataclass(slots=True)
class _Counts:
    messages: int = 0
    items: int = 0
    polls: int = 0
    reconnects: int = 0
    filled: int = 0
    filled_items: int = 0
    lost: int = 0
    source: FeedSource = FeedSource.NONE
    last_message: datetime | None = None
    last_steady: float | None = None
    confirmed_at: datetime | None = None
    lag: float | None = None
    trouble: str = ""


@dataclass(slots=True)
class _Session:
    """One subscription: since when (steady clock, market time), and when it first brought something."""

    began: float
    began_at: datetime
    opened: float | None = None


class Pump(ABC):
    """See the module docstring.  One per feed; ``run`` is its whole life."""

    opens_at_once = True
    """Whether venues answer a subscription with the present state, so that none of it means that the subscription hangs."""

    def __init__(self, key: FeedKey, around: Surroundings, post: Post) -> None:
        self.key, self.around = key, around
        self._post = post
        self._backoff = Backoff(
            around.timing.backoff_first, around.timing.backoff_most, seed=f"{around.seed}|{key}"
        )  # one seed, many feeds: they must not come back in step
        self._counts = _Counts()
        self._poll_due = 0.0
        self._session: _Session | None = None

    # -- what a channel adds -------------------------------------------------------------------------------------------------

    @abstractmethod
    async def take(self, items: Sequence[Item], *, opening: bool) -> None:
        """Hand on what a message brought.  ``opening``: it is the first of its session."""

    @abstractmethod
    async def catch_up(self) -> bool:
        """Ask over REST and hand on what is new; True if the stream should have brought some of it by now."""

    @property
    def newest(self) -> PublicTrade | None:
        """The newest trade handed on; None for other channels, and before the first."""
        return None

    def wait_at_most(self) -> float:
        """How long to wait for a message before looking whether something else is due."""
        return self.around.timing.quiet

    async def while_waiting(self) -> None:  # noqa: B027  # most channels have nothing to do then
        """Called each time a wait ends without a message."""

    def session_over(self) -> None:  # noqa: B027
        """Called when a session has ended, before anything is polled."""

    # -- its life ------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled.

        Raises: Misconfigured for a symbol that the venue does not list, which no waiting mends.  One that was heard before and is taken
        off the list is trouble of this feed alone: the feeds beside it go on.
        """
        await self._until_the_clock_runs()
        self._poll_due = monotonic_seconds()
        while not self.around.source.streams(self.key):
            await self._poll_for(self.around.timing.backup_polling_interval)
        while True:
            try:
                await self._one_session()
            except KrackenError as error:
                if isinstance(error, Misconfigured) and not self._counts.items:
                    raise
                self._lost(str(error))
            await self.around.source.drop(self.key)
            await self._poll_for(self._backoff.next_pause())

    async def _until_the_clock_runs(self) -> None:
        while not self.around.clock.running:
            self._counts.trouble = "waiting for the venue to tell its time"
            await pause(min(self.around.timing.backoff_first, 0.2))
        self._counts.trouble = ""

    async def _one_session(self) -> None:
        session = self._session = _Session(monotonic_seconds(), self.now())
        try:
            while True:
                items = await self._next_message(session)
                opening = session.opened is None
                opened = session.opened = session.opened or monotonic_seconds()
                self._heard(items)
                await self.take(items, opening=opening)
                self._set_source(FeedSource.STREAM)
                if monotonic_seconds() - opened >= self.around.timing.stable:
                    self._backoff.reset()
        finally:
            self._session = None
            self.session_over()

    async def _next_message(self, session: _Session) -> Sequence[Item]:
        """Wait for a message, and do not believe in silence."""
        waiting = asyncio.ensure_future(self.around.source.next_items(self.key))
        since = monotonic_seconds()
        asked = since
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=max(self.wait_at_most(), _SHORTEST_WAIT))
                if done:
                    return _result_of(waiting)
                self._require_alive(session)
                await self.while_waiting()
                now = monotonic_seconds()
                if now - asked >= self.around.timing.quiet:
                    asked = now
                    await self._doubt(session, silent_for=now - since)
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting}, timeout=1.0)

    def _require_alive(self, session: _Session) -> None:
        trouble = self.around.source.trouble(self.key)
        if trouble:
            raise StreamTrouble(trouble, feed=str(self.key))
        age = self.around.source.frame_age(self.key)
        if age is not None and age > self.around.timing.silence:
            raise StreamTrouble(f"no frame of any kind for {age:.1f} s", feed=str(self.key))
        if age is None and session.opened is None and monotonic_seconds() - session.began > self.around.timing.silence:
            raise StreamTrouble(f"no connection within {self.around.timing.silence:g} s", feed=str(self.key))

    async def _doubt(self, session: _Session, silent_for: float) -> None:
        """Silence: ask whether there was anything to hear."""
        if session.opened is None:
            self._set_source(FeedSource.POLLING)
        late = monotonic_seconds() - session.began > self.around.timing.subscribe
        missed = await self._ask()
        if missed and (session.opened is not None or late):
            raise StreamTrouble(f"silent for {silent_for:.1f} s while the venue had news", feed=str(self.key))
        if late and session.opened is None and self.opens_at_once:
            raise StreamTrouble(
                f"the subscription has brought nothing in {self.around.timing.subscribe:g} s", feed=str(self.key)
            )

    async def _poll_for(self, seconds: float) -> None:
        """Pause for ``seconds``, asking whenever a poll is due."""
        until = monotonic_seconds() + seconds
        while (now := monotonic_seconds()) < until:
            if now < self._poll_due:
                await pause(min(until, self._poll_due) - now)
                continue
            await self._ask()

    async def _ask(self) -> bool:
        """One poll; what goes wrong in it is told in the status."""
        self._poll_due = monotonic_seconds() + self.around.timing.backup_polling_interval
        try:
            missed = await self.catch_up()
        except KrackenError as error:
            if isinstance(error, Misconfigured) and not self._counts.items:
                raise
            self._counts.trouble = str(error)
            if self._session is None or self._session.opened is None:
                self._set_source(FeedSource.NONE)
            return False
        self._counts.polls += 1
        self._confirm()
        if self._session is None or self._session.opened is None:
            self._set_source(FeedSource.POLLING)
        return missed

    # -- what it tells -------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.around.clock.now()

    def hand_on(
        self,
        items: Sequence[Item],
        source: FeedSource,
        covered: tuple[datetime, datetime] | None = None,
    ) -> None:
        if not items:
            return
        self._counts.items += len(items)
        self._post(Batch(self.key, source, tuple(items), self.now(), covered))

    def tell_gap(self, start: datetime, end: datetime, reason: str) -> None:
        self._counts.lost += 1
        self._counts.trouble = reason
        _log.warning("%s: lost %s to %s: %s", self.key, start.isoformat(), end.isoformat(), reason)
        self._post(Gap(self.key, start, end, reason, self.now()))

    def tell_filled(self, items: int) -> None:
        self._counts.filled += 1
        self._counts.filled_items += items

    def note_trouble(self, what: str) -> None:
        self._counts.trouble = what

    def tell_lag(self, stamp: datetime) -> None:
        self._counts.lag = (self.now() - stamp).total_seconds()

    def _confirm(self) -> None:
        self._counts.confirmed_at = self.now()

    def _heard(self, items: Sequence[Item]) -> None:
        self._counts.messages += 1
        for item in items[-1:]:
            if not isinstance(item, Candle):  # a candle's stamp is its open time
                self.around.clock.saw(item.ts)
        self._counts.last_message = self.now()
        self._counts.last_steady = monotonic_seconds()
        self._poll_due = monotonic_seconds() + self.around.timing.backup_polling_interval
        self._confirm()

    def _lost(self, why: str) -> None:
        self._counts.trouble = why
        self._counts.reconnects += 1
        _log.warning("%s: stream lost: %s", self.key, why)
        if self._counts.source is FeedSource.STREAM:
            self._set_source(FeedSource.NONE)

    def _set_source(self, source: FeedSource) -> None:
        if source is self._counts.source:
            return
        before, self._counts.source = self._counts.source, source
        if source is FeedSource.STREAM:
            self._counts.trouble = ""
        note = f" ({self._counts.trouble})" if self._counts.trouble else ""
        _log.info("%s: %s, was %s%s", self.key, source.value, before.value, note)

    def status(self) -> FeedStatus:
        told = self._counts
        silent = None if told.last_steady is None else monotonic_seconds() - told.last_steady
        return FeedStatus(
            key=self.key, source=told.source, last_message=told.last_message, confirmed_at=told.confirmed_at,
            silent_seconds=silent, lag_seconds=told.lag, messages=told.messages, items=told.items, polls=told.polls,
            reconnects=told.reconnects, filled=told.filled, filled_items=told.filled_items, lost=told.lost, trouble=told.trouble,
        )  # fmt: skip


def _result_of(waiting: asyncio.Future[Sequence[Item]]) -> Sequence[Item]:
    # A wait that the library cancelled (its socket was thrown away) is a broken stream, not our own end.
    if waiting.cancelled():
        raise StreamTrouble("the connection was thrown away")
    return waiting.result()

"""From streams to commits: small batches, each staged, judged and committed like everything else in the lake.

In: a ``WebSocketManager``, feeds, a lake, the contract's judge, a board for pulses.  Out: commits, typed gaps, a report.
Never: a commit without a verdict, two commits at once, a span claimed of which something is missing, an end that loses what has come,
memory without a bound (see ``Backlog``), a feed or a pulse that waits for the lake: both are written beside the listening.

Killed at any instant, what was not committed is fetched again by the next run, which goes on behind the newest committed trade; what was
committed is known again by its id.  Order matters for that: a hole is filled before newer trades are handed on, so the newest committed
trade has all before it.  The exception, a hole that could not be filled in time, is committed as one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.errors import KrackenError, Misconfigured, RetryLater
from kracken_tasks.exchange.streams import Batch, FeedKey, FeedStatus, Gap, WebSocketManager
from kracken_tasks.exchange.streams.pumps import Resume
from kracken_tasks.feeds.backlog import Backlog, Round, covered
from kracken_tasks.feeds.board import FeedBoard
from kracken_tasks.feeds.frames import frame_of
from kracken_tasks.feeds.report import FeedReport, RecorderReport
from kracken_tasks.feeds.resume import resume_points
from kracken_tasks.lake import Lake

__all__ = ["Judge", "Recorder", "RecorderRules"]

_log = logging.getLogger(__name__)

Judge = Callable[[StagedBatch, datetime], Verdict]

_SHORTEST_WAIT: Final = 0.005


@dataclass(frozen=True, slots=True)
class RecorderRules:
    """When a batch is committed, and how often a pulse is told (seconds on the steady clock; rows over all feeds).

    ``most_rows``: how many may wait while the lake cannot be written; beyond it the oldest leave a gap.  ``resume_most``: a feed whose
    last row is older begins afresh; what lies between is left to a backfill.  ``end``: how long the last commit may take when the run is
    stopped.

    Raises: Misconfigured for what is not above zero, or room for less than a batch.
    """

    batch_seconds: float = 15.0
    batch_rows: int = 5_000
    most_rows: int = 200_000
    beat_seconds: float = 1.0
    resume_most: timedelta = timedelta(days=1)
    end: float = 60.0

    def __post_init__(self) -> None:
        for name in ("batch_seconds", "batch_rows", "beat_seconds", "end"):
            if not getattr(self, name) > 0:
                raise Misconfigured(f"{name} = {getattr(self, name)!r}: allowed is anything above 0", key=name)
        if self.most_rows < self.batch_rows:
            told = f"most_rows = {self.most_rows}: allowed is batch_rows = {self.batch_rows} and more"
            raise Misconfigured(told, key="most_rows", value=self.most_rows)


class Recorder:
    """One run over some feeds.  ``record=False`` listens and tells pulses, and commits nothing."""

    def __init__(
        self,
        streams: WebSocketManager,
        keys: Sequence[FeedKey],
        lake: Lake,
        judge: Judge,
        board: FeedBoard,
        *,
        holder: str,
        rules: RecorderRules | None = None,
        record: bool = True,
    ) -> None:
        """``holder`` names this recorder among others (letters, digits, ``.``, ``-``, ``_``)."""
        if not keys:
            raise Misconfigured("nothing to record: no feed is named", key="feeds")
        self._streams, self.keys = streams, tuple(dict.fromkeys(keys))
        self._lake, self._judge, self._board = lake, judge, board
        self._holder, self._rules, self._record = holder, rules or RecorderRules(), record
        self.backlog = Backlog(self._rules.most_rows)
        self._oldest_waiting: float | None = None
        self._held_up = False  # the last commit could not be made
        self._rows: dict[FeedKey, int] = dict.fromkeys(self.keys, 0)
        self._commits = self._committed = self._rejected = self._gaps = 0
        self._judging = 0.0
        self._seqs: list[int] = []
        self._began = monotonic_seconds()
        self._next_beat = 0.0
        self._flight: asyncio.Task[None] | None = None  # of a commit
        self._telling: asyncio.Task[None] | None = None  # of a pulse
        self._statuses: dict[FeedKey, FeedStatus] = {}  # as they were when the run ended

    # -- running -------------------------------------------------------------------------------------------------------------

    async def run(
        self,
        *,
        seconds: float | None = None,
        progress: Callable[[RecorderReport], None] | None = None,
        heard: Callable[[Batch | Gap], None] | None = None,
    ) -> RecorderReport:
        """Record for so long, or until cancelled; either way what has come is committed before this returns.

        ``progress`` hears after every beat, ``heard`` of everything that comes.
        Raises: Misconfigured for a symbol that a venue does not list; BadData from a lake that cannot be read or written.
        """
        self._began = monotonic_seconds()
        until = None if seconds is None else self._began + seconds
        told = self._streams.batches(self.keys, await self._resume(seconds))
        waiting: asyncio.Future[Batch | Gap] | None = None
        try:
            while until is None or monotonic_seconds() < until:
                waiting = waiting or asyncio.ensure_future(_next(told))
                pending: set[asyncio.Future[Any]] = {waiting} if self._flight is None else {waiting, self._flight}
                await asyncio.wait(pending, timeout=self._wait(until), return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    one, waiting = waiting.result(), None
                    if heard is not None:
                        heard(one)
                    self._take(one)
                self._land()
                if self._flight is None and self._due():
                    self._flight = asyncio.create_task(self._commit_waiting())
                if self._beat() and progress is not None:
                    progress(self.report())
        finally:
            await _to_its_end(self._end(told, waiting), self._rules.end)
            await told.aclose()  # type: ignore[attr-defined]  # an async generator
        return self.report()

    def report(self) -> RecorderReport:
        """What has been done so far."""
        statuses = self._statuses or self._running()
        return RecorderReport(
            feeds=tuple(FeedReport(statuses[key], self._rows[key]) for key in self.keys if key in statuses),
            commits=self._commits, rows=self._committed, rejected=self._rejected, gaps=self._gaps,
            seconds=monotonic_seconds() - self._began, seconds_judging=self._judging,
            first_seq=min(self._seqs, default=None), last_seq=max(self._seqs, default=None), gave_way=self.backlog.gave_way,
        )  # fmt: skip

    def _running(self) -> dict[FeedKey, FeedStatus]:
        return {status.key: status for status in self._streams.status()}

    # -- batches -------------------------------------------------------------------------------------------------------------

    def _take(self, one: Batch | Gap) -> None:
        if isinstance(one, Gap):
            self._gaps += 1
        if not self._record or one.key.stored_as is None:
            return
        before = self.backlog.gave_way
        self.backlog.add(one)
        if self.backlog.gave_way and not before:
            _log.error(
                "the lake cannot be written, and more than %d rows wait: the oldest leave gaps", self._rules.most_rows
            )
        if self._oldest_waiting is None:
            self._oldest_waiting = monotonic_seconds()

    def _due(self) -> bool:
        if self._oldest_waiting is None:
            return False
        old = monotonic_seconds() - self._oldest_waiting >= self._rules.batch_seconds
        return old or (self.backlog.rows >= self._rules.batch_rows and not self._held_up)

    def _land(self) -> None:
        """Raises: what a commit ended with that no waiting mends."""
        if self._flight is not None and self._flight.done():
            flight, self._flight = self._flight, None
            flight.result()

    async def _flush(self) -> None:
        """Wait for the commit that is on its way, then commit what waits."""
        for _ in range(2):
            if self._flight is None:
                self._flight = asyncio.create_task(self._commit_waiting())
            await asyncio.wait({self._flight})
            self._land()

    async def _commit_waiting(self) -> None:
        """If the lake cannot be reached now, or its disk is full, what is not committed goes on waiting."""
        if not self.backlog:
            return
        left, self._oldest_waiting = self.backlog.take(), None
        now, started = self._known_at(left), monotonic_seconds()
        try:
            while left:
                await asyncio.to_thread(self._commit, left[0], now)
                for key, batches in left.pop(0).batches.items():
                    self._rows[key] += sum(len(batch.items) for batch in batches)
            self._held_up = False
        except (RetryLater, OSError) as error:
            self._held_up = True
            self.backlog.put_back(left)
            self._oldest_waiting = monotonic_seconds()
            _log.warning("%d rows could not be committed and wait on: %s", self.backlog.rows, error)
        self._judging += monotonic_seconds() - started

    def _commit(self, one: Round, now: datetime) -> None:
        """The rows first: a gap that rows lie in says nothing of their times.  Done twice it is done once: rows are known again."""
        if one.batches:
            self._commit_unbroken(one.batches, now)
        gaps = [gap for gap in one.gaps if gap.end > gap.start]
        if gaps:
            told = [
                (stored, gap.start, gap.end, gap.reason) for gap in gaps if (stored := gap.key.stored_as) is not None
            ]
            self._lake.mark_outages(told, known_at=max(now, *(gap.received for gap in gaps)))

    def _commit_unbroken(self, taken: Mapping[FeedKey, Sequence[Batch]], now: datetime) -> None:
        staged = []
        for key, batches in sorted(taken.items(), key=lambda pair: str(pair[0])):
            stored, frame = key.stored_as, frame_of(batches)
            assert stored is not None  # _take keeps no book
            start, end = covered(batches)
            staged.append(self._lake.stage(stored, frame, asked_from=start, asked_to=end, source="stream"))
        verdict = self._judge(StagedBatch(tuple(staged)), now)
        for finding in verdict.findings:
            if finding.action != "warn":
                _log.warning("%s: %s: %s: %s", finding.key, finding.action, finding.rule, finding.detail)
        commit = self._lake.commit(verdict, known_at=now)
        self._commits += 1
        self._committed += commit.rows_added + commit.rows_revised
        self._rejected += sum(one.rows for one in verdict.quarantined)
        self._seqs.append(commit.seq)

    # -- edges ---------------------------------------------------------------------------------------------------------------

    async def _resume(self, seconds: float | None) -> Mapping[FeedKey, Resume]:
        """Every feed goes on from what the lake knows; one that the lake left too long ago begins afresh."""
        if not self._record:
            return {}
        found: dict[FeedKey, Resume] = {}
        for exchange in dict.fromkeys(key.exchange for key in self.keys):
            theirs = [key for key in self.keys if key.exchange == exchange]
            try:
                now = await asyncio.wait_for(self._streams.market_now(exchange), seconds)
            except TimeoutError:
                _log.warning("%s did not tell its time in %g s", exchange, seconds)
                continue
            found |= await asyncio.to_thread(self._known, theirs, now)
        return found

    def _known(self, keys: Sequence[FeedKey], now: datetime) -> dict[FeedKey, Resume]:
        return resume_points(self._lake.snapshot(), keys, now=now, most=self._rules.resume_most)

    def _beat(self) -> bool:
        """Whether it was time; a pulse that the store has not taken yet is not told twice."""
        now = monotonic_seconds()
        if now < self._next_beat:
            return False
        self._next_beat = now + self._rules.beat_seconds
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_pulses())
        return True

    async def _tell_pulses(self) -> None:
        for exchange in {key.exchange for key in self.keys}:
            try:
                moment = self._streams.clock(exchange).now()
            except (KeyError, RetryLater):
                continue  # not a single answer of the venue yet: there is no market time to tell
            theirs = [one for one in self._streams.status() if one.key.exchange == exchange and one.key in self._rows]
            try:
                await asyncio.to_thread(self._board.beat, exchange, self._holder, theirs, now=moment)
            except (OSError, KrackenError) as error:
                _log.warning("%s: no pulse could be told: %s", exchange, error)

    async def _end(self, told: AsyncIterator[Batch | Gap], waiting: asyncio.Future[Batch | Gap] | None) -> None:
        """Take what has been told and not heard yet, commit it, and leave no pulse."""
        while True:
            waiting = waiting or asyncio.ensure_future(_next(told))
            done, _ = await asyncio.wait({waiting}, timeout=0)
            if not done or waiting.cancelled() or waiting.exception() is not None:
                break
            one, waiting = waiting.result(), None
            self._take(one)
        self._statuses = self._running()
        waiting.cancel()  # which ends the feeds, too
        await asyncio.wait({waiting})
        await self._flush()
        if self.backlog:
            _log.error("%d rows were not committed; the next run fetches them again", self.backlog.rows)
        if self._telling is not None:
            await asyncio.wait({self._telling})  # or it would put the pulse back
        for exchange in {key.exchange for key in self.keys}:
            await asyncio.to_thread(self._board.retire, exchange, self._holder)

    def _wait(self, until: float | None) -> float:
        now = monotonic_seconds()
        moments = [self._next_beat, *([until] if until is not None else [])]
        if self._oldest_waiting is not None and self._flight is None:
            moments.append(self._oldest_waiting + self._rules.batch_seconds)
        return max(min(moments) - now, _SHORTEST_WAIT)

    def _known_at(self, taken: Sequence[Round]) -> datetime:
        """Market time now; where a venue has not told it, when the newest row came."""
        moments = [batch.received for one in taken for batches in one.batches.values() for batch in batches]
        moments += [gap.received for one in taken for gap in one.gaps]
        for exchange in {key.exchange for one in taken for key in one.batches}:
            moments.append(self._streams.clock(exchange).now())
        return max(moments)


async def _next(told: AsyncIterator[Batch | Gap]) -> Batch | Gap:
    return await anext(told)


async def _to_its_end(work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Finish although this task is being cancelled; what takes longer than ``seconds`` is left."""
    task = asyncio.create_task(work)
    cancelled = False
    give_up = monotonic_seconds() + seconds
    while not task.done() and (left := give_up - monotonic_seconds()) > 0:
        try:
            await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            cancelled = True
    if task.done():
        task.result()
    else:
        task.cancel()
        _log.error("the last commit was not done in %g s; the next run fetches what it held", seconds)
    if cancelled:
        raise asyncio.CancelledError

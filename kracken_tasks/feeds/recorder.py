"""From streams to commits: small batches, each staged, judged and committed like everything else in the lake.

In: a ``WebSocketManager``, feeds, a lake, the contract's judge, a board for pulses.  Out: commits, typed gaps, a report.
Never: a commit without a verdict, two commits at once, a span claimed of which something is missing, an end that loses what has come.

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
from kracken_tasks.domain.market import DataKey
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.errors import KrackenError, Misconfigured, RetryLater
from kracken_tasks.exchange.streams import Batch, FeedKey, FeedStatus, Gap, WebSocketManager
from kracken_tasks.exchange.streams.pumps import Resume
from kracken_tasks.feeds.board import FeedBoard
from kracken_tasks.feeds.frames import frame_of
from kracken_tasks.feeds.report import FeedReport, RecorderReport
from kracken_tasks.feeds.resume import resume_points
from kracken_tasks.lake import Lake

__all__ = ["Judge", "Recorder", "RecorderRules"]

_log = logging.getLogger(__name__)

Judge = Callable[[StagedBatch, datetime], Verdict]

_MOMENT: Final = timedelta(microseconds=1)
_SHORTEST_WAIT: Final = 0.005


@dataclass(frozen=True, slots=True)
class RecorderRules:
    """When a batch is committed, and how often a pulse is told (seconds on the steady clock; rows over all feeds).

    ``resume_most``: a feed whose last row is older begins afresh; what lies between is left to a backfill.  ``end``: how long the last
    commit may take when the run is stopped.

    Raises: Misconfigured for what is not above zero.
    """

    batch_seconds: float = 15.0
    batch_rows: int = 5_000
    beat_seconds: float = 1.0
    resume_most: timedelta = timedelta(days=1)
    end: float = 60.0

    def __post_init__(self) -> None:
        for name in ("batch_seconds", "batch_rows", "beat_seconds", "end"):
            if not getattr(self, name) > 0:
                raise Misconfigured(f"{name} = {getattr(self, name)!r}: allowed is anything above 0", key=name)


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
        self._waiting: dict[FeedKey, list[Batch]] = {}
        self._rows_waiting = 0
        self._oldest_waiting: float | None = None
        self._held_up = False  # the last commit could not be made
        self._rows: dict[FeedKey, int] = dict.fromkeys(self.keys, 0)
        self._commits = self._committed = self._rejected = self._gaps = 0
        self._judging = 0.0
        self._seqs: list[int] = []
        self._began = monotonic_seconds()
        self._next_beat = 0.0
        self._flight: asyncio.Task[None] | None = None
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
                done, _ = await asyncio.wait({waiting}, timeout=self._wait(until))
                if done:
                    one, waiting = waiting.result(), None
                    if heard is not None:
                        heard(one)
                    await self._take(one)
                if self._due():
                    await self._flush()
                if await self._beat() and progress is not None:
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
            first_seq=min(self._seqs, default=None), last_seq=max(self._seqs, default=None),
        )  # fmt: skip

    def _running(self) -> dict[FeedKey, FeedStatus]:
        return {status.key: status for status in self._streams.status()}

    # -- batches -------------------------------------------------------------------------------------------------------------

    async def _take(self, one: Batch | Gap) -> None:
        if isinstance(one, Gap):
            await self._note_gap(one)
            return
        if not self._record or one.key.stored_as is None:
            return
        self._waiting.setdefault(one.key, []).append(one)
        self._rows_waiting += len(one.items)
        if self._oldest_waiting is None:
            self._oldest_waiting = monotonic_seconds()

    def _due(self) -> bool:
        if self._oldest_waiting is None:
            return False
        old = monotonic_seconds() - self._oldest_waiting >= self._rules.batch_seconds
        return old or (self._rows_waiting >= self._rules.batch_rows and not self._held_up)

    async def _flush(self) -> None:
        """Commit what waits.  Whoever is cancelled meanwhile leaves the commit going: newer rows must not overtake it."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._commit_waiting())
        flight = self._flight
        await asyncio.shield(flight)
        self._flight = None

    async def _commit_waiting(self) -> None:
        """If the lake cannot be reached now, or its disk is full, the rows go on waiting."""
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, {}
        rows, self._rows_waiting, self._oldest_waiting = self._rows_waiting, 0, None
        started = monotonic_seconds()
        try:
            await asyncio.to_thread(self._commit, taken, self._known_at(taken))
        except (RetryLater, OSError) as error:
            self._held_up = True
            _log.warning("%d rows could not be committed and wait on: %s", rows, error)
            for key, batches in self._waiting.items():  # what came meanwhile goes behind it
                taken.setdefault(key, []).extend(batches)
            self._waiting = taken
            self._rows_waiting, self._oldest_waiting = rows + self._rows_waiting, monotonic_seconds()
        else:
            self._held_up = False
            for key, batches in taken.items():
                self._rows[key] += sum(len(batch.items) for batch in batches)
        self._judging += monotonic_seconds() - started

    def _commit(self, taken: Mapping[FeedKey, Sequence[Batch]], now: datetime) -> None:
        """One commit, and one more for each hole: no claim reaches over one, also where the commit before it had to wait."""
        stretches = {key: _stretches(batches) for key, batches in taken.items()}
        for at in range(max(map(len, stretches.values()))):
            self._commit_unbroken({key: found[at] for key, found in stretches.items() if at < len(found)}, now)

    def _commit_unbroken(self, taken: Mapping[FeedKey, Sequence[Batch]], now: datetime) -> None:
        staged = []
        for key, batches in sorted(taken.items(), key=lambda pair: str(pair[0])):
            stored, frame = key.stored_as, frame_of(batches)
            assert stored is not None  # _take keeps no book
            start, end = _covered(batches)
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

    async def _note_gap(self, gap: Gap) -> None:
        """What came before the hole is committed first, so that no batch spans it."""
        await self._flush()
        self._gaps += 1
        stored: DataKey | None = gap.key.stored_as
        if stored is None or not self._record or gap.end <= gap.start:
            return
        try:
            await asyncio.to_thread(
                self._lake.mark_outage, stored, gap.start, gap.end, gap.reason, known_at=gap.received
            )
        except (RetryLater, OSError) as error:  # the hole stays one that nobody fetched
            _log.warning("%s: a gap could not be noted: %s", gap.key, error)

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

    async def _beat(self) -> bool:
        now = monotonic_seconds()
        if now < self._next_beat:
            return False
        self._next_beat = now + self._rules.beat_seconds
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
        return True

    async def _end(self, told: AsyncIterator[Batch | Gap], waiting: asyncio.Future[Batch | Gap] | None) -> None:
        """Take what has been told and not heard yet, commit it, and leave no pulse."""
        while True:
            waiting = waiting or asyncio.ensure_future(_next(told))
            done, _ = await asyncio.wait({waiting}, timeout=0)
            if not done or waiting.cancelled() or waiting.exception() is not None:
                break
            one, waiting = waiting.result(), None
            await self._take(one)
        self._statuses = self._running()
        waiting.cancel()  # which ends the feeds, too
        await asyncio.wait({waiting})
        if self._flight is not None:
            await self._flush()
        await self._flush()
        if self._waiting:
            _log.error("%d rows were not committed; the next run fetches them again", self._rows_waiting)
        for exchange in {key.exchange for key in self.keys}:
            await asyncio.to_thread(self._board.retire, exchange, self._holder)

    def _wait(self, until: float | None) -> float:
        now = monotonic_seconds()
        moments = [self._next_beat, *([until] if until is not None else [])]
        if self._oldest_waiting is not None:
            moments.append(self._oldest_waiting + self._rules.batch_seconds)
        return max(min(moments) - now, _SHORTEST_WAIT)

    def _known_at(self, taken: Mapping[FeedKey, Sequence[Batch]]) -> datetime:
        """Market time now; where a venue has not told it, when the newest row came."""
        moments = [batch.received for batches in taken.values() for batch in batches]
        for exchange in {key.exchange for key in taken}:
            moments.append(self._streams.clock(exchange).now())
        return max(moments)


def _stretches(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The batches of a feed, cut where a hole lies between what they speak for."""
    found: list[list[Batch]] = []
    end: datetime | None = None
    for batch in batches:
        if not found or (batch.covered is not None and end is not None and batch.covered[0] > end):
            found.append([])
        found[-1].append(batch)
        if batch.covered is not None:
            end = batch.covered[1] if end is None else max(end, batch.covered[1])
    return found


def _covered(batches: Sequence[Batch]) -> tuple[datetime, datetime]:
    """The span the batches of a stretch speak for: where none of them knows it, from their first to their last row."""
    spans = [batch.covered for batch in batches if batch.covered is not None]
    if spans:
        return min(span[0] for span in spans), max(span[1] for span in spans)
    stamps = [item.ts for batch in batches for item in batch.items]
    return min(stamps), max(stamps) + _MOMENT


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

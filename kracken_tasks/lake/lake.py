"""The lake: stage, commit what the contract accepted, and read whole snapshots.

In: frames to stage, verdicts to commit.  Out: ``StagedSeries``, ``CommitRef``, ``Snapshot``.  Never: a row without a verdict
about its exact bytes, a changed or overwritten object, a moment read from the machine's clock.

Layout of the store: ``_staging/`` (not yet judged), ``data/<exchange>/<BASE-QUOTE>/<timeframe or tape>/``, ``data/_packs/`` and
``quarantine/`` (Parquet files named by content), ``_commits/<seq>.json`` and ``_segments/`` (the truth, new and old), ``_checkpoints/``
(short cuts).  A file that no commit names does not exist for readers, so a kill at any instant leaves the snapshot before or the one
after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.domain.clock import from_ms, monotonic_seconds, to_ms
from kracken_tasks.domain.market import DataKey, SeriesKey, TapeKey, key_parts
from kracken_tasks.domain.refs import CommitRef, StagedSeries, Verdict
from kracken_tasks.errors import BadData, RetryLater
from kracken_tasks.lake import spans, staging, upkeep
from kracken_tasks.lake.arrivals import Arrival, arrivals_of
from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import Dataset, dataset_of
from kracken_tasks.lake.kept_out import quarantined
from kracken_tasks.lake.log import CommitLog
from kracken_tasks.lake.manifest import Change, Commit, FileEntry, SeriesState, State, digest
from kracken_tasks.lake.merge import Rewrite, news_of, rewrites_for, runs_to_compact, standing
from kracken_tasks.lake.outages import OutageTold, outage_changes
from kracken_tasks.lake.reader import FOREVER, BlockReader, Unit, newest, units
from kracken_tasks.lake.release import held_frame, held_rows
from kracken_tasks.lake.snapshot import Snapshot
from kracken_tasks.lake.store import Store
from kracken_tasks.lake.upkeep import Pin, Swept, UpkeepReport
from kracken_tasks.lake.writing import Drawn, NewFiles, taken_over, written

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["Lake"]

_ATTEMPTS: Final = 64


@dataclass(frozen=True, slots=True)
class _Draft:
    """A commit that is not in the log yet, and its files."""

    commit: Commit
    files: NewFiles


class Lake:
    """See the module docstring.  One per process is enough; safe to share between threads and with other processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = CommitLog(store)
        self._reader = BlockReader(store)

    # -- staging ---------------------------------------------------------------------------------------------------------

    def stage(
        self, key: DataKey, frame: pd.DataFrame, *, asked_from: datetime, asked_to: datetime, source: str
    ) -> StagedSeries:
        """Stage fetched candles, or events of a tape, as they came.

        Shapes: CANDLE_COLUMNS, TRADE_COLUMNS or QUOTE_COLUMNS (domain.market), with ``source`` a row or ``source`` for all.
        Time: [asked_from, asked_to) is what the source really answered for; windows in it without a row then count as "no
        trades", so what was out of the source's reach must be left out.  Raises: BadData if a column is missing or no number.
        """
        return staging.stage(self._store, key, frame, (asked_from, asked_to), source)

    def stage_rows(self, staged: StagedSeries, rows: pd.DataFrame) -> StagedSeries:
        """Stage rows of ``staged`` that were kept out, with text columns ``rule`` and ``reason``."""
        return staging.stage(
            self._store, staged.key, rows, (staged.asked_from, staged.asked_to), staged.source, judged=True
        )

    def read_staged(self, staged: StagedSeries) -> pd.DataFrame:
        """Staged rows in the order they came.  Raises: BadData if the bytes are not those of the reference."""
        return staging.read_frame(self._store, staged)

    # -- committing ------------------------------------------------------------------------------------------------------

    def commit(self, verdict: Verdict, *, known_at: datetime) -> CommitRef:
        """Make everything that ``verdict`` accepted visible at once.

        Unchanged candles are dropped, new ones added, changed ones get the next revision.  Events of tapes are kept once: trades
        by id, rows without one and quotes by what they say.  When nothing is new (the same verdict
        again, or the same rows) no commit is made and the existing head is returned.  ``known_at`` is market time and never
        runs backwards along the log: what follows a commit was not known before it.

        Raises: BadData if staged bytes are not the judged ones; RetryLater if other writers were faster each time.
        """
        arrivals = arrivals_of(self._store, verdict)
        after, commit = self._append(lambda base: self._draft(base, verdict, arrivals, to_ms(known_at)))
        if commit is None:
            unchanged = sum(arrival.count for arrival in arrivals)
            return CommitRef(after.seq, after.hash, from_ms(after.known_at), rows_unchanged=unchanged)
        return _ref(after, commit)

    def mark_outage(
        self, keys: DataKey | Sequence[DataKey], start: datetime, end: datetime, reason: str, *, known_at: datetime
    ) -> CommitRef:
        """Say that a venue did not answer for [start, end), and why: windows there without a row are then outages.

        They stay to be fetched; once a source has answered for them, they are outages no more.  Saying the same again, or of times
        that were answered for, makes no commit.  ``known_at``: market time.
        """
        named = [keys] if isinstance(keys, SeriesKey | TapeKey) else keys
        return self.mark_outages([(key, start, end, reason) for key in named], known_at=known_at)

    def mark_outages(self, outages: Sequence[OutageTold], *, known_at: datetime) -> CommitRef:
        """``mark_outage`` for several times at once: (key, start, end, reason) each."""

        def draft(base: State) -> _Draft | None:
            changes = outage_changes(base, outages)
            return self._upkeep(base, "outage", known_at, changes) if changes else None

        after, commit = self._append(draft)
        return _ref(after, commit)

    def release(
        self, key: DataKey, *, by: str, reason: str, known_at: datetime,
        start: datetime | None = None, end: datetime | None = None,
    ) -> CommitRef:  # fmt: skip
        """Let rows out of quarantine, on a person's word: all that is held of ``key``, or what opens in [start, end).

        They become visible like any other row (a revision, where one is there); who and why stand in the commit, the findings
        stay.  The same row told again later is not kept out again.  ``known_at``: market time.

        Raises: BadData if nothing of the kind is held (any more), or a row cannot be kept at all (not finite, off the grid).
        """
        if not by.strip() or not reason.strip():
            raise BadData("a release needs a name and a reason", series=str(key), by=by, reason=reason)
        ticks = dataset_of(key).ticks
        low, high = (-FOREVER if start is None else ticks(start)), (FOREVER if end is None else ticks(end))

        def draft(base: State) -> _Draft | None:
            series, files = base.series.get(key, SeriesState(key)), NewFiles()
            rows, released = held_rows(self._store, series, low, high)
            seq, moment = base.seq + 1, max(to_ms(known_at), base.known_at)
            drawn = self._drawn(series, rows, seq, moment)
            [change] = written([replace(drawn, change=replace(drawn.change, released=released))], files)
            return _Draft(Commit(seq, base.hash, moment, "release", "", "", moment, (change,), by, reason), files)

        after, commit = self._append(draft)
        return _ref(after, commit)

    def held(self, key: DataKey) -> pd.DataFrame:
        """Rows of ``key`` that are in quarantine and neither released nor replaced by good ones, with ``rule`` and ``reason``."""
        return held_frame(self._store, self._log.head().series.get(key, SeriesState(key)))

    def compact(self, *, known_at: datetime) -> CommitRef:
        """Join neighbouring small files of every series and tape; what any snapshot reads stays the same."""

        def draft(base: State) -> _Draft | None:
            drawn, files = list[Drawn](), NewFiles()
            for key, series in sorted(base.series.items(), key=lambda item: key_parts(item[0])):
                rewrites = runs_to_compact(series.files, self._reading(dataset_of(key)))
                if rewrites:
                    drawn.append(Drawn(Change(key), rewrites))
            if not drawn:
                return None
            # No row of these says which commit wrote it, so the name does: nobody meets a killed round's leftovers again.
            changes = written(drawn, files, f"-{base.seq + 1}")
            return replace(self._upkeep(base, "compact", known_at, changes), files=files)

        after, commit = self._append(draft)
        return _ref(after, commit)

    def vacuum(self, *, replaced_before: datetime | None = None, staged_before: datetime | None = None) -> Swept:
        """Delete files that newer ones replaced, staged rows, and what killed writers left; every snapshot stays readable.

        ``replaced_before``: market time up to which replacing commits count (None: all of them, for a lake at rest; otherwise
        leave readers and writers at work time to finish).  ``staged_before``: what the storage stamped before this wall time.
        """
        return upkeep.sweep(
            self._store, self._log, self._fence, replaced_before=replaced_before, staged_before=staged_before
        )

    def maintain(
        self, *, known_at: datetime, wall_now: datetime, keep_replaced: timedelta, keep_staged: timedelta
    ) -> UpkeepReport:
        """One round of upkeep: compact, then vacuum.  Doing it twice, or at once with writers, harms nothing.

        ``known_at``: market time now, by which replaced files are kept ``keep_replaced`` for readers and writers at work;
        ``wall_now``: the machine's time, by which staged rows are kept ``keep_staged``.
        """
        begun, before = monotonic_seconds(), self._live()
        ref = self.compact(known_at=known_at)
        after = self._live()
        swept = self.vacuum(replaced_before=known_at - keep_replaced, staged_before=wall_now - keep_staged)
        rewritten = sum(size for name, size in after.items() if name not in before)
        return UpkeepReport(
            ref.seq, len(before), len(after), sum(before.values()), sum(after.values()), rewritten, swept,
            monotonic_seconds() - begun,
        )  # fmt: skip

    # -- names for snapshots -----------------------------------------------------------------------------------------------

    def pin(self, name: str, as_of: int | datetime | str | None = None, *, pinned_at: datetime) -> Pin:
        """Give a snapshot a name, to be read again as ``snapshot(name)``; the same again changes nothing.

        Raises: BadData for a name that another snapshot has, or a commit that does not exist.
        """
        return upkeep.put_pin(self._store, name, self._state(as_of), pinned_at)

    def unpin(self, name: str) -> Pin:
        """Raises: BadData if there is no such pin."""
        return upkeep.remove_pin(self._store, name)

    def pins(self) -> list[Pin]:
        """All pinned snapshots, by commit."""
        return upkeep.pins_of(self._store)

    # -- reading ---------------------------------------------------------------------------------------------------------

    def snapshot(self, as_of: int | datetime | str | None = None) -> Snapshot:
        """The newest snapshot, the one right after commit ``as_of``, the newest known at a moment, or the one pinned by a name.

        Raises: BadData for a commit or a pin that does not exist, or a history that is not the one that was pinned.
        """
        return Snapshot(self._state(as_of), self._log.head, self._reader)

    def commits(self, upto: int | None = None) -> Iterator[Commit]:
        """The log from its beginning."""
        return self._log.commits(self._log.head().seq if upto is None else upto)

    def sql(self, query: str, as_of: int | datetime | str | None = None) -> pd.DataFrame:
        """Answer one SELECT over the views candles, candles_all, trades, quotes, quarantine, commits, outages and findings.

        Raises: BadData for SQL that does not parse, does not run, or would change anything.
        """
        from kracken_tasks.lake.query import run_query  # DuckDB loads only when asked

        return run_query(self._store, self.snapshot(as_of), self._log, query)

    def connect(self, as_of: int | datetime | str | None = None) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with the views of ``sql`` over one snapshot; those over the log are read now, whole."""
        from kracken_tasks.lake.query import open_views

        return open_views(self._store, self.snapshot(as_of), self._log)

    def verify(self) -> list[str]:
        """Names of live data files and held quarantine whose bytes are not those that were committed; empty when all is well."""
        states = self._log.head().series.values()
        named = {entry.name: entry.sha256 for one in states for entry in one.files}
        named |= {entry.name: entry.sha256 for one in states for entry in one.held}
        return [
            name
            for name, sha256 in named.items()
            if not self._store.exists(name) or digest(self._store.get(name)) != sha256
        ]

    # -- how a commit is made --------------------------------------------------------------------------------------------

    def _state(self, as_of: int | datetime | str | None) -> State:
        if as_of is None:
            return self._log.head()
        if isinstance(as_of, str):
            pin = upkeep.pin_of(self._store, as_of)
            state = self._log.state(pin.seq)
            if state.hash != pin.content_hash:
                raise BadData(f"commit {pin.seq} is not the one that was pinned as {as_of!r}", name=as_of, seq=pin.seq)
            return state
        return self._log.state(as_of if isinstance(as_of, int) else self._log.seq_known_at(to_ms(as_of)))

    def _live(self) -> dict[str, int]:
        return {entry.name: entry.bytes for one in self._log.head().series.values() for entry in one.files}

    def _append(self, draft_of: Callable[[State], _Draft | None]) -> tuple[State, Commit | None]:
        """Draft on the head and extend the log, again on the new head when another writer was first; None: nothing to say."""
        for _ in range(_ATTEMPTS):
            base = self._log.head()
            try:
                draft = draft_of(base)
            except (BadData, OSError):
                if self._log.head().seq == base.seq:
                    raise
                continue  # a file of the base was replaced and swept away meanwhile; the new head names its successor
            if draft is None:
                return base, None
            self._store.put_many(draft.files.objects, draft.files.lying)
            after = self._log.append(base, draft.commit)
            if after is not None:
                for entry, block in draft.files.blocks:
                    self._reader.put(entry, block)
                return after, draft.commit
        raise RetryLater(f"{_ATTEMPTS} commits of others came first", lake=repr(self._store))

    def _upkeep(self, base: State, kind: str, known_at: datetime, changes: Sequence[Change]) -> _Draft:
        moment = max(to_ms(known_at), base.known_at)
        return _Draft(Commit(base.seq + 1, base.hash, moment, kind, "", "", moment, tuple(changes)), NewFiles())

    def _fence(self) -> State:
        return self._append(lambda base: self._upkeep(base, "sweep", from_ms(base.known_at), []))[0]

    def _draft(self, base: State, verdict: Verdict, arrivals: tuple[Arrival, ...], known_at: int) -> _Draft | None:
        seq, moment = base.seq + 1, max(known_at, base.known_at)
        files, drawn = NewFiles(), list[Drawn]()
        for arrival in arrivals:
            series = base.series.get(arrival.key, SeriesState(arrival.key))
            taken = taken_over(series, arrival, seq, moment, files)
            one = self._drawn(series, arrival.rows, seq, moment) if taken is None else Drawn(taken)
            out = quarantined(arrival.kept_out, series, seq, partial(self._standing, series))
            asked = spans.union(arrival.asked, _told_well(series, arrival))
            change = replace(
                one.change, blocked=arrival.blocked, asked=spans.subtract(asked, out.rejected),
                rejected=out.rejected, quarantine=out.entries, findings=arrival.findings,
            )  # fmt: skip
            if change.added or change.revised or _says_more(series, change):
                drawn.append(replace(one, change=change))
                files.objects |= dict(out.objects)
        if not drawn:
            return None
        changes, checked = tuple(written(drawn, files)), to_ms(verdict.checked_at)
        commit = Commit(seq, base.hash, moment, "commit", verdict.contract, verdict.batch_hash, checked, changes)
        return _Draft(commit, files)

    def _drawn(self, series: SeriesState, rows: Block, seq: int, known_at: int) -> Drawn:
        """What of ``rows`` is news, and the files it belongs in."""
        news = news_of(self._known(series, rows), rows)
        rewrites: list[Rewrite] = []
        if len(news.rows):
            stamped = news.rows.stamped(revision=news.rows["revision"], commit_seq=seq, known_at=known_at)
            rewrites = rewrites_for(series.files, stamped, self._reading(rows.dataset))
        return Drawn(Change(series.key, news.added, news.revised, news.unchanged), rewrites)

    def _standing(self, series: SeriesState, rows: Block) -> NDArray[np.bool_]:
        return standing(self._known(series, rows), rows)

    def _known(self, series: SeriesState, rows: Block) -> Block:
        dataset = rows.dataset
        if not len(rows):
            return Block.empty(dataset)
        start, end = int(rows["ts"].min()) - dataset.slack, int(rows["ts"].max()) + dataset.slack + 1
        blocks = self._reader.read(units(series.files, start=start, end=end), dataset)
        return Block.concat(blocks, dataset) if dataset.identity else newest(blocks)

    def _reading(self, dataset: Dataset) -> Callable[[FileEntry], Block]:
        def whole_file(entry: FileEntry) -> Block:
            blocks = self._reader.read([Unit(entry, index) for index in range(len(entry.groups))], dataset)
            return Block.concat(blocks, dataset)

        return whole_file


def _told_well(series: SeriesState, arrival: Arrival) -> spans.Spans:
    """Windows whose row is kept out and that now have a good one, also where its source speaks for nothing but its rows."""
    if not series.rejected or not isinstance(series.key, SeriesKey) or not arrival.count:
        return ()
    return spans.intersect(series.rejected, spans.of_grid(arrival.rows["ts"], series.key.timeframe.seconds * 1000))


def _says_more(series: SeriesState, change: Change) -> bool:
    """True when a verdict without new candles still tells readers something: asked further, blocked, kept out, released."""
    return (
        bool(spans.subtract(change.asked, series.asked))
        or change.blocked != series.blocked
        or {entry.sha256 for entry in change.quarantine} != {entry.sha256 for entry in series.quarantine}
    )


def _ref(state: State, commit: Commit | None) -> CommitRef:
    """None: there was nothing to commit, and the head is what it was."""
    changes = commit.changes if commit else ()
    return CommitRef(
        state.seq, state.hash, from_ms(state.known_at), sum(change.added for change in changes),
        sum(change.revised for change in changes), sum(change.unchanged for change in changes),
    )  # fmt: skip

"""One immutable view of the lake: what was known at a commit.

In: a state of the log and the reader of blocks.  Out: frames, coverage, holes.  Never: a row that a later commit brought.

Rows are read from the newest files (they keep every revision with its commit), so an old snapshot stays readable after its own
files were replaced; what was asked and what was rejected come from the state at the snapshot's own commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import from_ms, to_ms
from kracken_tasks.domain.market import DataKey, SeriesKey, TapeKey, key_parts
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import CANDLES, dataset_of
from kracken_tasks.lake.filling import with_quiet_windows
from kracken_tasks.lake.holes import Hole, HoleCause, holes_in
from kracken_tasks.lake.manifest import FileEntry, QuarantineEntry, SeriesState, State
from kracken_tasks.lake.reader import FOREVER, BlockReader, Unit, newest, settled, units

__all__ = ["SeriesCoverage", "Snapshot", "TapeCoverage"]


@dataclass(frozen=True, slots=True)
class SeriesCoverage:
    """What the lake holds of one series.  Holes are counted in windows between first and last candle."""

    key: SeriesKey
    candles: int
    revisions: int
    first_ts: datetime | None
    last_ts: datetime | None
    no_trades: int
    not_fetched: int
    rejected: int
    blocked: bool
    findings: tuple[Finding, ...]
    venue_outage: int = 0


@dataclass(frozen=True, slots=True)
class TapeCoverage:
    """What the lake holds of one tape: events, the times a source answered for, and how long it did not in between."""

    key: TapeKey
    events: int
    first_ts: datetime | None
    last_ts: datetime | None
    covered: tuple[tuple[datetime, datetime], ...]
    outage: timedelta
    not_fetched: timedelta
    rejected: int
    blocked: bool


class Snapshot:
    """See the module docstring.  ``seq``: the commit, 0 for an empty lake; ``known_at``: its moment."""

    def __init__(self, state: State, head: Callable[[], State], reader: BlockReader) -> None:
        self._state = state
        self._head = head
        self._reader = reader
        self.seq = state.seq
        self.content_hash = state.hash

    def __repr__(self) -> str:
        return f"Snapshot(seq={self.seq})"

    @property
    def known_at(self) -> datetime:
        return from_ms(self._state.known_at)

    def series(self) -> tuple[SeriesKey, ...]:
        """Series with at least one candle, sorted."""
        return tuple(sorted(key for key, one in self._state.series.items() if one.files and isinstance(key, SeriesKey)))

    def tapes(self) -> tuple[TapeKey, ...]:
        """Tapes with at least one event, sorted."""
        return tuple(sorted(key for key, one in self._state.series.items() if one.files and isinstance(key, TapeKey)))

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None,
        *, fill: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """Candles of a series, the newest revision known, sorted by open time; an unknown series gives no rows.

        Shapes: CANDLE_COLUMNS, [N].  Time: start <= ts < end (open times); ``last`` keeps the newest that many of them.
        ``fill``: with a flat candle for every window without trades, told by a further column ``filled``; no other hole is filled.
        """
        if not fill:
            return self.block(key, start, end, last).to_frame()
        rows = self._filled(key, start, end)
        return rows if last is None else rows.iloc[max(len(rows) - last, 0) :].reset_index(drop=True)

    def block(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> Block:
        """The same rows as arrays: the candle's own columns (bookkeeping may be left out)."""
        low = -FOREVER if start is None else to_ms(start)
        high = FOREVER if end is None else to_ms(end)
        return self._patiently(key, lambda files: self._rows(files, low, high, last))

    def tape(self, key: TapeKey, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame:
        """Events of a tape, sorted by (ts, trade_id); an unknown tape gives no rows.

        Shapes: TRADE_COLUMNS or QUOTE_COLUMNS, then source, [N].  Time: start <= ts < end (the venue's stamps).
        """
        dataset = dataset_of(key)
        low = -FOREVER if start is None else dataset.ticks(start)
        high = FOREVER if end is None else dataset.ticks(end)

        def read(files: tuple[FileEntry, ...]) -> Block:
            wanted = units(files, start=low, end=high, seq=self.seq)
            rows = Block.concat(self._reader.read(wanted, dataset), dataset)
            if any(unit.entry.max_seq > self.seq for unit in wanted):
                rows = rows.take(rows["commit_seq"] <= self.seq)
            return _within(rows.in_order(), low, high)

        return self._patiently(key, read).to_frame()

    def revisions(self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame:
        """Every revision known to this snapshot, with revision, commit_seq and known_at, sorted by (ts, revision)."""
        low = -FOREVER if start is None else to_ms(start)
        high = FOREVER if end is None else to_ms(end)
        rows = self._patiently(key, lambda files: Block.concat(self._reader.read(units(files, start=low, end=high))))
        rows = rows.take((rows["commit_seq"] <= self.seq) & (rows["ts"] >= low) & (rows["ts"] < high))
        return rows.to_frame(bookkeeping=True)

    def last_ts(self, key: DataKey) -> datetime | None:
        """Open time of the newest candle, or stamp of the newest event, from the manifest alone."""
        files = self._series(key).files
        return dataset_of(key).moment(max(entry.last for entry in files)) if files else None

    def first_ts(self, key: DataKey) -> datetime | None:
        files = self._series(key).files
        return dataset_of(key).moment(files[0].first) if files else None

    def findings(self, key: DataKey) -> tuple[Finding, ...]:
        """What the newest committed verdict found on this series."""
        return self._series(key).findings

    def in_quarantine(self, key: DataKey) -> bool:
        """True when the newest committed verdict refused the series or kept rows of it out."""
        one = self._series(key)
        return one.blocked or bool(one.quarantine)

    def missing(self, key: DataKey, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Parts [start, end) of the grid without a candle, whatever the cause (bounds are taken to the grid); of a tape: times that
        no source answered for."""
        moment = dataset_of(key).moment
        return [(moment(a), moment(b)) for a, b in self._missing(key, start, end)]

    def unfetched(self, key: DataKey, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """The part of ``missing`` that a source was never asked for, did not answer for, or answered with candles that were kept
        out: what to fetch."""
        one, moment = self._series(key), dataset_of(key).moment
        done = one.asked if isinstance(key, SeriesKey) else spans.union(one.asked, one.rejected)
        return [(moment(a), moment(b)) for a, b in spans.subtract(self._missing(key, start, end), done)]

    def holes(self, key: DataKey, start: datetime, end: datetime) -> list[Hole]:
        """``missing`` with a cause for every window, by time."""
        return holes_in(self._series(key), self._missing(key, start, end))

    def known_holes(self, key: DataKey) -> list[Hole]:
        """``holes`` between the first row and the last, and beyond them what was kept out or lost in an outage, by time.

        A row that was kept out for its time may lie years away: what lies between it and the others is no hole.
        """
        return [hole for start, end in self._told_of(key) for hole in self.holes(key, start, end)]

    def known_span(self, key: DataKey) -> tuple[datetime, datetime] | None:
        """[start, end) from the first to the last of what is known of a key: rows, times that were asked for, outages.

        A row that was kept out for its time may lie years away, and stretches nothing.
        """
        told, moment = (
            spans.union(self._series(key).asked, self._lost(key), self._rows_span(key)),
            dataset_of(key).moment,
        )
        return (moment(told[0][0]), moment(told[-1][1])) if told else None

    def _told_of(self, key: DataKey) -> list[tuple[datetime, datetime]]:
        told, moment = (
            spans.union(self._series(key).rejected, self._lost(key), self._rows_span(key)),
            dataset_of(key).moment,
        )
        return [(moment(start), moment(end)) for start, end in told]

    def _rows_span(self, key: DataKey) -> spans.Spans:
        files, step = self._series(key).files, _grid_of(key)[0]
        return ((files[0].first, max(entry.last for entry in files) + step),) if files else ()

    def _lost(self, key: DataKey) -> spans.Spans:
        """Outages, as whole windows of a series: one begins and ends anywhere, and every window that it touches belongs to it."""
        step, origin = _grid_of(key)
        outages = self._series(key).outages
        return tuple((at.start - (at.start - origin) % step, at.end + (origin - at.end) % step) for at in outages)

    def coverage(self) -> list[SeriesCoverage]:
        """One line a series, those with findings but no candle included."""
        return [self._coverage(key) for key in sorted(key for key in self._state.series if isinstance(key, SeriesKey))]

    def tape_coverage(self) -> list[TapeCoverage]:
        """One line a tape, those with spans asked but no event included."""
        return [
            self._tape_coverage(key) for key in sorted(key for key in self._state.series if isinstance(key, TapeKey))
        ]

    def held(self, key: DataKey) -> tuple[QuarantineEntry, ...]:
        """Files of rows in quarantine that were neither released nor replaced by good ones."""
        return self._series(key).held

    def awaited(self, key: SeriesKey, now: datetime) -> tuple[datetime, datetime]:
        """[start, end) of what a venue was to tell of a series: the closed windows after its newest candle, or the newest one."""
        closed, last = key.timeframe.floor(now), self.last_ts(key)
        return min(last or now, closed - key.timeframe.delta * 2) + key.timeframe.delta, closed

    def rejects(self, key: DataKey, moment: datetime) -> bool:
        """True when the row at a moment is still kept out."""
        at = dataset_of(key).ticks(moment)
        return any(start <= at < end for start, end in self._series(key).rejected)

    def known_keys(self) -> tuple[DataKey, ...]:
        """Everything the lake has heard of, series and tapes, with rows or without."""
        return tuple(sorted(self._state.series, key=key_parts))

    def files(self, key: DataKey) -> tuple[FileEntry, ...]:
        """The data files of this very snapshot."""
        return self._series(key).files

    def rows_of(self, key: DataKey, entry: FileEntry) -> Block:
        """All rows of one file, or of one series of a pack."""
        dataset = dataset_of(key)
        return Block.concat(self._reader.read([Unit(entry, at) for at in range(len(entry.groups))], dataset), dataset)

    def live_files(self, key: DataKey) -> tuple[FileEntry, ...]:
        """The head's files, which hold this snapshot's rows (those with commit_seq up to ``seq``) whatever was replaced since."""
        return self._head().series[key].files

    def _series(self, key: DataKey) -> SeriesState:
        return self._state.series.get(key, SeriesState(key))

    def _patiently(self, key: DataKey, read: Callable[[tuple[FileEntry, ...]], Block]) -> Block:
        # The head's files hold every revision, so they serve any snapshot, and one set of files stays in the cache.
        # A vacuum may remove files between looking and reading; the next look sees their successors.
        if not self._series(key).files:
            return Block.empty(dataset_of(key))
        head = self._head()
        try:
            return read(head.series[key].files)
        except (OSError, BadData):
            again = self._head()
            if again.seq == head.seq:
                raise
            return read(again.series[key].files)

    def _rows(self, files: tuple[FileEntry, ...], low: int, high: int, last: int | None) -> Block:
        wanted = units(files, start=low, end=high, seq=self.seq)
        if last is None:
            blocks = self._reader.read(wanted)
            if settled(wanted, self.seq):
                return _within(Block.concat(blocks, CANDLES, CANDLES.columns), low, high)
            return _within(newest(blocks, self.seq), low, high)
        taken: list[Block] = []
        rows = Block.empty()
        for at in range(len(wanted) - 1, -1, -1):
            taken[:0] = self._reader.read([wanted[at]])
            if sum(map(len, taken)) >= last or at == 0:
                rows = _within(newest(taken, self.seq), low, high)
                older_reach = wanted[at - 1].group.last if at else -FOREVER
                if len(rows) >= last and (last == 0 or older_reach < int(rows["ts"][-last])):
                    break
        return rows.take(slice(max(len(rows) - last, 0), None))

    def _filled(self, key: SeriesKey, start: datetime | None, end: datetime | None) -> pd.DataFrame:
        first, newest_ts = self.first_ts(key), self.last_ts(key)
        if first is None or newest_ts is None:
            return with_quiet_windows(self.candles(key, start, end), (), key.timeframe.delta)
        low = first if start is None else max(start, first)
        # One candle earlier, too: the first window asked for may be a quiet one.
        before = self.candles(key, end=low, last=1)
        rows = pd.concat([before, self.candles(key, low, end)], ignore_index=True)
        since = before["ts"].iloc[0].to_pydatetime() if len(before) else low
        quiet = [hole for hole in self.holes(key, since, end or newest_ts) if hole.cause is HoleCause.NO_TRADES]
        whole = with_quiet_windows(rows, quiet, key.timeframe.delta)
        return whole[whole["ts"] >= pd.Timestamp(low)].reset_index(drop=True)

    def _missing(self, key: DataKey, start: datetime, end: datetime) -> spans.Spans:
        if isinstance(key, TapeKey):
            ticks = dataset_of(key).ticks
            return spans.subtract([(ticks(start), ticks(end))], self._series(key).asked)
        step = key.timeframe.seconds * 1000
        low, high = _grid_up(key, start), _grid_up(key, end)
        if low >= high:
            return ()
        present: list[tuple[int, int]] = []
        for entry in self._series(key).files:
            if entry.first < high and entry.last >= low:
                present += [(entry.first, entry.last + step)] if entry.whole(step) else self._present(key, entry, step)
        return spans.subtract([(low, high)], present)

    def _present(self, key: SeriesKey, entry: FileEntry, step: int) -> spans.Spans:
        """The windows that the rows of one file of this snapshot fill: only row groups with a hole in them are read, times alone."""
        single = entry.max_revision == 0
        full = [single and group.rows == (group.last - group.first) // step + 1 for group in entry.groups]
        known = [(group.first, group.last + step) for group, whole in zip(entry.groups, full, strict=True) if whole]
        try:
            times = self._reader.times(entry, [index for index, whole in enumerate(full) if not whole])
        except (OSError, BadData):  # replaced and swept away since: the head's files hold the same rows
            times = self.block(key, from_ms(entry.first), from_ms(entry.last + 1))["ts"]
        return spans.union(known, spans.of_grid(times if single else np.unique(times), step))

    def _coverage(self, key: SeriesKey) -> SeriesCoverage:
        one = self._series(key)
        first, last, holes = self.first_ts(key), self.last_ts(key), self.known_holes(key)
        count = {cause: sum(hole.windows for hole in holes if hole.cause is cause) for cause in HoleCause}
        candles = sum(entry.candles for entry in one.files)
        return SeriesCoverage(
            key, candles, sum(entry.rows for entry in one.files) - candles, first, last, count[HoleCause.NO_TRADES],
            count[HoleCause.NOT_FETCHED], count[HoleCause.REJECTED], one.blocked, one.findings,
            count[HoleCause.VENUE_OUTAGE],
        )  # fmt: skip

    def _tape_coverage(self, key: TapeKey) -> TapeCoverage:
        one, moment = self._series(key), dataset_of(key).moment
        covered = tuple((moment(a), moment(b)) for a, b in one.asked)
        holes = self.holes(key, covered[0][0], covered[-1][1]) if covered else []
        lost = {cause: sum((h.end - h.start for h in holes if h.cause is cause), timedelta()) for cause in HoleCause}
        return TapeCoverage(
            key, sum(entry.rows for entry in one.files), self.first_ts(key), self.last_ts(key), covered,
            lost[HoleCause.VENUE_OUTAGE], lost[HoleCause.NOT_FETCHED], sum(entry.rows for entry in one.held), one.blocked,
        )  # fmt: skip


def _within(rows: Block, low: int, high: int) -> Block:
    ts = rows["ts"]
    if not len(ts) or (int(ts[0]) >= low and int(ts[-1]) < high):
        return rows
    return rows.take(slice(int(np.searchsorted(ts, low)), int(np.searchsorted(ts, high))))


def _grid_of(key: DataKey) -> tuple[int, int]:
    """How wide a window is and where one begins, in the dataset's unit; of a tape one tick, anywhere."""
    if isinstance(key, TapeKey):
        return 1, 0
    return key.timeframe.seconds * 1000, to_ms(key.timeframe.floor(from_ms(0)))


def _grid_up(key: SeriesKey, moment: datetime) -> int:
    floor = key.timeframe.floor(moment)
    return to_ms(floor if floor == moment else floor + key.timeframe.delta)

"""The whole way of candles into the lake, without Prefect: plan, fetch, stage, check, commit.

In: a lake, a venue's public half or files, the contract's judge.  Out: staged batches and commits.  Never: a commit without a verdict.

Flows run the same steps one by one (``candles/tasks.py`` and its neighbours); commands, the demo and tests call ``ingest`` and
``import_sources``.  One run is one batch, one verdict and one commit, so that a reader sees all of a run or nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from kracken_tasks.candles.fetch import fetch
from kracken_tasks.candles.files import ImportSource, read_all
from kracken_tasks.candles.names import FileKind
from kracken_tasks.candles.windows import UnreachableGap, plan
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import CommitRef, StagedBatch, StagedSeries, Verdict
from kracken_tasks.errors import BadData
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.lake import Lake

__all__ = ["Arrived", "Judge", "batch_of", "import_sources", "ingest", "stage_frame", "stage_missing"]

# Asks the contract about a batch at a moment of market time.
Judge = Callable[[StagedBatch, datetime], Verdict]

# What is asked for where the source has no bound and nobody says where to begin.
_DEFAULT_CANDLES: Final = 720


@dataclass(frozen=True, slots=True)
class Arrived:
    """One series as it came: staged rows (None: nothing new) and what the source could not give."""

    key: SeriesKey
    staged: StagedSeries | None
    gaps: tuple[UnreachableGap, ...]


def stage_missing(lake: Lake, market: MarketData, key: SeriesKey, *, start: datetime | None = None) -> Arrived:
    """Fetch the closed candles of a series that the lake lacks, and stage them.

    Time: from ``start`` (None: as deep as the source reaches) to the venue's now; the running candle is left out.
    Raises: RetryLater, Misconfigured from the venue; BadData for candles off the grid.
    """
    now = market.now()
    reach = market.ohlc_reach(key.timeframe)
    end = key.timeframe.floor(now)
    asked_from = start or end - ((reach or _DEFAULT_CANDLES) - 1) * key.timeframe.delta
    missing = lake.snapshot().unfetched(key, asked_from, end)
    fetched = fetch(market, plan(key, asked_from=asked_from, now=now, missing=missing, reach=reach), now)
    if fetched.frame.empty:
        return Arrived(key, None, fetched.gaps)
    # The answer speaks up to its newest closed candle: a later one may still be on its way.
    asked_to = fetched.frame["ts"].iloc[-1].to_pydatetime() + key.timeframe.delta
    covered_from = fetched.covered[0].start if fetched.covered else fetched.frame["ts"].iloc[0].to_pydatetime()
    staged = lake.stage(key, fetched.frame, asked_from=covered_from, asked_to=asked_to, source="ohlc")
    return Arrived(key, staged, fetched.gaps)


def stage_frame(lake: Lake, key: SeriesKey, frame: pd.DataFrame, source: str, *, complete: bool = True) -> StagedSeries:
    """Stage candles that came from a file.

    ``complete``: the file leaves out only windows without trades, so it speaks for the span from its first to its last row.  Without
    that a hole in it stays one that was never fetched.
    """
    end = frame["ts"].iloc[-1].to_pydatetime() + key.timeframe.delta
    asked_from = frame["ts"].iloc[0].to_pydatetime() if complete else end
    return lake.stage(key, frame, asked_from=asked_from, asked_to=end, source=source)


def batch_of(arrived: Iterable[Arrived]) -> StagedBatch:
    """What was staged, in the order of series, so that the same arrivals make the same batch.

    A series that was fetched twice counts once, as it came last: told twice, each of its candles would contradict itself.
    """
    newest = {one.key: one.staged for one in arrived if one.staged}
    return StagedBatch(tuple(newest[key] for key in sorted(newest)))


def ingest(
    lake: Lake, market: MarketData, keys: Sequence[SeriesKey], judge: Judge, *, start: datetime | None = None
) -> CommitRef | None:
    """Bring every series up to the venue's now; None when nothing new had closed.

    Raises: RetryLater from the venue before anything is committed.
    """
    batch = batch_of([stage_missing(lake, market, key, start=start) for key in dict.fromkeys(keys)])
    if not batch.series:
        return None
    now = market.now()
    return lake.commit(judge(batch, now), known_at=now)


def import_sources(
    lake: Lake,
    sources: Sequence[ImportSource],
    judge: Judge,
    *,
    now: datetime,
    before: datetime | None = None,
    progress: Callable[[ImportSource, int], None] | None = None,
) -> tuple[CommitRef, Verdict]:
    """Import files through the same contract and commit as ingestion; all of them or none.

    Kraken's archives and trades leave out only windows without trades; what a table of somebody else's leaves out, nobody knows.
    Time: candles that close after ``before`` are left out (a replayed market brings them later).
    Raises: BadData naming file, line and reason, or when no file holds a candle; then nothing is committed.
    """
    _refuse_twins(sources)
    staged = []
    for source, frame in read_all(sources, progress):
        assert source.key is not None  # read_all refuses a source without one
        if before is not None:
            frame = frame[frame["ts"] + source.key.timeframe.delta <= pd.Timestamp(before)]
        if len(frame):
            told, complete = str(frame["source"].iloc[0]), source.kind is not FileKind.CANDLE_TABLE
            staged.append(stage_frame(lake, source.key, frame, told, complete=complete))
    if not staged:
        raise BadData("no candle to import", files=[str(source.path) for source in sources])
    verdict = judge(StagedBatch(tuple(sorted(staged, key=lambda one: one.key))), now)
    return lake.commit(verdict, known_at=now), verdict


def _refuse_twins(sources: Sequence[ImportSource]) -> None:
    """Two files for one series: which one is right is not ours to guess."""
    seen: dict[SeriesKey | None, ImportSource] = {}
    for source in sources:
        twin = seen.setdefault(source.key, source)
        if twin is not source and source.key is not None:
            raise BadData(
                f"{twin.path.name} and {source.path.name} both hold {source.key}; import one of them",
                files=[str(twin.path), str(source.path)], series=str(source.key),
            )  # fmt: skip

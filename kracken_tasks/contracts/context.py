"""What the gate knows beside the staged rows: rows stored before them, and what other venues said over the same span.

In: one snapshot of the lake and the batch.  Out: ``Facts`` for every series.  Never: a judgement; a second snapshot, so that all
series of a batch are held against the same state of the lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import pandas as pd

from kracken_tasks.contracts.contract import Contract
from kracken_tasks.contracts.neighbours import Neighbours, OtherVenues
from kracken_tasks.contracts.subject import ROWS_OF, Candles, Columns, Facts, Rows, dataset_of
from kracken_tasks.domain.market import CandleSource, SeriesKey, TapeKey
from kracken_tasks.domain.refs import StagedSeries

__all__ = ["Known", "facts_of"]

# How far before its newest row a tape is read to see the seam.  A tape that is being recorded lies in small files, and it is judged
# every few seconds: so no further back than its checks need.
_TAPE_REACH: Final = (timedelta(minutes=1), timedelta(minutes=8))


class Known(OtherVenues, Protocol):
    """The part of a snapshot that the gate reads."""

    def last_ts(self, key: SeriesKey | TapeKey) -> datetime | None: ...

    def block(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> Columns: ...


def facts_of(
    known: Known,
    frames: Mapping[StagedSeries, pd.DataFrame],
    now: datetime,
    contracts: Mapping[str, Contract],
) -> dict[StagedSeries, Facts]:
    """The facts around each staged series.  ``now``: market time."""
    neighbours = Neighbours(known, frames)
    return {
        staged: Facts(
            staged.key, now, staged.asked_from, _asked_to(known, staged, now),
            _before(known, staged, contracts[dataset_of(staged.key)].memory),
            neighbours.of(staged, frame),
        )
        for staged, frame in frames.items()
    }  # fmt: skip


def _asked_to(known: Known, staged: StagedSeries, now: datetime) -> datetime:
    """Up to when rows were wanted.

    Staging claims only what came, so that a late candle is asked for again; whoever asks a venue for candles wants them up to now,
    unless it is an older hole that is filled.
    """
    if not isinstance(staged.key, SeriesKey) or staged.source != CandleSource.OHLC or staged.last_ts is None:
        return staged.asked_to
    after = known.candles(staged.key, start=staged.last_ts + staged.key.timeframe.delta, last=1)
    return staged.asked_to if len(after) else max(staged.asked_to, now)


def _before(known: Known, staged: StagedSeries, memory: int) -> Rows | None:
    """The newest stored rows before the first staged one."""
    if staged.first_ts is None or not memory:
        return None
    if isinstance(staged.key, SeriesKey):
        return Candles.stored(known.block(staged.key, end=staged.first_ts, last=memory))
    newest = known.last_ts(staged.key)
    if newest is None:
        return None
    rows = pd.DataFrame()
    for reach in _TAPE_REACH:
        rows = known.tape(staged.key, start=min(newest, staged.first_ts) - reach, end=staged.first_ts)
        if len(rows) >= memory:
            break
    return ROWS_OF[staged.key.tape.value].of(rows.iloc[-memory:])

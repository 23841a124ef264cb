"""What the gate knows beside the staged rows: rows stored before them, and other venues' closes over the same span.

In: one snapshot of the lake and the batch.  Out: ``Facts`` for every series.  Never: a judgement; a second snapshot, so that all
series of a batch are held against the same state of the lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np
import pandas as pd

from kracken_tasks.contracts.contract import Contract
from kracken_tasks.contracts.subject import ROWS_OF, Elsewhere, Facts, Rows, dataset_of
from kracken_tasks.domain.market import CandleSource, SeriesKey, TapeKey
from kracken_tasks.domain.refs import StagedSeries

__all__ = ["Known", "elsewhere_of", "facts_of"]

# How far before its newest row a tape is read to see the seam.  A tape that is being recorded lies in small files, and it is judged
# every few seconds: so no further back than its checks need.
_TAPE_REACH: Final = (timedelta(minutes=1), timedelta(minutes=8))


class Known(Protocol):
    """The part of a snapshot that the gate reads."""

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame: ...

    def tape(self, key: TapeKey, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame: ...

    def series(self) -> tuple[SeriesKey, ...]: ...

    def last_ts(self, key: SeriesKey | TapeKey) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class _Market:
    symbol: str
    timeframe: str


def facts_of(
    known: Known,
    frames: Mapping[StagedSeries, pd.DataFrame],
    now: datetime,
    contracts: Mapping[str, Contract],
) -> dict[StagedSeries, Facts]:
    """The facts around each staged series.  ``now``: market time."""
    neighbours = _Neighbours(known, frames)
    return {
        staged: Facts(
            staged.key, now, staged.asked_from, _asked_to(known, staged, now),
            _before(known, staged, contracts[dataset_of(staged.key)].memory), neighbours.of(staged),
        )
        for staged in frames
    }  # fmt: skip


def elsewhere_of(closes: Mapping[str, pd.Series[float]]) -> Elsewhere | None:
    """Other venues' closes, by venue, indexed by open time; None if there are none."""
    usable = {venue: line[line > 0] for venue, line in closes.items()}
    table = pd.DataFrame({venue: line[~line.index.duplicated()] for venue, line in usable.items() if len(line)})
    if table.empty:
        return None
    table = table.sort_index()
    prices = table.to_numpy(np.float64)
    ts = pd.DatetimeIndex(table.index).as_unit("us").asi8
    return Elsewhere(
        ts, np.nanmedian(prices, axis=1), np.nanmin(prices, axis=1), np.nanmax(prices, axis=1),
        np.isfinite(prices).sum(axis=1),
    )  # fmt: skip


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
        return ROWS_OF["candles"].of(known.candles(staged.key, end=staged.first_ts, last=memory))
    newest = known.last_ts(staged.key)
    if newest is None:
        return None
    rows = pd.DataFrame()
    for reach in _TAPE_REACH:
        rows = known.tape(staged.key, start=min(newest, staged.first_ts) - reach, end=staged.first_ts)
        if len(rows) >= memory:
            break
    return ROWS_OF[staged.key.tape.value].of(rows.iloc[-memory:])


class _Neighbours:
    """Which venues have the same symbol at the same width, in the batch or in the lake."""

    def __init__(self, known: Known, frames: Mapping[StagedSeries, pd.DataFrame]) -> None:
        self._known = known
        self._staged: dict[_Market, dict[str, pd.DataFrame]] = {}
        for staged, frame in frames.items():
            if isinstance(staged.key, SeriesKey):
                self._staged.setdefault(_market(staged.key), {})[staged.key.exchange] = frame
        self._stored: dict[_Market, list[SeriesKey]] = {}
        for key in known.series():
            self._stored.setdefault(_market(key), []).append(key)

    def of(self, staged: StagedSeries) -> Elsewhere | None:
        key = staged.key
        if not isinstance(key, SeriesKey) or staged.first_ts is None or staged.last_ts is None:
            return None
        end = staged.last_ts + key.timeframe.delta
        closes = {
            one.exchange: _closes(self._known.candles(one, start=staged.first_ts, end=end))
            for one in self._stored.get(_market(key), ()) if one.exchange != key.exchange
        }  # fmt: skip
        for venue, frame in self._staged.get(_market(key), {}).items():
            if venue != key.exchange:
                fresh = _closes(frame)
                closes[venue] = pd.concat([fresh, closes[venue]]) if venue in closes else fresh
        return elsewhere_of(closes) if closes else None


def _closes(frame: pd.DataFrame) -> pd.Series[float]:
    index = pd.DatetimeIndex(frame["ts"]).as_unit("us")
    return pd.Series(frame["close"].to_numpy(np.float64), index=index)


def _market(key: SeriesKey) -> _Market:
    return _Market(key.symbol, key.timeframe.value)

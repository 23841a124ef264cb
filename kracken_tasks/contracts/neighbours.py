"""What other venues said of the same market: closes of the same windows, or the newest price at each event.

In: the batch's frames and one snapshot.  Out: ``Elsewhere``.  Never: another symbol taken for the same (a tether is no dollar).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np
import pandas as pd

from kracken_tasks.contracts.subject import ROWS_OF, Elsewhere, Floats, Rows, Times, dataset_of
from kracken_tasks.domain.market import SeriesKey, TapeKey, key_parts
from kracken_tasks.domain.refs import StagedSeries

__all__ = ["Neighbours", "OtherVenues", "closes_elsewhere", "prices_elsewhere"]

# How old another venue's newest event may be to speak for the moment.
_FRESH: Final = timedelta(seconds=60)


class OtherVenues(Protocol):
    """The part of a snapshot that is read here."""

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame: ...

    def tape(self, key: TapeKey, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame: ...

    def series(self) -> tuple[SeriesKey, ...]: ...

    def tapes(self) -> tuple[TapeKey, ...]: ...


class Neighbours:
    """Which venues have the same symbol at the same width, or the same tape of it, in the batch or in the lake."""

    def __init__(self, known: OtherVenues, frames: Mapping[StagedSeries, pd.DataFrame]) -> None:
        self._known = known
        self._staged: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
        for staged, frame in frames.items():
            self._staged.setdefault(_market(staged.key), {})[staged.key.exchange] = frame
        self._stored: dict[tuple[str, str], list[SeriesKey | TapeKey]] = {}
        stored: list[SeriesKey | TapeKey] = [*known.series(), *known.tapes()]
        for key in stored:
            self._stored.setdefault(_market(key), []).append(key)

    def of(self, staged: StagedSeries, frame: pd.DataFrame) -> Elsewhere | None:
        """What the others said over the same span; None if nobody else is there.  What the batch says counts before what is stored."""
        key = staged.key
        if staged.first_ts is None or staged.last_ts is None:
            return None
        told = {venue: [frame] for venue, frame in self._staged.get(_market(key), {}).items() if venue != key.exchange}
        for one in self._stored.get(_market(key), ()):
            if one.exchange != key.exchange:
                told.setdefault(one.exchange, []).append(self._read(one, staged.first_ts, staged.last_ts))
        if not told:
            return None
        others = {venue: ROWS_OF[dataset_of(key)].of(pd.concat(parts)) for venue, parts in told.items()}
        if isinstance(key, SeriesKey):
            return closes_elsewhere(others)
        return prices_elsewhere(others, ROWS_OF[dataset_of(key)].of(frame).ts)

    def _read(self, key: SeriesKey | TapeKey, first: datetime, last: datetime) -> pd.DataFrame:
        if isinstance(key, SeriesKey):
            return self._known.candles(key, start=first, end=last + key.timeframe.delta)
        return self._known.tape(key, start=first - _FRESH, end=last + timedelta(microseconds=1))


def closes_elsewhere(others: Mapping[str, Rows]) -> Elsewhere | None:
    """Other venues' closes by open time; where one venue tells a window twice, the first counts."""
    lines = [_sorted(rows) for rows in others.values()]
    moments = np.unique(np.concatenate([ts for ts, _ in lines])) if lines else np.empty(0, np.int64)
    table = np.full((len(lines), len(moments)), np.nan)
    for line, (ts, price) in zip(table, lines, strict=True):
        first, at = np.unique(ts, return_index=True)
        line[np.searchsorted(moments, first)] = price[at]
    return _summed_up(moments, table)


def prices_elsewhere(others: Mapping[str, Rows], ts: Times) -> Elsewhere | None:
    """Other venues' newest price at each of ``ts``, unless it is older than a minute."""
    moments = np.unique(ts)
    table = np.full((len(others), len(moments)), np.nan)
    for line, rows in zip(table, others.values(), strict=True):
        stamps, price = _sorted(rows)
        if len(stamps):
            newest = np.searchsorted(stamps, moments, side="right") - 1
            age = moments - stamps[np.maximum(newest, 0)]
            fresh = (newest >= 0) & (age <= int(_FRESH.total_seconds() * 1e6))
            line[fresh] = price[newest[fresh]]
    return _summed_up(moments, table)


def _sorted(rows: Rows) -> tuple[Times, Floats]:
    """Times and prices that are prices, oldest first."""
    with np.errstate(invalid="ignore"):
        real = (rows.price > 0) & np.isfinite(rows.price)
    order = np.argsort(rows.ts[real], kind="stable")
    return rows.ts[real][order], rows.price[real][order]


def _summed_up(moments: Times, table: Floats) -> Elsewhere | None:
    """``table``: prices [venues, moments], NaN where a venue said nothing."""
    told = np.isfinite(table).any(axis=0)
    if not told.any():
        return None
    prices = table[:, told]
    return Elsewhere(
        moments[told], np.nanmedian(prices, axis=0), np.nanmin(prices, axis=0), np.nanmax(prices, axis=0),
        np.isfinite(prices).sum(axis=0),
    )  # fmt: skip


def _market(key: SeriesKey | TapeKey) -> tuple[str, str]:
    return key_parts(key)[1:]

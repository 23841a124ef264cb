"""What was learned of a series, staged: rows, and the spans in which a missing row means that nobody traded.

In: a candle frame and the spans it speaks for.  Out: staged references for one batch.  Never: a claim about a
span that no source spoke for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from kracken_tasks.candles.aggregate import aggregate
from kracken_tasks.candles.frames import epoch_ms
from kracken_tasks.domain.clock import to_ms
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import StagedSeries
from kracken_tasks.lake import HoleCause, Lake, Snapshot

__all__ = ["known_spans", "stage_derived", "stage_known"]

Span = tuple[datetime, datetime]


def stage_known(
    lake: Lake, key: SeriesKey, frame: pd.DataFrame, known: Sequence[Span], source: str
) -> list[StagedSeries]:
    """Stage rows and what their source said of the windows without one.

    Time: ``known`` are disjoint spans [start, end); a window in them without a row had no trades.  Rows may lie outside of them.
    One span that holds all rows goes with them; else each span with an empty window is staged beside the rows, on its own.
    """
    claims = [span for span in known if span[0] < span[1]]
    if len(frame) and len(claims) == 1 and _inside(frame, claims[0]):
        return [lake.stage(key, frame, asked_from=claims[0][0], asked_to=claims[0][1], source=source)]
    staged = []
    if len(frame):
        end = frame["ts"].iloc[-1].to_pydatetime() + key.timeframe.delta
        staged.append(lake.stage(key, frame, asked_from=end, asked_to=end, source=source))
    opens = epoch_ms(frame)
    for start, end in claims:
        rows = int(np.searchsorted(opens, to_ms(end)) - np.searchsorted(opens, to_ms(start)))
        if rows < (end - start) // key.timeframe.delta:
            staged.append(lake.stage(key, frame.iloc[:0], asked_from=start, asked_to=end, source=source))
    return staged


def known_spans(snapshot: Snapshot, key: SeriesKey, start: datetime, end: datetime) -> list[Span]:
    """The parts of [start, end) in which every window is a candle or known to have had no trades."""
    unknown = [hole for hole in snapshot.holes(key, start, end) if hole.cause is not HoleCause.NO_TRADES]
    spans, at = [], start
    for hole in unknown:
        if at < hole.start:
            spans.append((at, hole.start))
        at = hole.end
    return [*spans, (at, end)] if at < end else spans


def stage_derived(
    lake: Lake, base: SeriesKey, key: SeriesKey, start: datetime, end: datetime, price_decimals: int | None = None
) -> list[StagedSeries]:
    """Stage the candles of ``key`` that the lake lacks in [start, end) and can make of ``base``; buckets of which any part is unknown
    are left out."""
    snapshot = lake.snapshot()
    staged: list[StagedSeries] = []
    for low, high in snapshot.unfetched(key, start, end):
        made = aggregate(
            snapshot.candles(base, low, high), base.timeframe, key.timeframe, known_spans(snapshot, base, low, high),
            price_decimals,
        )  # fmt: skip
        source = str(made.frame["source"].iloc[-1]) if len(made.frame) else "trades"
        staged += stage_known(lake, key, made.frame, made.known, source)
    return staged


def _inside(frame: pd.DataFrame, span: Span) -> bool:
    return bool(frame["ts"].iloc[0] >= span[0]) and bool(frame["ts"].iloc[-1] < span[1])

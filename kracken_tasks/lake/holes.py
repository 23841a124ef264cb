"""Holes: windows of the grid without a candle, each with its cause.

In: a series' state and its gaps.  Out: ``Hole`` values by time.  Never: a gap without a cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.lake import spans
from kracken_tasks.lake.dataset import dataset_of
from kracken_tasks.lake.manifest import SeriesState

__all__ = ["Hole", "HoleCause", "holes_in"]


class HoleCause(StrEnum):
    """Why a window of the grid has no candle.  Only the first may be filled, and only when reading."""

    NO_TRADES = "no_trades"  # a source was asked for this window and told of none
    VENUE_OUTAGE = "venue_outage"  # the venue was asked, did not answer, and was not asked again since
    NOT_FETCHED = "not_fetched"
    REJECTED = "rejected"  # a row came and the contract kept it out


@dataclass(frozen=True, slots=True)
class Hole:
    """Windows without a candle: [start, end) in open times, ``windows`` of them; of a tape: a time not covered, windows 0.

    ``reason``: what was told of an outage.
    """

    start: datetime
    end: datetime
    windows: int
    cause: HoleCause
    reason: str = ""


def holes_in(one: SeriesState, gaps: spans.Spans) -> list[Hole]:
    """Gaps of a series or tape with their causes, by time.  What was kept out counts before what was asked, and that before an
    outage."""
    moment, step = dataset_of(one.key).moment, 0
    if isinstance(one.key, SeriesKey):
        step = one.key.timeframe.seconds * 1000
    found: list[Hole] = []

    def take(part: spans.Spans, cause: HoleCause, reason: str = "") -> None:
        nonlocal gaps
        gaps = spans.subtract(gaps, part)
        found.extend(Hole(moment(a), moment(b), (b - a) // step if step else 0, cause, reason) for a, b in part)

    take(spans.intersect(gaps, one.rejected), HoleCause.REJECTED)
    take(spans.intersect(gaps, one.asked), HoleCause.NO_TRADES)
    for outage in one.outages:
        # A window that lies only partly in an outage is empty because of it all the same.
        reach = spans.grown(gaps, outage.start, outage.end, step)
        take(reach, HoleCause.VENUE_OUTAGE, outage.reason)
    take(gaps, HoleCause.NOT_FETCHED)
    return sorted(found, key=lambda hole: hole.start)

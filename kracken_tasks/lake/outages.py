"""What of an outage is news: not what a source answered for, nor what was said already.

In: a state of the log, times in which venues did not answer.  Out: changes that say so.  Never: a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from kracken_tasks.domain.market import DataKey, key_parts
from kracken_tasks.lake import spans
from kracken_tasks.lake.dataset import dataset_of
from kracken_tasks.lake.manifest import Change, Outage, SeriesState, State

__all__ = ["OutageTold", "outage_changes"]

OutageTold: TypeAlias = tuple[DataKey, datetime, datetime, str]


def outage_changes(base: State, outages: Sequence[OutageTold]) -> list[Change]:
    """One change a key of which there is something new to say; (key, start, end, reason) each."""
    news: dict[DataKey, list[Outage]] = {}
    for key, start, end, reason in outages:
        ticks, series = dataset_of(key).ticks, base.series.get(key, SeriesState(key))
        told = spans.union(series.asked, *([(o.start, o.end)] for o in series.outages if o.reason == reason))
        for span in spans.subtract([(ticks(start), ticks(end))], told):
            news.setdefault(key, []).append(Outage(*span, reason))
    return [Change(key, outages=tuple(news[key])) for key in sorted(news, key=key_parts)]

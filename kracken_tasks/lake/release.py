"""Rows that a person lets out of quarantine.

In: what is held of a series or tape.  Out: its rows as a contract would have accepted them.  Never: a row that the lake could not
keep (not finite, off the grid): a person may overrule a rule, not what a candle is.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.arrivals import joined
from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import dataset_of
from kracken_tasks.lake.manifest import SeriesState
from kracken_tasks.lake.spans import Spans
from kracken_tasks.lake.staging import table_of
from kracken_tasks.lake.store import Store

__all__ = ["held_rows"]


def held_rows(store: Store, series: SeriesState, low: int, high: int) -> tuple[Block, Spans]:
    """Held rows with low <= ts < high (the dataset's unit), the newest of each time, and the times they release.

    Raises: BadData if there is none, or one cannot be kept.
    """
    key, dataset = series.key, dataset_of(series.key)
    parts = []
    for entry in series.held:
        if entry.first < high and entry.last >= low:
            block = Block.from_table(_told(table_of(store.get(entry.name))), dataset)
            parts.append(block.take((block["ts"] >= low) & (block["ts"] < high)))
    rows = joined(parts, dataset)
    if not len(rows):
        raise BadData(f"{key}: nothing is held in quarantine there", series=str(key), held=len(series.held))
    step = key.timeframe.seconds * 1000 if isinstance(key, SeriesKey) else 1
    bad = np.zeros(len(rows), bool)
    for name in dataset.finite:
        bad |= ~np.isfinite(rows[name])
    if isinstance(key, SeriesKey):
        origin = dataset.ticks(key.timeframe.floor(dataset.moment(int(rows["ts"][0]))))
        bad |= (rows["ts"] - origin) % step != 0
    if bad.any():
        first = dataset.moment(int(rows["ts"][bad][0]))
        raise BadData(
            f"{key}: {int(bad.sum())} rows, the first at {iso(first)}, cannot be kept (a number missing or infinite, or off the grid)",
            series=str(key), first=iso(first), allowed="a narrower start and end",
        )  # fmt: skip
    return rows, spans.of_grid(np.unique(rows["ts"]), step)


def _told(table: pa.Table) -> pa.Table:
    """Without the rule and the reason: the row as it came."""
    return table.drop_columns([name for name in ("rule", "reason") if name in table.column_names])

"""Rows that are held in quarantine, and those that a person lets out.

In: what is held of a series or tape.  Out: its rows, with the rules they broke, or as a contract would have accepted them.
Never: releasing a row that the lake could not keep (not finite, off the grid): a person may overrule a rule, not what a candle is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.arrivals import joined
from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import dataset_of
from kracken_tasks.lake.kept_out import as_it_came
from kracken_tasks.lake.manifest import SeriesState
from kracken_tasks.lake.spans import Spans
from kracken_tasks.lake.staging import table_of, to_frame
from kracken_tasks.lake.store import Store

__all__ = ["held_frame", "held_rows"]


def held_rows(store: Store, series: SeriesState, low: int, high: int) -> tuple[Block, Spans]:
    """Rows still held with low <= ts < high (the dataset's unit), the newest of each time, and the times they release.

    Raises: BadData if there is none, or one cannot be kept.
    """
    key, dataset = series.key, dataset_of(series.key)
    parts = []
    for entry in series.held:
        if entry.first < high and entry.last >= low:
            block = Block.from_table(as_it_came(table_of(store.get(entry.name))), dataset)
            # A file is held while any row of it is: one whose time was told well since, or released, must not come back with it.
            parts.append(
                block.take((block["ts"] >= low) & (block["ts"] < high) & _within(block["ts"], series.rejected))
            )
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


def held_frame(store: Store, series: SeriesState) -> pd.DataFrame:
    """Rows still held, sorted by ts, with ``rule`` and ``reason``; each once, as the newest verdict told it."""
    dataset = dataset_of(series.key)
    frames = [to_frame(table_of(store.get(entry.name)), dataset) for entry in series.held]
    if not frames:
        return pd.DataFrame(columns=[*dataset.columns, "rule", "reason"])
    rows = pd.concat(frames, ignore_index=True)
    ticks = rows["ts"].dt.as_unit(dataset.unit).astype("int64")
    rows = rows[_within(ticks.to_numpy(np.int64), series.rejected)].drop_duplicates(
        ["ts", *dataset.identity[1:]], keep="last"
    )
    return rows.sort_values("ts", kind="stable", ignore_index=True)


def _within(ticks: NDArray[np.int64], times: Spans) -> NDArray[np.bool_]:
    inside = np.zeros(len(ticks), bool)
    for start, end in times:
        inside |= (ticks >= start) & (ticks < end)
    return inside

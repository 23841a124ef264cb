"""What a verdict kept out: where it is kept, which times it leaves empty, and what of it a person has let in before.

In: the judged files of rows that broke a rule, and the state of their series.  Out: entries of the manifest, objects to store, times.
Never: a row let in that no person released: only the very same row, released and still standing, is not kept out a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
from numpy.typing import NDArray

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import StagedSeries
from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import dataset_of, folder_of
from kracken_tasks.lake.manifest import QuarantineEntry, SeriesState
from kracken_tasks.lake.spans import Spans

__all__ = ["KeptOut", "Quarantine", "as_it_came", "commit_of", "quarantined"]

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class KeptOut:
    """One judged file, as its verified bytes and its rows."""

    staged: StagedSeries
    raw: bytes
    table: pa.Table

    @property
    def ts(self) -> NDArray[np.int64]:
        """In the dataset's unit, in the file's order."""
        unit = dataset_of(self.staged.key).unit
        column = self.table.column("ts").cast(pa.timestamp(unit, "UTC")).cast(pa.int64())
        return np.asarray(column.to_numpy(), np.int64)


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What one commit says of rows that were kept out of one series; ``rejected``: whole windows of a series."""

    entries: tuple[QuarantineEntry, ...] = ()
    objects: tuple[tuple[str, bytes], ...] = ()
    rejected: Spans = ()


def quarantined(files: Sequence[KeptOut], series: SeriesState, seq: int, stands: Callable[[Block], Mask]) -> Quarantine:
    """What commit ``seq`` is to say of ``files``.  ``stands``: which of some rows are in the lake already, to the last value."""
    key, folder = series.key, f"quarantine/{folder_of(series.key)}"
    before = {entry.sha256: entry for entry in (*series.held, *series.quarantine)}
    entries: dict[str, QuarantineEntry] = {}
    objects: dict[str, bytes] = {}
    times: list[int] = []
    for one in files:
        ts, sha256 = one.ts, one.staged.content_hash
        out = ts[~_let_in(one, ts, series, stands)]
        if not len(out):
            continue
        times += out.tolist()
        # The number is in the name, so that a file says which commit to ask whether it counts.
        name = f"{folder}/{sha256[:20]}-{seq}.parquet"
        if sha256 not in before:
            objects[name] = one.raw
        new = QuarantineEntry(name, sha256, one.staged.rows, int(ts.min()), int(ts.max()))
        entries[sha256] = before.get(sha256, new)
    return Quarantine(tuple(entries.values()), tuple(objects.items()), _windows(key, files, times))


def commit_of(name: str) -> int | None:
    """The commit that names an object of the quarantine, if it was ever made; None for those of older lakes, which do not tell."""
    _, dash, number = name.removesuffix(".parquet").rpartition("-")
    return int(number) if dash and number.isdigit() and "/" not in number else None


def as_it_came(table: pa.Table) -> pa.Table:
    """Without the rule and the reason."""
    return table.drop_columns([name for name in ("rule", "reason") if name in table.column_names])


def _let_in(one: KeptOut, ts: NDArray[np.int64], series: SeriesState, stands: Callable[[Block], Mask]) -> Mask:
    """Rows that a person released, and that are told again just as they were."""
    let_in = np.zeros(len(ts), bool)
    for start, end in series.released:
        let_in |= (ts >= start) & (ts < end)
    if let_in.any():
        try:
            rows = Block.from_table(as_it_came(one.table), dataset_of(series.key))
        except BadData:  # no row of the kind that can be released
            return np.zeros(len(ts), bool)
        let_in[let_in] = stands(rows.take(let_in))
    return let_in


def _windows(key: object, files: Sequence[KeptOut], times: Sequence[int]) -> Spans:
    step, origin = 1, 0
    if isinstance(key, SeriesKey) and files:
        step, origin = (
            key.timeframe.seconds * 1000,
            dataset_of(key).ticks(key.timeframe.floor(files[0].staged.asked_from)),
        )
    opens = sorted({origin + (moment - origin) // step * step for moment in times})
    return spans.of_grid(np.array(opens, np.int64), step)

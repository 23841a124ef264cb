"""What a verdict brings to the lake, read from the exact bytes it was given for.

In: a store and a verdict.  Out: one ``Arrival`` a series or tape, sorted by key.  Never: trusting a reference whose bytes differ,
or rows that could not be candles (unsorted, doubled, not finite) or events (not finite), whatever the verdict says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kracken_tasks.domain.market import DataKey, SeriesKey, key_parts
from kracken_tasks.domain.refs import Finding, StagedSeries, Verdict
from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import CANDLES, Dataset, dataset_of
from kracken_tasks.lake.kept_out import KeptOut
from kracken_tasks.lake.spans import Spans
from kracken_tasks.lake.staging import read_staged, staged_bytes, staged_table
from kracken_tasks.lake.store import Store
from kracken_tasks.lake.takeover import Ready

__all__ = ["Arrival", "Part", "arrivals_of", "joined"]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One staged file that was accepted, as its verified bytes; ``ready`` if it could be kept as it lies."""

    staged: StagedSeries
    raw: bytes
    ready: Ready | None


@dataclass(frozen=True, eq=False)
class Arrival:
    """All that one verdict says of one key.  ``blocked``: nothing of it was accepted; ``asked``: rows kept out included."""

    key: DataKey
    parts: tuple[Part, ...]
    blocked: bool
    asked: Spans
    kept_out: tuple[KeptOut, ...]
    findings: tuple[Finding, ...]

    @property
    def sole(self) -> Part | None:
        """The one file of all rows, if there is one and it could be kept as it lies."""
        return self.parts[0] if len(self.parts) == 1 and self.parts[0].ready is not None else None

    @property
    def count(self) -> int:
        return len(self.rows) if self.sole is None else self.sole.staged.rows

    @cached_property
    def rows(self) -> Block:
        """In order (candles: unique)."""
        return joined(map(_rows, self.parts), dataset_of(self.key))


def arrivals_of(store: Store, verdict: Verdict) -> tuple[Arrival, ...]:
    """Read and check everything before anything is written.

    Raises: BadData naming the series whose bytes are missing, differ from the verdict's, or are no candles.
    """
    keys = sorted({staged.key for staged in (*verdict.accepted, *verdict.quarantined)}, key=key_parts)
    arrivals = tuple(_arrival(store, verdict, key) for key in keys)
    for arrival in arrivals:
        if arrival.sole is None:
            arrival.rows  # noqa: B018  # what is no candle is refused here, before anything is written
    return arrivals


def _arrival(store: Store, verdict: Verdict, key: DataKey) -> Arrival:
    accepted = [staged for staged in verdict.accepted if staged.key == key]
    asked = spans.union(*(_asked(staged, verdict) for staged in accepted))
    parts = tuple(Part(staged, *staged_bytes(store, staged)) for staged in accepted if staged.path)
    kept_out = tuple(
        KeptOut(staged, *read_staged(store, staged)) for staged in verdict.quarantined if staged.key == key
    )
    findings = tuple(finding for finding in verdict.findings if finding.key == key)
    return Arrival(key, parts, not accepted, asked, kept_out, findings)


def _rows(part: Part) -> Block:
    staged, dataset = part.staged, dataset_of(part.staged.key)
    rows = Block.from_table(staged_table(part.raw, staged.key), dataset)
    ordered = dataset is not CANDLES or bool((np.diff(rows["ts"]) > 0).all())
    finite = all(bool(np.isfinite(rows[name]).all()) for name in dataset.finite)
    if not ordered or not finite or len(rows) != staged.rows:
        raise BadData(
            f"{staged.key}: {staged.path} was accepted but its rows are no {dataset.name} (in order, unique, finite)",
            series=str(staged.key), path=staged.path, ordered=ordered, finite=finite, rows=len(rows),
        )  # fmt: skip
    return rows


def joined(parts: Iterable[Block], dataset: Dataset) -> Block:
    """Several fetches of one key in a batch as one; where candles overlap, the later one in the batch counts."""
    rows = Block.concat(list(parts), dataset)
    if dataset is not CANDLES:
        return rows.in_order()
    ts = rows["ts"]
    if bool((np.diff(ts) > 0).all()):
        return rows
    order = np.argsort(ts, kind="stable")
    return rows.take(order[np.append(np.diff(ts[order]) != 0, True)])


def _asked(staged: StagedSeries, verdict: Verdict) -> Spans:
    """What of the asked range was over when the rows were judged: of a series whole windows."""
    ticks, asked_to = dataset_of(staged.key).ticks, min(staged.asked_to, verdict.checked_at)
    start, end = ticks(staged.asked_from), ticks(asked_to)
    if isinstance(staged.key, SeriesKey):
        frame = staged.key.timeframe
        floor, end = ticks(frame.floor(staged.asked_from)), ticks(frame.floor(asked_to))
        start = floor if floor == start else floor + frame.seconds * 1000
    return ((start, end),) if start < end else ()

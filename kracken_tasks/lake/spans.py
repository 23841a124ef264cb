"""Sets of time as sorted, merged, half-open intervals of milliseconds.

In and out: tuples of ``(start_ms, end_ms)``.  Used for what was asked of a source, what was rejected, and what is missing;
never holds a candle.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spans", "grown", "intersect", "of_grid", "subtract", "union"]

Spans = tuple[tuple[int, int], ...]


def union(*parts: Iterable[tuple[int, int]]) -> Spans:
    """Everything in any of ``parts``; touching intervals become one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(span for part in parts for span in part if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def subtract(left: Iterable[tuple[int, int]], right: Iterable[tuple[int, int]]) -> Spans:
    """What is in ``left`` and not in ``right``."""
    holes = union(right)
    kept: list[tuple[int, int]] = []
    at = 0
    for start, end in union(left):
        while at < len(holes) and holes[at][1] <= start:
            at += 1
        look = at
        while look < len(holes) and holes[look][0] < end:
            if start < holes[look][0]:
                kept.append((start, holes[look][0]))
            start = max(start, holes[look][1])
            look += 1
        if start < end:
            kept.append((start, end))
    return tuple(kept)


def intersect(left: Iterable[tuple[int, int]], right: Iterable[tuple[int, int]]) -> Spans:
    """What is in both."""
    whole = union(left)
    return subtract(whole, subtract(whole, right))


def grown(gaps: Spans, start: int, end: int, step: int) -> Spans:
    """What of ``gaps`` lies in [start, end); where gaps are made of windows of ``step``, whole windows that it touches."""
    if step and gaps:
        origin = gaps[0][0]
        start, end = origin + (start - origin) // step * step, origin - (origin - end) // step * step
    return intersect(gaps, [(start, end)])


def of_grid(ts: NDArray[np.int64], step_ms: int) -> Spans:
    """The windows that rows at ``ts`` (sorted, unique, open times) fill."""
    if not len(ts):
        return ()
    breaks = np.flatnonzero(np.diff(ts) != step_ms)
    starts = ts[np.concatenate(([0], breaks + 1))]
    ends = ts[np.concatenate((breaks, [len(ts) - 1]))] + step_ms
    return tuple(zip(starts.tolist(), ends.tolist(), strict=True))

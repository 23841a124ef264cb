"""Which windows to ask a venue for, and which lie out of its reach.

In: what the lake lacks, the moment, how far back the source goes.  Out: a ``Plan``.  Never: I/O, a window that is silently cut.

All windows are half open, [start, end) by open time, on the timeframe's grid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey, Timeframe

__all__ = ["GapCause", "Plan", "UnreachableGap", "Window", "plan"]


class GapCause(StrEnum):
    """Why candles that were asked for are not there."""

    BEYOND_REACH = "beyond_reach"  # known before asking: the source gives only its newest N candles
    LATE_START = (
        "late_start"  # the source's first row is later than asked, and its answer is full, or begins much later
    )
    NO_ANSWER = "no_answer"  # the source gave no row at all


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Open times from ``start`` up to, not including, ``end``."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"empty window {iso(self.start)} to {iso(self.end)}")

    def candles(self, timeframe: Timeframe) -> int:
        return (self.end - self.start) // timeframe.delta


@dataclass(frozen=True, slots=True)
class UnreachableGap:
    """Candles of ``window`` that this source cannot give; ``detail`` says why and where else to look."""

    key: SeriesKey
    window: Window
    cause: GapCause
    detail: str

    @property
    def candles(self) -> int:
        return self.window.candles(self.key.timeframe)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for, oldest first, and what asking cannot bring.

    ``asked`` is the whole span from the first candle wanted to the last closed one, None when nothing is closed yet;
    ``reach`` is the source's, in candles, the running one included (None: no bound).
    """

    key: SeriesKey
    asked: Window | None
    windows: tuple[Window, ...]
    unreachable: tuple[UnreachableGap, ...]
    reach: int | None

    @property
    def complete(self) -> bool:
        """Nothing is missing that could be asked for, and nothing is out of reach."""
        return not self.windows and not self.unreachable

    @property
    def candles(self) -> int:
        """How many candles the windows could bring at most."""
        return sum(window.candles(self.key.timeframe) for window in self.windows)


def plan(
    key: SeriesKey,
    *,
    asked_from: datetime,
    now: datetime,
    missing: Iterable[tuple[datetime, datetime]],
    reach: int | None,
) -> Plan:
    """Plan what to fetch of one series.

    Time:   candles open at or after ``asked_from`` and are closed at ``now`` (the venue's clock).
    Units:  ``missing`` are [start, end) holes as the lake tells them; ``reach`` in candles, the running one included.
    A hole that lies partly before the reach becomes a window and an ``UnreachableGap``: nothing is cut without saying so.
    """
    frame = key.timeframe
    start, end = _ceil(frame, asked_from), frame.floor(now)
    if start >= end:
        return Plan(key, None, (), (), reach)
    holes = _merged(frame, missing, start, end)
    if reach is None:
        return Plan(key, Window(start, end), holes, (), None)
    # The running candle takes one of the places.
    oldest = end - max(reach - 1, 0) * frame.delta
    within = tuple(Window(max(hole.start, oldest), hole.end) for hole in holes if hole.end > oldest)
    before = tuple(
        _beyond(key, Window(hole.start, min(hole.end, oldest)), reach) for hole in holes if hole.start < oldest
    )
    return Plan(key, Window(start, end), within, before, reach)


def _beyond(key: SeriesKey, window: Window, reach: int) -> UnreachableGap:
    detail = (
        f"{key}: {window.candles(key.timeframe)} candles before {iso(window.end)} lie beyond the newest {reach} that {key.exchange} "
        "gives; they come from its trades or from an archive file"
    )
    return UnreachableGap(key, window, GapCause.BEYOND_REACH, detail)


def _merged(
    frame: Timeframe, missing: Iterable[tuple[datetime, datetime]], start: datetime, end: datetime
) -> tuple[Window, ...]:
    merged: list[Window] = []
    for hole_start, hole_end in sorted(missing):
        first, last = max(frame.floor(hole_start), start), min(_ceil(frame, hole_end), end)
        if first >= last:
            continue
        if merged and first <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, last))
        else:
            merged.append(Window(first, last))
    return tuple(merged)


def _ceil(frame: Timeframe, moment: datetime) -> datetime:
    floor = frame.floor(moment)
    return floor if floor == moment else floor + frame.delta

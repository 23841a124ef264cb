"""Closed candles kept as unbroken runs of days, so that a window that moves on a little costs a slice.

In: a function that gives any day's trades.  Out: read-only candles no wider than a day.  Never holds an unfinished candle:
the days it asks for are always whole, and callers cut what they may not see yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kracken_tasks.sandbox.market.aggregate import DAY_S, candles_from, cut_candles, join_candles, width_seconds
from kracken_tasks.sandbox.market.protocol import Candles, Trades
from kracken_tasks.sandbox.market.recent import Recent

__all__ = ["DayRuns"]

_ROWS_A_RUN: Final = 100_000
_ROWS_KEPT: Final = 250_000


@dataclass(frozen=True, slots=True)
class _Run:
    first_day: int
    end_day: int
    candles: Candles

    def covers(self, first: int, end: int) -> bool:
        return self.first_day <= first and end <= self.end_day

    def touches(self, first: int, end: int) -> bool:
        return first <= self.end_day and self.first_day <= end


class DayRuns:
    """Candles by day for one pair.  Two memories: single days, and per width the run asked for last."""

    def __init__(self, trades_of_day: Callable[[int], Trades], price_decimals: int) -> None:
        self._trades_of_day = trades_of_day
        self._decimals = price_decimals
        self._days: dict[int, Recent[int, Candles]] = {}
        self._runs: dict[int, _Run] = {}

    def window(self, minutes: int, start_s: int, end_s: int) -> Candles:
        """Whole candles of ``minutes`` (at most a day) whose open time lies in [start_s, end_s)."""
        first, end = start_s // DAY_S, -(-end_s // DAY_S)
        run = self._runs.get(minutes)
        if run is None or not run.covers(first, end):
            run = self._runs[minutes] = self._longer(minutes, run, first, end)
        return cut_candles(run.candles, start_s, end_s)

    def _longer(self, minutes: int, run: _Run | None, first: int, end: int) -> _Run:
        days_a_run = max(1, _ROWS_A_RUN * minutes // 1440)
        if run is None or not run.touches(first, end):
            return _Run(first, end, self._joined(minutes, first, end))
        low, high = min(first, run.first_day), max(end, run.end_day)
        if high - low > days_a_run:
            return _Run(first, end, self._joined(minutes, first, end))
        before = self._joined(minutes, low, run.first_day)
        after = self._joined(minutes, run.end_day, high)
        return _Run(low, high, join_candles((before, run.candles, after)))

    def _joined(self, minutes: int, first: int, end: int) -> Candles:
        kept = self._days.setdefault(minutes, Recent(max(32, _ROWS_KEPT * minutes // 1440)))
        seconds = width_seconds(minutes)

        def make(day: int) -> Candles:
            return candles_from(self._trades_of_day(day), seconds, self._decimals)

        return join_candles([kept.get(day, make) for day in range(first, end)])

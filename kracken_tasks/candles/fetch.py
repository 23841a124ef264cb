"""Carry out a plan: ask the venue, keep closed candles inside the windows, say what did not come.

In: a ``MarketData``, a ``Plan``, the venue's time.  Out: ``Fetched``.  Never: a retry, a running candle, a silently late start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pandas as pd

from kracken_tasks.candles.frames import (
    candle_frame,
    closed_only,
    empty_candles,
    join_candles,
    off_grid,
    traded_only,
    within,
)
from kracken_tasks.candles.windows import GapCause, Plan, UnreachableGap, Window
from kracken_tasks.domain.clock import iso
from kracken_tasks.errors import BadData
from kracken_tasks.exchange.market_data import QUIET_HEAD, SHORTEST_PAGE, MarketData

__all__ = ["Fetched", "fetch"]

# Full answers of 707 to 719 rows are on record where 720 were due (ccxt issue 5682, freqtrade issue 3392).
_SHORT_OF_FULL: Final = 20
_MOST_PAGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a plan.

    ``frame``: closed candles inside the plan's windows, oldest first; flat rows without trades are no candles.  ``gaps``: what could
    not be had, the plan's own among it.  ``covered``: the windows the venue did answer for; a candle absent there had no trades, if
    it opens before ``told_until``, the close of the newest closed row (None: no row): a later one may still be on its way.
    ``trades_a_day``: as the answer's own counts tell, None where they do not.
    """

    frame: pd.DataFrame
    gaps: tuple[UnreachableGap, ...]
    covered: tuple[Window, ...]
    calls: int
    told_until: datetime | None = None
    trades_a_day: float | None = None


def fetch(client: MarketData, plan: Plan, now: datetime) -> Fetched:
    """Fetch a plan's windows.

    Time:   ``now`` is the venue's time, taken before the call; a candle that closes after it is still running, whatever the answer holds.
    Raises: RetryLater, Misconfigured from the venue; BadData if a candle opens off the grid.
    """
    if not plan.windows:
        return Fetched(empty_candles(), plan.unreachable, (), 0)
    span = Window(plan.windows[0].start, plan.windows[-1].end)
    pages, calls = _pages(client, plan, span)
    rows = join_candles(pages)
    _check_grid(plan, rows)
    reached = _reached(plan, span, rows, full=len(pages) == 1)
    cause = GapCause.LATE_START if len(rows) else GapCause.NO_ANSWER
    late = tuple(
        _gap(plan, Window(w.start, min(w.end, reached)), cause, reached) for w in plan.windows if w.start < reached
    )
    covered = tuple(Window(max(w.start, reached), w.end) for w in plan.windows if w.end > reached)
    closed = closed_only(rows, plan.key.timeframe, now)
    told_until = closed["ts"].iloc[-1].to_pydatetime() + plan.key.timeframe.delta if len(closed) else None
    traded, _ = traded_only(closed)
    kept = join_candles(within(traded, window.start, window.end) for window in plan.windows)
    return Fetched(kept, (*plan.unreachable, *late), covered, calls, told_until, _busyness(closed, plan))


def _busyness(closed: pd.DataFrame, plan: Plan) -> float | None:
    if closed.empty or closed["trades"].isna().any():
        return None
    days = (closed["ts"].iloc[-1] + plan.key.timeframe.delta - closed["ts"].iloc[0]) / timedelta(days=1)
    return float(closed["trades"].sum()) / float(days)


def _pages(client: MarketData, plan: Plan, span: Window) -> tuple[list[pd.DataFrame], int]:
    """Pages with rows, and the calls that were made.

    Most venues page forward from ``since``; where one call gives all there is, the second is never made.  A page may be empty because
    nobody traded for as long as a page reaches, or because the market had not begun: what comes after is asked for all the same.
    """
    pages: list[pd.DataFrame] = []
    since, calls = span.start, 0
    while calls < _MOST_PAGES and since < span.end:
        page = client.ohlc(plan.key.symbol, plan.key.timeframe, since)
        calls += 1
        if page.empty:
            if plan.reach is not None:
                break
            since += SHORTEST_PAGE * plan.key.timeframe.delta
            continue
        pages.append(candle_frame(page))
        newest = pages[-1]["ts"].iloc[-1].to_pydatetime()
        if newest < since or newest + plan.key.timeframe.delta >= span.end or plan.reach is not None:
            break
        since = newest + plan.key.timeframe.delta
    return pages, calls


def _reached(plan: Plan, span: Window, rows: pd.DataFrame, full: bool) -> datetime:
    """From which open time on the answer speaks for every candle."""
    if rows.empty:
        return span.end
    first: datetime = rows["ts"].iloc[0].to_pydatetime()
    # A few quiet windows at the start of an answer that is well short of full are just that.  More of them might be an answer cut
    # elsewhere than documented: those are a gap, until trades show that nobody traded.
    quiet = (first - span.start) // plan.key.timeframe.delta
    if plan.reach is not None and full and len(rows) < plan.reach - _SHORT_OF_FULL and quiet <= QUIET_HEAD:
        return span.start
    return max(first, span.start)


def _gap(plan: Plan, window: Window, cause: GapCause, reached: datetime) -> UnreachableGap:
    told = f"began at {iso(reached)}" if cause is GapCause.LATE_START else "gave no row at all"
    return UnreachableGap(
        plan.key, window, cause, f"{plan.key}: asked from {iso(window.start)}, {plan.key.exchange} {told}"
    )


def _check_grid(plan: Plan, rows: pd.DataFrame) -> None:
    stray = off_grid(rows, plan.key.timeframe)
    if stray.any():
        first = rows["ts"].iloc[int(stray.argmax())]
        raise BadData(
            f"{plan.key}: a candle opens off the grid at {first}",
            series=str(plan.key),
            ts=str(first),
            rows=int(stray.sum()),
        )

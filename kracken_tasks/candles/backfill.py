"""History as deep as the venue has it, day by day: carry out a plan, and go on after any kill.

In: a lake, a venue, a ``BackfillPlan``.  Out: ``Progress`` after every step.  Never: a day half in the lake, a
trade lost or counted twice, a call for a page that lies in the spool.

A UTC day is the unit.  Its trades are read page by page into the spool, become candles of every wanted width and one day of the trades
tape, and enter the lake in one commit.  Where a run ended, killed or not, cannot be told from what it left: the days are the same, each
is made from the same trades, and days are committed in order, so that the next run, or another one at the same time, writes the same
files.  Then the venue's own candles top up, and widths of more than a day are made of days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from kracken_tasks.candles.aggregate import aggregate
from kracken_tasks.candles.backfill_plan import BackfillPlan, not_fetched, on_grid, tape_missing
from kracken_tasks.candles.frames import empty_candles
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.ingestion import (
    Arrived,
    Judge,
    PriceDecimals,
    batch_of,
    offered_base,
    stage_missing,
    unknown_decimals,
)  # fmt: skip
from kracken_tasks.candles.sources import Source
from kracken_tasks.candles.spool import FolderSpool, exclusive
from kracken_tasks.candles.staging import stage_derived, stage_known
from kracken_tasks.candles.trade_pages import Patience, TradeRead, read_trades
from kracken_tasks.candles.windows import GapCause, Window
from kracken_tasks.domain.market import CandleSource, SeriesKey, Timeframe
from kracken_tasks.domain.refs import CommitRef, Finding, StagedBatch, StagedSeries
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.lake import Lake

__all__ = ["Backfill", "Progress"]

_STRETCH: Final = 10_000  # candles that are fetched before they are committed, where a venue pages them

Heard = Callable[[Window, datetime, int], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that is done: ``what`` in words, the span, calls made and trades read for it, its commit (None: nothing was new), and what
    the contracts found."""

    what: str
    window: Window
    calls: int = 0
    trades: int = 0
    commit: CommitRef | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a plan is carried out with.

    ``spool``: a folder for pages on their way; give the same one to every run, so that it finds what a killed one left.
    ``keep_trades``: trades that were read go to the tape, too.  ``heard``: told after every page: the day, how far it came, calls made.
    """

    lake: Lake
    market: MarketData
    judge: Judge
    spool: Path
    keep_trades: bool = True
    decimals: PriceDecimals = unknown_decimals
    patience: Patience = field(default_factory=Patience)
    heard: Heard | None = None

    def run(self, plan: BackfillPlan) -> Iterator[Progress]:
        """Carry out a plan, step by step; what archives hold must have been imported.

        Raises: RetryLater once the patience with the venue is used up (run again: nothing is lost), BadData, Misconfigured.
        """
        yield from self._before_the_first_trade(plan)
        for day in plan.days:
            with exclusive(self._pair(plan)):
                done = self._day(plan, day)
            yield done
        yield from self._candles(plan)
        yield from self._wider(plan)

    # -- days of trades --------------------------------------------------------------------------------------------------

    def _day(self, plan: BackfillPlan, day: Window) -> Progress:
        pages, snapshot = self._pages(plan, day.start), self.lake.snapshot()
        candles = any(not_fetched(snapshot, key, day) for key in plan.keys)
        if not candles and not (plan.tape and tape_missing(snapshot, plan.trades, day)):
            pages.clear()  # somebody committed the day and was killed before tidying up
            return Progress("there already", day)
        heard = self.heard
        told = None if heard is None else lambda until, calls: heard(day, until, calls)
        with calls_at(Priority.EXPORT):  # trading goes first
            read = read_trades(self.market, plan.symbol, day, pages, patience=self.patience, heard=told)
        staged = self._staged(plan, day, read, candles=candles)
        following = self._pages(plan, day.end)
        goes_on = any(other.start == day.end for other in plan.days)
        if goes_on and read.rest is not None and not following.pages():
            following.add(read.rest)  # before the commit: killed after it, the next run need not ask again
        committed = self._committed(staged)
        pages.clear()
        return Progress("trades", day, read.calls, len(read.trades), *committed)

    def _staged(self, plan: BackfillPlan, day: Window, read: TradeRead, *, candles: bool) -> list[StagedSeries]:
        source, places = CandleSource.TRADES.value, self.decimals(plan.symbol)
        staged: list[StagedSeries] = []
        for key in plan.keys if candles else ():
            span, (base, _) = on_grid(day, key.timeframe), offered_base(self.market, key.timeframe)
            if span is None:
                continue
            covered = (span.start, span.end)
            frame = candles_from_trades(read.trades, base, covered=covered, price_decimals=places)
            if base is not key.timeframe:  # as ingestion makes it, so that both write the same figures
                frame = aggregate(frame, base, key.timeframe, [covered], places).frame
            staged += stage_known(self.lake, key, frame, [covered], source)
        if self.keep_trades and (len(read.trades) or plan.tape):
            staged.append(
                self.lake.stage(plan.trades, read.trades, asked_from=day.start, asked_to=day.end, source=source)
            )
        return staged

    def _pair(self, plan: BackfillPlan) -> Path:
        return self.spool / plan.exchange / plan.symbol.replace("/", "-")

    def _pages(self, plan: BackfillPlan, start: datetime) -> FolderSpool:
        return FolderSpool(self._pair(plan) / start.strftime("%Y%m%dT%H%M%SZ"))

    # -- everything else -------------------------------------------------------------------------------------------------

    def _before_the_first_trade(self, plan: BackfillPlan) -> Iterator[Progress]:
        """Write down that nobody traded before the venue's first trade."""
        staged = []
        for gap in plan.gaps:
            if gap.cause is GapCause.LATE_START:
                span = (gap.window.start, gap.window.end)
                staged += stage_known(self.lake, gap.key, empty_candles(), [span], CandleSource.TRADES.value)
        if staged:
            yield Progress("before the first trade", plan.span, 0, 0, *self._committed(staged))

    def _candles(self, plan: BackfillPlan) -> Iterator[Progress]:
        """The venue's own candles, in one commit where it gives the newest only, else in one a stretch of pages."""
        firsts = {leg.key: leg.window.start for leg in reversed(plan.legs) if leg.source is Source.OHLC}
        wanted = [
            (window, key) for key, first in firsts.items() for window in self._stretches(key, first, plan.span.end)
        ]
        for window in sorted({window for window, _ in wanted}):
            arrived = [self._topped_up(key, window) for other, key in wanted if other == window]
            staged = batch_of(arrived).series
            yield Progress("the venue's candles", window, len(arrived), 0, *self._committed(staged))

    def _topped_up(self, key: SeriesKey, window: Window) -> Arrived:
        lake, market, decimals = self.lake, self.market, self.decimals
        with calls_at(Priority.EXPORT):
            return self.patience.with_(
                lambda: stage_missing(
                    lake, market, key, start=window.start, end=window.end, rebuild_calls=0, decimals=decimals
                )
            )

    def _stretches(self, key: SeriesKey, first: datetime, end: datetime) -> list[Window]:
        base, reach = offered_base(self.market, key.timeframe)
        if reach is not None:
            return [Window(first, end)]
        width = max(_STRETCH * base.delta, key.timeframe.delta)
        cuts = [first]
        while cuts[-1] + width < end:
            cuts.append(key.timeframe.floor(cuts[-1] + width))
        return [Window(a, b) for a, b in pairwise([*cuts, end])]

    def _wider(self, plan: BackfillPlan) -> Iterator[Progress]:
        base = SeriesKey(plan.exchange, plan.symbol, Timeframe.D1)
        for key in plan.wider:
            start, end = key.timeframe.floor(plan.span.start), key.timeframe.floor(plan.span.end)
            made = stage_derived(self.lake, base, key, start, end, self.decimals(plan.symbol)) if start < end else []
            yield Progress(f"{key.timeframe.value} of days", plan.span, 0, 0, *self._committed(made))

    def _committed(self, staged: Iterable[StagedSeries]) -> tuple[CommitRef | None, tuple[Finding, ...]]:
        batch = StagedBatch(tuple(staged))
        if not batch.series:
            return None, ()
        before, now = self.lake.snapshot().seq, self.patience.with_(self.market.now)
        verdict = self.judge(batch, now)
        commit = self.lake.commit(verdict, known_at=now)
        return (commit if commit.seq > before else None), verdict.findings

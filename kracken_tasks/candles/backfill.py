"""History as deep as the venue has it, day by day: carry out a plan, and go on after any kill.

In: a lake, a venue, a ``BackfillPlan``.  Out: ``Progress`` after every step.  Never: a day that is half in the
lake, a trade lost or counted twice, a second page for one that lies in the spool.

A UTC day is the unit.  Its trades are read page by page into the spool, become candles of every wanted width and one day of the trades
tape, and enter the lake in one commit.  Where a run ended, killed or not, cannot be told from what it left: the days are the same, each
is made from the same trades, and days are committed in order, so that the next run, or another one at the same time, writes the same
files.  Then the venue's own candles top up, and widths of more than a day are made of days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from kracken_tasks.candles.aggregate import aggregate
from kracken_tasks.candles.backfill_plan import BackfillPlan, not_fetched, on_grid
from kracken_tasks.candles.frames import empty_candles
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.ingestion import (
    Judge,
    PriceDecimals,
    batch_of,
    offered_base,
    stage_missing,
    unknown_decimals,
)
from kracken_tasks.candles.sources import Source
from kracken_tasks.candles.spool import FolderSpool, exclusive
from kracken_tasks.candles.staging import stage_derived, stage_known
from kracken_tasks.candles.trade_pages import Patience, TradeRead, read_trades
from kracken_tasks.candles.windows import GapCause, Window
from kracken_tasks.domain.market import CandleSource, SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import CommitRef, Finding, StagedBatch, StagedSeries
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.lake import Lake

__all__ = ["Progress", "run_backfill"]

_DAY: Final = Timeframe.D1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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


def run_backfill(
    lake: Lake,
    market: MarketData,
    plan: BackfillPlan,
    judge: Judge,
    *,
    spool: Path,
    keep_trades: bool = True,
    decimals: PriceDecimals = unknown_decimals,
    patience: Patience | None = None,
    heard: Heard | None = None,
) -> Iterator[Progress]:
    """Carry out a plan; what archives hold must have been imported.

    ``spool``: a folder for pages on their way; give the same one to every run, so that it finds what a killed one left.
    ``heard``: told after every page (the day, how far it came, calls made for it).
    Raises: RetryLater once the venue's patience is used up (run again: nothing is lost), BadData, Misconfigured.
    """
    pair = spool / plan.exchange / plan.symbol.replace("/", "-")
    yield from _before_the_first_trade(lake, market, plan, judge)
    with_base = {key: offered_base(market, key.timeframe)[0] for key in plan.keys}
    for day in plan.days:
        with exclusive(pair):
            yield _day(lake, market, plan, judge, day, pair, with_base, keep_trades, decimals, patience, heard)
    yield from _from_candles(lake, market, plan, judge, decimals)
    base = SeriesKey(plan.exchange, plan.symbol, _DAY)
    for key in plan.wider:
        start, end = key.timeframe.floor(plan.span.start), key.timeframe.floor(plan.span.end)
        staged = stage_derived(lake, base, key, start, end, decimals(plan.symbol)) if start < end else []
        yield Progress(f"{key.timeframe.value} of days", plan.span, 0, 0, *_committed(lake, market, judge, staged))


def _before_the_first_trade(lake: Lake, market: MarketData, plan: BackfillPlan, judge: Judge) -> Iterator[Progress]:
    """Write down that nobody traded before the venue's first trade."""
    staged = []
    for gap in plan.gaps:
        if gap.cause is GapCause.LATE_START:
            span = (gap.window.start, gap.window.end)
            staged += stage_known(lake, gap.key, empty_candles(), [span], CandleSource.TRADES.value)
    if staged:
        yield Progress("before the first trade", plan.span, 0, 0, *_committed(lake, market, judge, staged))


def _from_candles(
    lake: Lake, market: MarketData, plan: BackfillPlan, judge: Judge, decimals: PriceDecimals
) -> Iterator[Progress]:
    """The venue's own candles, in one commit where it gives the newest only, else in one a stretch of pages."""
    firsts = {leg.key: leg.window.start for leg in reversed(plan.legs) if leg.source is Source.OHLC}
    stretches = {
        window for key, first in firsts.items() for window in _stretches(market, key, Window(first, plan.span.end))
    }
    for window in sorted(stretches):
        keys = [key for key, first in firsts.items() if window in _stretches(market, key, Window(first, plan.span.end))]
        arrived = [
            stage_missing(lake, market, key, start=window.start, end=window.end, rebuild_calls=0, decimals=decimals)
            for key in sorted(keys)
        ]
        told = _committed(lake, market, judge, batch_of(arrived).series)
        yield Progress("the venue's candles", window, len(arrived), 0, *told)


def _stretches(market: MarketData, key: SeriesKey, window: Window) -> list[Window]:
    base, reach = offered_base(market, key.timeframe)
    if reach is not None:
        return [window]
    width = max(_STRETCH * base.delta, key.timeframe.delta)
    cuts = [window.start]
    while cuts[-1] + width < window.end:
        cuts.append(key.timeframe.floor(cuts[-1] + width))
    return [Window(a, b) for a, b in pairwise([*cuts, window.end])]


def _day(
    lake: Lake, market: MarketData, plan: BackfillPlan, judge: Judge, day: Window, pair: Path,
    bases: Mapping[SeriesKey, Timeframe], keep_trades: bool, decimals: PriceDecimals, patience: Patience | None,
    heard: Heard | None,
) -> Progress:  # fmt: skip
    pages = FolderSpool(pair / _folder(day.start))
    snapshot = lake.snapshot()
    if not any(not_fetched(snapshot, key, day) for key in plan.keys):
        pages.clear()  # somebody committed the day and was killed before tidying up
        return Progress("there already", day)
    told = None if heard is None else lambda until, calls: heard(day, until, calls)
    with calls_at(Priority.EXPORT):  # trading goes first
        read = read_trades(market, plan.symbol, day, pages, patience=patience, heard=told)
    staged = _staged(lake, plan, day, read, bases, keep_trades, decimals)
    following = FolderSpool(pair / _folder(day.end))
    goes_on = any(other.start == day.end for other in plan.days)
    if goes_on and read.rest is not None and not following.pages():
        following.add(read.rest)  # before the commit: killed after it, the next run need not ask again
    committed = _committed(lake, market, judge, staged)
    pages.clear()
    return Progress("trades", day, read.calls, len(read.trades), *committed)


def _staged(
    lake: Lake, plan: BackfillPlan, day: Window, read: TradeRead, bases: Mapping[SeriesKey, Timeframe],
    keep_trades: bool, decimals: PriceDecimals,
) -> list[StagedSeries]:  # fmt: skip
    source, places = CandleSource.TRADES.value, decimals(plan.symbol)
    staged: list[StagedSeries] = []
    for key in plan.keys:
        span = on_grid(day, key.timeframe)
        if span is None:
            continue
        covered = (span.start, span.end)
        frame = candles_from_trades(read.trades, bases[key], covered=covered, price_decimals=places)
        if bases[key] is not key.timeframe:  # as ingestion makes it, so that both write the same figures
            frame = aggregate(frame, bases[key], key.timeframe, [covered], places).frame
        staged += stage_known(lake, key, frame, [covered], source)
    if keep_trades and len(read.trades):
        tape = TapeKey(plan.exchange, plan.symbol, Tape.TRADES)
        staged.append(lake.stage(tape, read.trades, asked_from=day.start, asked_to=day.end, source=source))
    return staged


def _committed(
    lake: Lake, market: MarketData, judge: Judge, staged: Iterable[StagedSeries]
) -> tuple[CommitRef | None, tuple[Finding, ...]]:
    batch = StagedBatch(tuple(staged))
    if not batch.series:
        return None, ()
    before, now = lake.snapshot().seq, market.now()
    verdict = judge(batch, now)
    commit = lake.commit(verdict, known_at=now)
    return (commit if commit.seq > before else None), verdict.findings


def _folder(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")

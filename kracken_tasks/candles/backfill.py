"""History as deep as the venue has it, day by day: plan it, say what it costs, carry it out, and go on after any kill.

In: a lake, a venue, a span.  Out: a ``BackfillPlan`` to read aloud, then ``Progress`` after every day.  Never: a day that is half in the
lake, a trade lost or counted twice, a second page for one that lies in the spool.

A UTC day is the unit.  Its trades are read page by page into the spool, become candles of every wanted width and one day of the trades
tape, and enter the lake in one commit.  Where a run ended, killed or not, cannot be told from what it left: the days are the same, each
is made from the same trades, and days are committed in order, so that the next run, or another one at the same time, writes the same
files.  Then the venue's own candles top up, and widths of more than a day are made of days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from kracken_tasks.candles.aggregate import aggregate
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.ingestion import (
    Judge,
    PriceDecimals,
    batch_of,
    offered_base,
    stage_missing,
    unknown_decimals,
)
from kracken_tasks.candles.sources import Leg, Offers, Source, choose_sources, trades_reach_back
from kracken_tasks.candles.spool import FolderSpool, exclusive
from kracken_tasks.candles.staging import stage_derived, stage_known
from kracken_tasks.candles.trade_pages import Patience, TradeRead, read_trades
from kracken_tasks.candles.windows import GapCause, UnreachableGap, Window
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import CandleSource, SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import CommitRef, StagedBatch, StagedSeries
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.lake import HoleCause, Lake, Snapshot

__all__ = ["BackfillPlan", "Progress", "plan_backfill", "run_backfill"]

_DAY: Final = Timeframe.D1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Heard = Callable[[Window, datetime, int], None]


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What one symbol lacks in ``span`` and where it comes from.

    ``keys``: widths of up to a day; ``wider``: those made of days afterwards.  ``days``: the spans, at most a UTC day each, whose trades
    are read.  ``gaps``: what no source gives.  ``trades_a_day``: as a few pages told, None where none were needed.
    """

    exchange: str
    symbol: str
    span: Window
    keys: tuple[SeriesKey, ...]
    wider: tuple[SeriesKey, ...]
    legs: tuple[Leg, ...]
    days: tuple[Window, ...]
    gaps: tuple[UnreachableGap, ...]
    trades_a_day: float | None

    @property
    def calls(self) -> int:
        return sum(leg.calls for leg in self.legs)

    @property
    def seconds(self) -> float:
        return sum(leg.seconds for leg in self.legs)


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that is done: ``what`` in words, the span, calls made and trades read for it, and its commit (None: nothing was new)."""

    what: str
    window: Window
    calls: int = 0
    trades: int = 0
    commit: CommitRef | None = None


def plan_backfill(
    lake: Lake,
    market: MarketData,
    symbol: str,
    timeframes: Sequence[Timeframe],
    start: datetime,
    end: datetime | None = None,
    *,
    allowed: frozenset[Source] = frozenset(Source),
    archive: Mapping[SeriesKey, Window] | None = None,
    seconds_a_call: float = 1.0,
) -> BackfillPlan:
    """Plan what the lake lacks of a symbol in [start, end), ``end`` at most the venue's now.

    Where trades may be needed, up to three pages are read to count them.
    Raises: Misconfigured if nothing in the span has closed; RetryLater from the venue.
    """
    now, snapshot = market.now(), lake.snapshot()
    widths = sorted({*timeframes, *([_DAY] if any(_is_wider(one) for one in timeframes) else [])}, key=_seconds)
    keys = tuple(SeriesKey(market.exchange, symbol, one) for one in widths)
    until = widths[0].floor(min(end or now, now))
    if start >= until:
        raise Misconfigured(
            f"nothing to fill from {iso(start)} to {iso(until)}: no {widths[0].value} candle has closed in between",
            start=iso(start), end=iso(until),
        )  # fmt: skip
    span = Window(start, until)
    direct = tuple(key for key in keys if not _is_wider(key.timeframe))
    missing = {key: _not_fetched(snapshot, key, span) for key in direct}
    offers = {
        key: Offers(_ohlc_from(market, key, now), _spans_of(archive, key), None, seconds_a_call, None, allowed)
        for key in direct
    }
    legs = [leg for key in direct for leg in choose_sources(key, missing[key], offers[key])]
    gaps: tuple[UnreachableGap, ...] = ()
    trades_a_day = None
    if Source.TRADES in allowed and trades_reach_back(market.exchange) and any(leg.source is None for leg in legs):
        begins, trades_a_day = _counted(
            market, symbol, Window(min(leg.window.start for leg in legs if leg.source is None), until)
        )
        legs, gaps = [], ()
        for key in direct:
            late, rest = _late(key, missing[key], begins)
            gaps += late
            legs += choose_sources(key, rest, replace(offers[key], trades_a_day=trades_a_day))
    legs = _sharing_trades(legs)
    gaps += tuple(_hopeless(leg) for leg in legs if leg.source is None)
    days = tuple(sorted({day for leg in legs if leg.source is Source.TRADES for day in _days(leg.window, span)}))
    wider = tuple(key for key in keys if _is_wider(key.timeframe))
    return BackfillPlan(market.exchange, symbol, span, direct, wider, tuple(legs), days, gaps, trades_a_day)


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
    with_base = {key: offered_base(market, key.timeframe)[0] for key in plan.keys}
    for day in plan.days:
        with exclusive(pair):
            yield _day(lake, market, plan, judge, day, pair, with_base, keep_trades, decimals, patience, heard)
    tops = sorted({leg.key: leg.window.start for leg in reversed(plan.legs) if leg.source is Source.OHLC}.items())
    arrived = [stage_missing(lake, market, key, start=first, rebuild_calls=0, decimals=decimals) for key, first in tops]
    if arrived:
        yield Progress(
            "the venue's candles", plan.span, len(arrived), 0, _commit(lake, market, judge, batch_of(arrived))
        )
    base = SeriesKey(plan.exchange, plan.symbol, _DAY)
    for key in plan.wider:
        start, end = key.timeframe.floor(plan.span.start), key.timeframe.floor(plan.span.end)
        staged = stage_derived(lake, base, key, start, end, decimals(plan.symbol)) if start < end else []
        yield Progress(
            f"{key.timeframe.value} of days", plan.span, 0, 0, _commit(lake, market, judge, StagedBatch(tuple(staged)))
        )


def _day(
    lake: Lake, market: MarketData, plan: BackfillPlan, judge: Judge, day: Window, pair: Path,
    bases: Mapping[SeriesKey, Timeframe], keep_trades: bool, decimals: PriceDecimals, patience: Patience | None,
    heard: Heard | None,
) -> Progress:  # fmt: skip
    pages = FolderSpool(pair / _folder(day.start))
    snapshot = lake.snapshot()
    if not any(_not_fetched(snapshot, key, day) for key in plan.keys):
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
    commit = _commit(lake, market, judge, StagedBatch(tuple(staged)))
    pages.clear()
    return Progress("trades", day, read.calls, len(read.trades), commit)


def _staged(
    lake: Lake, plan: BackfillPlan, day: Window, read: TradeRead, bases: Mapping[SeriesKey, Timeframe],
    keep_trades: bool, decimals: PriceDecimals,
) -> list[StagedSeries]:  # fmt: skip
    source, places = CandleSource.TRADES.value, decimals(plan.symbol)
    staged: list[StagedSeries] = []
    for key in plan.keys:
        span = _on_grid(day, key.timeframe)
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


def _commit(lake: Lake, market: MarketData, judge: Judge, batch: StagedBatch) -> CommitRef | None:
    if not batch.series:
        return None
    before, now = lake.snapshot().seq, market.now()
    commit = lake.commit(judge(batch, now), known_at=now)
    return commit if commit.seq > before else None


# -- planning --------------------------------------------------------------------------------------------------------


def _is_wider(timeframe: Timeframe) -> bool:
    return timeframe.seconds > _DAY.seconds


def _seconds(timeframe: Timeframe) -> int:
    return timeframe.seconds


def _not_fetched(snapshot: Snapshot, key: SeriesKey, span: Window) -> list[tuple[datetime, datetime]]:
    """Holes worth filling: a window that was rejected would be rejected again."""
    inside = _on_grid(span, key.timeframe)
    if inside is None:
        return []
    holes = snapshot.holes(key, inside.start, inside.end)
    return [(hole.start, hole.end) for hole in holes if hole.cause is HoleCause.NOT_FETCHED]


def _on_grid(span: Window, timeframe: Timeframe) -> Window | None:
    """The whole candles inside a span."""
    start, end = timeframe.floor(span.start), timeframe.floor(span.end)
    start = start if start == span.start else start + timeframe.delta
    return Window(start, end) if start < end else None


def _ohlc_from(market: MarketData, key: SeriesKey, now: datetime) -> datetime | None:
    try:
        base, reach = offered_base(market, key.timeframe)
    except Misconfigured:
        return None
    if reach is None:
        return _EPOCH
    oldest = base.floor(now) - (reach - 1) * base.delta
    opens = key.timeframe.floor(oldest)
    return opens if opens == oldest else opens + key.timeframe.delta


def _spans_of(archive: Mapping[SeriesKey, Window] | None, key: SeriesKey) -> tuple[Window, ...]:
    return (archive[key],) if archive and key in archive else ()


def _counted(market: MarketData, symbol: str, span: Window) -> tuple[datetime | None, float | None]:
    """The venue's first trade in or after the span, and how many there are a day, from a page at its start, middle and end."""
    begins, rates = None, []
    for share in (0.0, 0.5, 0.9):
        page, _ = market.trades(symbol, None, span.start + share * (span.end - span.start))
        if page.empty:
            continue
        first, last = page["ts"].iloc[0].to_pydatetime(), page["ts"].iloc[-1].to_pydatetime()
        begins = begins or first
        if last > first:
            rates.append((len(page) - 1) / ((last - first) / timedelta(days=1)))
    return begins, sum(rates) / len(rates) if rates else (0.0 if begins else None)


def _late(
    key: SeriesKey, missing: Sequence[tuple[datetime, datetime]], begins: datetime | None
) -> tuple[tuple[UnreachableGap, ...], list[tuple[datetime, datetime]]]:
    """Cut off what lies before the day of the venue's first trade: nobody can give it."""
    if begins is None:
        return (), list(missing)
    day = _DAY.floor(begins)
    detail = f"{key}: {key.exchange} tells of no trade before {iso(begins)}"
    late = tuple(
        UnreachableGap(key, Window(start, min(end, day)), GapCause.LATE_START, detail)
        for start, end in missing
        if start < day
    )
    return late, [(max(start, day), end) for start, end in missing if end > day]


def _hopeless(leg: Leg) -> UnreachableGap:
    detail = (
        f"{leg.key}: no source gives {iso(leg.window.start)} to {iso(leg.window.end)} ({'; '.join(leg.passed_over)})"
    )
    return UnreachableGap(leg.key, leg.window, GapCause.BEYOND_REACH, detail)


def _sharing_trades(legs: Sequence[Leg]) -> list[Leg]:
    """Trades are read once for all widths: the first series pays."""
    paid: set[datetime] = set()
    shared = []
    for leg in legs:
        if leg.source is Source.TRADES:
            days = {_DAY.floor(day.start) for day in _days(leg.window, leg.window)}
            if days <= paid:
                leg = replace(leg, calls=0, seconds=0.0, reason="made of the same trades")
            paid |= days
        shared.append(leg)
    return shared


def _days(window: Window, span: Window) -> Iterator[Window]:
    """The UTC days that a window touches, each cut to ``span``."""
    at = _DAY.floor(window.start)
    while at < window.end:
        yield Window(max(at, span.start), min(at + _DAY.delta, span.end))
        at += _DAY.delta


def _folder(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")

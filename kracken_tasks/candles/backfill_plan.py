"""What a backfill will do: which windows a symbol lacks, where each comes from, what that costs, and what nobody has.

In: a lake, a venue, a span.  Out: a ``BackfillPlan`` to read aloud.  Never: a write; a call but to count trades, where they may be needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from kracken_tasks.candles.ingestion import offered_base
from kracken_tasks.candles.sources import Leg, Offers, Source, choose_sources, trade_calls, trades_reach_back
from kracken_tasks.candles.windows import GapCause, UnreachableGap, Window
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.lake import HoleCause, Lake, Snapshot

__all__ = ["BackfillPlan", "leg_rows", "not_fetched", "on_grid", "plan_backfill", "tape_missing"]

_DAY: Final = Timeframe.D1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What one symbol lacks in ``span`` and where it comes from.

    ``keys``: widths of up to a day; ``wider``: those made of days afterwards.  ``days``: the spans, at most a UTC day each, whose trades
    are read.  ``gaps``: what no source gives.  ``trades_a_day``: as a few pages told, None where none were needed.  ``tape``: spans whose
    trades are wanted for themselves, whatever candles there are, and what they cost beside the legs.
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
    tape: tuple[Window, ...] = ()
    tape_calls: int = 0
    seconds_a_call: float = 1.0

    @property
    def calls(self) -> int:
        return sum(leg.calls for leg in self.legs) + self.tape_calls

    @property
    def seconds(self) -> float:
        return sum(leg.seconds for leg in self.legs) + self.tape_calls * self.seconds_a_call

    @property
    def trades(self) -> TapeKey:
        """The tape that trades on their way are kept in."""
        return TapeKey(self.exchange, self.symbol, Tape.TRADES)


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
    tape: bool = False,
) -> BackfillPlan:
    """Plan what the lake lacks of a symbol in [start, end), ``end`` at most the venue's now.

    ``tape``: the trades are wanted for themselves, so days whose tape is not whole are read even where no candle is missing.
    Where trades may be needed, up to three pages are read to count them.
    Raises: Misconfigured if nothing in the span has closed, or if trades are wanted that the venue does not give or nobody may ask for;
    RetryLater from the venue.
    """
    if tape:
        _refuse_tape(market.exchange, allowed)
    now, snapshot = market.now(), lake.snapshot()
    widths = sorted({*timeframes, *([_DAY] if any(_is_wider(one) for one in timeframes) else [])}, key=_seconds)
    keys = tuple(SeriesKey(market.exchange, symbol, one) for one in widths)
    until = min(end or now, now)
    if not tape:  # a tape has no grid
        until = widths[0].floor(until)
    if start >= until:
        raise Misconfigured(
            f"nothing to fill from {iso(start)} to {iso(until)}: no {widths[0].value} candle has closed in between",
            start=iso(start), end=iso(until),
        )  # fmt: skip
    span = Window(start, until)
    direct = tuple(key for key in keys if not _is_wider(key.timeframe))
    missing = {key: not_fetched(snapshot, key, span) for key in direct}
    asked = Offers(None, seconds_a_call=seconds_a_call, allowed=allowed)
    offers = {key: replace(_of_candles(market, key, now, asked), archive=_spans_of(archive, key)) for key in direct}
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
    days = {day for leg in legs if leg.source is Source.TRADES for day in _days(leg.window, span)}
    wider = tuple(key for key in keys if _is_wider(key.timeframe))
    told = BackfillPlan(
        market.exchange, symbol, span, direct, wider, tuple(legs), _ordered(days), gaps, trades_a_day,
        seconds_a_call=seconds_a_call,
    )  # fmt: skip
    return _with_tape(told, market, snapshot) if tape else told


def _with_tape(told: BackfillPlan, market: MarketData, snapshot: Snapshot) -> BackfillPlan:
    """The plan with the days whose trades nobody has, from the venue's first trade on."""
    lacking = tape_missing(snapshot, told.trades, told.span)
    if not lacking:
        return told
    begins, a_day = _counted(market, told.symbol, Window(lacking[0].start, told.span.end))
    first = told.span.start if begins is None else _DAY.floor(begins)
    wanted = tuple(Window(max(one.start, first), one.end) for one in lacking if one.end > first)
    more = {day for window in wanted for day in _days(window, told.span)} - set(told.days)
    calls = sum(trade_calls(day, a_day or 0.0) for day in more)
    return replace(
        told, days=_ordered({*told.days, *more}), trades_a_day=a_day, tape=wanted, tape_calls=calls
    )  # fmt: skip


def tape_missing(snapshot: Snapshot, key: TapeKey, span: Window) -> list[Window]:
    """Times whose trades no source answered for."""
    return [Window(*hole) for hole in snapshot.unfetched(key, span.start, span.end)]


def _refuse_tape(exchange: str, allowed: frozenset[Source]) -> None:
    if not trades_reach_back(exchange):
        raise Misconfigured(
            f"{exchange} does not tell every trade back to its first: its trades can be recorded (kracken stream), not filled in",
            exchange=exchange,
        )
    if Source.TRADES not in allowed:
        told = ", ".join(sorted(allowed))
        raise Misconfigured(f"trades are to be kept, but only {told} may be asked; allowed: auto, trades", allowed=told)


def _ordered(days: Iterable[Window]) -> tuple[Window, ...]:
    return tuple(sorted(days))


def _is_wider(timeframe: Timeframe) -> bool:
    return timeframe.seconds > _DAY.seconds


def _seconds(timeframe: Timeframe) -> int:
    return timeframe.seconds


def leg_rows(plan: BackfillPlan) -> list[dict[str, object]]:
    """The plan as a table: one row for each part of each hole."""
    tape: list[dict[str, object]] = [
        {
            "series": str(plan.trades), "from": iso(window.start), "to": iso(window.end), "source": Source.TRADES,
            "calls": plan.tape_calls if window == plan.tape[0] else 0, "why": "trades are to be kept", "and not": "",
        }
        for window in plan.tape
    ]  # fmt: skip
    legs: list[dict[str, object]] = [
        {
            "series": str(leg.key), "from": iso(leg.window.start), "to": iso(leg.window.end), "source": leg.source or "none",
            "calls": leg.calls, "why": leg.reason, "and not": "; ".join(leg.passed_over),
        }
        for leg in plan.legs
    ]  # fmt: skip
    return [*legs, *tape]


def not_fetched(snapshot: Snapshot, key: SeriesKey, span: Window) -> list[tuple[datetime, datetime]]:
    """Holes worth filling, those of outages too; a window that was rejected would be rejected again."""
    inside = on_grid(span, key.timeframe)
    if inside is None:
        return []
    wanted: list[tuple[datetime, datetime]] = []
    for hole in snapshot.holes(key, inside.start, inside.end):
        if hole.cause not in (HoleCause.NOT_FETCHED, HoleCause.VENUE_OUTAGE):
            continue
        if wanted and wanted[-1][1] == hole.start:  # lost in an outage and never asked for, side by side
            wanted[-1] = (wanted[-1][0], hole.end)
        else:
            wanted.append((hole.start, hole.end))
    return wanted


def on_grid(span: Window, timeframe: Timeframe) -> Window | None:
    """The whole candles inside a span."""
    start, end = timeframe.floor(span.start), timeframe.floor(span.end)
    start = start if start == span.start else start + timeframe.delta
    return Window(start, end) if start < end else None


def _of_candles(market: MarketData, key: SeriesKey, now: datetime, offers: Offers) -> Offers:
    """``offers`` with what the venue's own candles reach."""
    try:
        base, reach = offered_base(market, key.timeframe)
    except Misconfigured:
        return offers
    if reach is None:
        return replace(offers, ohlc_from=_EPOCH, ohlc_paged=True)
    oldest = base.floor(now) - (reach - 1) * base.delta
    opens = key.timeframe.floor(oldest)
    return replace(offers, ohlc_from=opens if opens == oldest else opens + key.timeframe.delta)


def _spans_of(archive: Mapping[SeriesKey, Window] | None, key: SeriesKey) -> tuple[Window, ...]:
    return (archive[key],) if archive and key in archive else ()


def _counted(market: MarketData, symbol: str, span: Window) -> tuple[datetime | None, float | None]:
    """The venue's first trade ever, if the span begins before it, and how many there are a day, from a page at the span's start, middle
    and end."""
    begins, rates = None, []
    for share in (0.0, 0.5, 0.9):
        page, _ = market.trades(symbol, None, span.start + share * (span.end - span.start))
        if page.empty:
            continue
        first, last = page["ts"].iloc[0].to_pydatetime(), page["ts"].iloc[-1].to_pydatetime()
        begins = begins or first
        if last > first:
            rates.append((len(page) - 1) / ((last - first) / timedelta(days=1)))
    a_day = sum(rates) / len(rates) if rates else (0.0 if begins else None)
    if begins is None or begins < span.start + _DAY.delta:
        return None, a_day
    page, _ = market.trades(symbol, None, _EPOCH)  # a quiet start, or one before the first trade?
    first = page["ts"].iloc[0].to_pydatetime()
    return (first if first >= span.start else None), a_day


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

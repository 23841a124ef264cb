"""Market data as the REST dialects need them: bars on any grid, the last day in figures, the newest trades.

In: a venue, a pair, a span of market time.  Out: values in ticks and lots.  Never: a venue's wire format.
Weeks open on Monday and months on their first day, UTC; everything narrower on multiples of its width.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.market.protocol import Market, Trades
from kracken_tasks.sandbox.venue import Venue

__all__ = [
    "DAY_S",
    "MONTH",
    "WEEK",
    "Bar",
    "DayFigures",
    "bars_between",
    "bars_from",
    "bars_until",
    "day_figures",
    "floor_to",
    "newest_trades",
    "step_from",
    "trade_rows",
    "trades_from_id",
]  # fmt: skip

DAY_S: Final = 86_400
WEEK: Final = 7 * 1440
MONTH: Final = 30 * 1440  # a name, not a width: months have their own lengths
_MONDAY_S: Final = 4 * DAY_S  # 1970-01-05
_FIGURES_MINUTES: Final = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """A candle: times in seconds (``end_s`` exclusive), prices in ticks, ``worth`` the turnover in quote."""

    open_s: int
    end_s: int
    open: int
    high: int
    low: int
    close: int
    lots: int
    worth: float
    count: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The 24 hours up to now, from five-minute candles; prices in ticks; ``first_id`` and ``last_id`` of the day's trades."""

    open_s: int
    open: int
    high: int
    low: int
    lots: int
    worth: float
    count: int
    last_ns: int
    last: int
    last_lots: int
    last_id: int

    @property
    def vwap(self) -> float:
        return self.worth / (self.lots / 1e8) if self.lots else 0.0


def floor_to(minutes: int, at_s: int) -> int:
    """When the candle that holds this second opens."""
    if minutes == MONTH:
        moment = datetime.fromtimestamp(at_s, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp())
    shift = _MONDAY_S if minutes == WEEK else 0
    return (at_s - shift) // (minutes * 60) * minutes * 60 + shift


def step_from(minutes: int, open_s: int, steps: int) -> int:
    """The opening ``steps`` candles later (or earlier, below zero)."""
    if minutes != MONTH:
        return open_s + steps * minutes * 60
    moment = datetime.fromtimestamp(open_s, UTC)
    months = moment.year * 12 + moment.month - 1 + steps
    return int(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC).timestamp())


def bars_from(
    venue: Venue, symbol: str, minutes: int, start_s: int, limit: int, now_ns: int, *, fill: bool
) -> list[Bar]:
    """The first ``limit`` candles that open at or after ``start_s``; ``fill`` gives intervals without trades a flat one."""
    first_s = max(start_s, floor_to(minutes, venue.market.first_trade_ns(symbol) // NS_PER_SECOND))
    opening = floor_to(minutes, first_s)
    opening = opening if opening >= first_s else step_from(minutes, opening, 1)
    return bars_between(venue, symbol, minutes, opening, step_from(minutes, opening, limit), now_ns, fill=fill)[:limit]


def bars_until(
    venue: Venue, symbol: str, minutes: int, last_s: int, limit: int, now_ns: int, *, fill: bool
) -> list[Bar]:
    """The newest ``limit`` candles that open at or before ``last_s``."""
    last = floor_to(minutes, min(last_s, now_ns // NS_PER_SECOND))
    first = step_from(minutes, last, 1 - limit)
    return bars_between(venue, symbol, minutes, first, step_from(minutes, last, 1), now_ns, fill=fill)


def bars_between(
    venue: Venue, symbol: str, minutes: int, start_s: int, end_s: int, now_ns: int, *, fill: bool
) -> list[Bar]:
    """Candles that open in [start_s, end_s), none after now; the running one as it stands.  ``start_s`` lies on the grid."""
    market, now_s = venue.market, now_ns // NS_PER_SECOND
    start_s = max(start_s, floor_to(minutes, market.first_trade_ns(symbol) // NS_PER_SECOND))
    end_s = min(end_s, step_from(minutes, floor_to(minutes, now_s), 1))
    if start_s >= end_s:
        return []
    narrow = min(minutes, 1440) if minutes in (WEEK, MONTH) else minutes
    candles = market.candles(symbol, narrow, start_s, end_s, now_ns)
    worth = candles.vwap * candles.lots / 1e8
    columns = (
        candles.open_s,
        candles.open,
        candles.high,
        candles.low,
        candles.close,
        candles.lots,
        worth,
        candles.count,
    )
    bars = [
        Bar(row[0], row[0] + narrow * 60, *row[1:])
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    if minutes in (WEEK, MONTH):
        bars = _joined(bars, minutes)
    return _filled(market, symbol, bars, minutes, start_s, end_s) if fill else bars


def _joined(bars: Sequence[Bar], minutes: int) -> list[Bar]:
    """Days into weeks or months."""
    joined: list[Bar] = []
    for bar in bars:
        opening = floor_to(minutes, bar.open_s)
        if joined and joined[-1].open_s == opening:
            before = joined[-1]
            joined[-1] = replace(
                before,
                high=max(before.high, bar.high),
                low=min(before.low, bar.low),
                close=bar.close,
                lots=before.lots + bar.lots,
                worth=before.worth + bar.worth,
                count=before.count + bar.count,
            )
        else:
            joined.append(replace(bar, open_s=opening, end_s=step_from(minutes, opening, 1)))
    return joined


def _filled(market: Market, symbol: str, bars: Sequence[Bar], minutes: int, start_s: int, end_s: int) -> list[Bar]:
    """Every interval of the grid: one without trades stands flat at the last price before it."""
    edges = [start_s]
    while edges[-1] < end_s:
        edges.append(step_from(minutes, edges[-1], 1))
    known = {bar.open_s: bar for bar in bars}
    before = market.last_trade_before(symbol, start_s * NS_PER_SECOND - 1)
    close = int(before.price[0]) if len(before) else bars[0].open if bars else 0
    filled: list[Bar] = []
    for opening, end in pairwise(edges):
        bar = known.get(opening) or Bar(opening, end, close, close, close, close, 0, 0.0, 0)
        filled.append(bar)
        close = bar.close
    return filled


def day_figures(venue: Venue, symbol: str, now_ns: int) -> DayFigures | None:
    """The last day in figures; None before the first trade."""
    market, now_s, step = venue.market, now_ns // NS_PER_SECOND, _FIGURES_MINUTES * 60
    last = market.last_trade_before(symbol, now_ns)
    if not len(last):
        return None
    from_s = (now_s - DAY_S) // step * step + step
    day = market.candles(symbol, _FIGURES_MINUTES, from_s, now_s + 1, now_ns)
    price = int(last.price[0])
    some = len(day) > 0
    return DayFigures(
        open_s=from_s,
        open=int(day.open[0]) if some else price,
        high=int(day.high.max()) if some else price,
        low=int(day.low.min()) if some else price,
        lots=int(day.lots.sum()),
        worth=float((day.vwap * day.lots).sum()) / 1e8,
        count=int(day.count.sum()),
        last_ns=int(last.ts_ns[0]),
        last=price,
        last_lots=int(last.lots[0]),
        last_id=int(last.trade_id[0]),
    )


def newest_trades(market: Market, symbol: str, count: int, now_ns: int) -> Trades:
    """The newest ``count`` trades up to now, oldest first: look back further until there are enough."""
    end_ns, first_ns, span_ns = now_ns + 1, market.first_trade_ns(symbol), 600 * NS_PER_SECOND
    while True:
        found = market.trades(symbol, max(first_ns, end_ns - span_ns), end_ns)
        if len(found) >= count or end_ns - span_ns <= first_ns:
            break
        span_ns *= 4
    return Trades(*(getattr(found, name)[-count:] for name in Trades.__dataclass_fields__))


def trades_from_id(market: Market, symbol: str, trade_id: int, count: int, now_ns: int) -> Trades:
    """The first ``count`` trades whose id is at least this one."""
    first_ns = market.first_trade_ns(symbol)

    def newest_id(at_ns: int) -> int:
        last = market.last_trade_before(symbol, at_ns)
        return int(last.trade_id[0]) if len(last) else 0

    # Ids rise with time: the last moment at which only smaller ids were known.
    seconds = range(first_ns // NS_PER_SECOND - 1, now_ns // NS_PER_SECOND + 1)
    place = bisect_right(seconds, trade_id - 1, key=lambda second: newest_id(second * NS_PER_SECOND))
    start_s = seconds[max(place - 1, 0)]
    found = market.trades(symbol, max(start_s * NS_PER_SECOND, 0), now_ns + 1, count + 1_000)
    keep = found.trade_id >= trade_id
    return Trades(*(getattr(found, name)[keep][:count] for name in Trades.__dataclass_fields__))


def trade_rows(found: Trades) -> list[tuple[int, int, int, int, int]]:
    """(ts_ns, price, lots, side, trade id) per trade, as plain integers."""
    columns = (found.ts_ns, found.price, found.lots, found.side, found.trade_id)
    return list(zip(*(column.tolist() for column in columns), strict=True))

"""One pair as a tape of days, and a market made of such tapes.

In: for every pair, a way to get any day's trades and the touch of the book at a moment.  Out: everything ``protocol.Market``
can be asked.  Never looks past the moment it is asked about: whole days are made, but only what was known then is returned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from kracken_tasks.sandbox.market.aggregate import (
    DAY_NS,
    NO_CANDLES,
    NO_TRADES,
    NS,
    candles_from,
    coarsen,
    cut_candles,
    cut_trades,
    join_candles,
    join_trades,
    width_seconds,
)
from kracken_tasks.sandbox.market.book import EPOCH_NS, NO_LEVELS, Touch, book_levels
from kracken_tasks.sandbox.market.protocol import Book, Candles, PairSpec, Trades
from kracken_tasks.sandbox.market.runs import DayRuns

__all__ = ["DaySeries", "SeriesMarket"]

_HOUR: Final = 60  # the width kept for wide candles: 720 days of it are small, and everything wider follows from it


class DaySeries(ABC):
    """One pair's whole past and future, a day at a time."""

    spec: PairSpec
    first_ns: int
    last_ns: int | None  # None: never ends
    unit_minutes: int = 1440  # closed candles of this width are cheap, so an unfinished wide candle starts from them

    def __init__(self, spec: PairSpec) -> None:
        self.spec = spec
        self._runs = DayRuns(self.day_trades, spec.price_decimals)

    @abstractmethod
    def day_trades(self, day: int) -> Trades:
        """All trades of a day (days since the epoch); none outside the data."""

    @abstractmethod
    def touch(self, at_ns: int) -> Touch | None:
        """Best bid and ask as they stood at a moment; None before the first trade."""

    def day_with_trades(self, day: int) -> int | None:
        """The newest day at or before ``day`` that has trades."""
        return day if day * DAY_NS >= self.first_ns - DAY_NS else None

    def closed(self, minutes: int, start_s: int, end_s: int) -> Candles:
        """Whole candles with open time in [start_s, end_s), wherever the caller's now may be."""
        seconds = width_seconds(minutes)
        start_s, end_s = self._clipped(start_s, end_s, seconds)
        if start_s >= end_s:
            return NO_CANDLES
        if minutes <= _HOUR:
            return self._runs.window(minutes, start_s, end_s)
        first = start_s - start_s % seconds
        last = end_s + -end_s % seconds
        return cut_candles(coarsen(self._runs.window(_HOUR, first, last), seconds), start_s, end_s)

    def trades(self, start_ns: int, end_ns: int, limit: int | None) -> Trades:
        start_ns = max(start_ns, self.first_ns)
        end_ns = end_ns if self.last_ns is None else min(end_ns, self.last_ns + 1)
        parts, missing = [], limit
        for day in range(start_ns // DAY_NS, -(-end_ns // DAY_NS)):
            if missing is not None and missing <= 0:
                break
            part = self._part(day, start_ns, end_ns, missing)
            parts.append(part)
            missing = None if missing is None else missing - len(part)
        return join_trades(parts)

    def before(self, at_ns: int) -> Trades:
        """The newest trade at or before a moment, as one row."""
        day = self.day_with_trades(at_ns // DAY_NS)
        while day is not None:
            tape = self.day_trades(day)
            end = int(np.searchsorted(tape.ts_ns, at_ns, side="right"))
            if end:
                return cut_trades(tape, end - 1, end)
            day = self.day_with_trades(day - 1)
        return NO_TRADES

    def _part(self, day: int, start_ns: int, end_ns: int, limit: int | None) -> Trades:
        tape = self.day_trades(day)
        low, high = (int(i) for i in np.searchsorted(tape.ts_ns, (start_ns, end_ns)))
        return cut_trades(tape, low, high if limit is None else min(high, low + limit))

    def _clipped(self, start_s: int, end_s: int, seconds: int) -> tuple[int, int]:
        first_s = self.first_ns // NS
        start_s = max(start_s, first_s - first_s % seconds)
        return start_s, end_s if self.last_ns is None else min(end_s, self.last_ns // NS + 1)


class SeriesMarket:
    """A ``protocol.Market`` over one series per pair.  ``seed`` keys the depth of the books."""

    def __init__(self, seed: int, series: Iterable[DaySeries]) -> None:
        self.seed = seed
        self._series = {one.spec.symbol: one for one in series}
        self._pairs = tuple(one.spec for one in self._series.values())

    @property
    def pairs(self) -> Sequence[PairSpec]:
        return self._pairs

    def first_trade_ns(self, symbol: str) -> int:
        return self._series[symbol].first_ns

    def last_trade_before(self, symbol: str, at_ns: int) -> Trades:
        return self._series[symbol].before(at_ns)

    def trades(self, symbol: str, start_ns: int, end_ns: int, limit: int | None = None) -> Trades:
        return self._series[symbol].trades(start_ns, end_ns, limit)

    def candles(self, symbol: str, minutes: int, start_s: int, end_s: int, now_ns: int) -> Candles:
        """See the protocol.  Raises: ValueError unless ``minutes`` divides a day or is whole days."""
        series, seconds = self._series[symbol], width_seconds(minutes)
        now_s = now_ns // NS
        current = now_s - now_s % seconds
        closed = series.closed(minutes, start_s, min(end_s, current))
        if not start_s <= current < end_s:
            return closed
        return join_candles((closed, _unfinished(series, minutes, current, now_ns)))

    def book(self, symbol: str, at_ns: int, depth: int) -> Book:
        """See the protocol.  Before the pair's first trade the book is empty."""
        series = self._series[symbol]
        if series.last_ns is not None:
            at_ns = min(at_ns, series.last_ns + EPOCH_NS)  # the epoch after the last trade stays for good
        epoch = at_ns // EPOCH_NS
        touch = series.touch(epoch * EPOCH_NS)
        bids, asks = NO_LEVELS if touch is None else book_levels((self.seed, symbol, epoch), touch, depth)
        return Book(bids, asks, epoch * EPOCH_NS, epoch)


def _unfinished(series: DaySeries, minutes: int, current_s: int, now_ns: int) -> Candles:
    """The one candle that is still open: its closed parts, then the trades since."""
    seconds, unit = minutes * 60, series.unit_minutes * 60
    now_s = now_ns // NS
    fresh_s = max(current_s, now_s - now_s % unit)
    parts = [series.closed(series.unit_minutes, current_s, fresh_s)] if fresh_s > current_s else []
    recent = series.trades(fresh_s * NS, now_ns + 1, None)
    parts.append(candles_from(recent, seconds, series.spec.price_decimals))
    return coarsen(join_candles(parts), seconds)

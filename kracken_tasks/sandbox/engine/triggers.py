"""When does the market next touch one of our orders?

In: a market, a span of time, the price levels and trails to watch.  Out: the first trade that touches one, or none.
Never: a change to an order.  Long spans are looked through by candle lows and highs first, so that a quiet day costs a
few array operations, and only the trades of suspicious minutes are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.engine.orders import Order, PriceTerm
from kracken_tasks.sandbox.market.protocol import Market

__all__ = ["Touch", "Trail", "Watch", "find_touch"]

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NOWHERE_LOW = -1
_NOWHERE_HIGH = 2**62
_WIDTHS_MINUTES = (60, 1)  # wide candles first
_WORTH_CANDLES = 2  # fewer whole candles than this: read the narrower ones instead


@dataclass(frozen=True, slots=True)
class Touch:
    """The public trade that touched something."""

    ts_ns: int
    price: int
    lots: int


@dataclass(slots=True)
class Trail:
    """A trailing stop being followed: the best price so far and the distance it keeps.  Moved by ``find_touch``."""

    txid: str
    side: int
    peak: int
    term: PriceTerm

    def stop_at(self, peak: int) -> int:
        distance = self.term.distance(peak)
        return peak - distance if self.side < 0 else peak + distance

    def touched(self, best: Ints, worst: Ints) -> Mask:
        """Where the stop may have been hit, given per row the price that moves the peak most and the one nearest the stop."""
        run = np.maximum.accumulate if self.side < 0 else np.minimum.accumulate
        towards = np.maximum if self.side < 0 else np.minimum
        peaks = run(towards(best, self.peak))
        distance = peaks * self.term.value // 1_000_000 if self.term.percent else np.full_like(peaks, self.term.value)
        hit = worst <= peaks - distance if self.side < 0 else worst >= peaks + distance
        return np.asarray(hit)

    def move(self, prices: Ints) -> None:
        if len(prices):
            best = int(prices.max()) if self.side < 0 else int(prices.min())
            self.peak = max(self.peak, best) if self.side < 0 else min(self.peak, best)


@dataclass(slots=True)
class Watch:
    """Levels that matter: a trade at or below ``low``, at or above ``high``, or back on a trail."""

    low: int
    high: int
    trails: list[Trail]

    @classmethod
    def over(cls, orders: Iterable[Order]) -> Watch:
        low, high, trails = _NOWHERE_LOW, _NOWHERE_HIGH, []
        for order in orders:
            if order.waits and order.trail is not None:
                trails.append(Trail(order.txid, order.side, order.peak, order.trail))
            elif order.waits and order.kind.triggers_when_falling(order.side):
                low = max(low, order.stop)
            elif order.waits:
                high = min(high, order.stop)
            elif order.rests and order.side > 0:
                low = max(low, order.limit - 1)  # through the limit, not at it: others stand before us in the queue
            elif order.rests:
                high = min(high, order.limit + 1)
        return cls(low, high, trails)

    @property
    def is_idle(self) -> bool:
        return self.low == _NOWHERE_LOW and self.high == _NOWHERE_HIGH and not self.trails

    def touched(self, lows: Ints, highs: Ints) -> Mask:
        mask = (lows <= self.low) | (highs >= self.high)
        for trail in self.trails:
            best, worst = (highs, lows) if trail.side < 0 else (lows, highs)
            mask = mask | trail.touched(best, worst)
        return np.asarray(mask)

    def move(self, lows: Ints, highs: Ints) -> None:
        for trail in self.trails:
            trail.move(highs if trail.side < 0 else lows)


def find_touch(market: Market, symbol: str, watch: Watch, after_ns: int, until_ns: int) -> Touch | None:
    """Find the first trade in (after, until] that touches the watch, and move its trails up to there (or to the end)."""
    if watch.is_idle or until_ns <= after_ns:
        return None
    return _search(market, symbol, watch, after_ns + 1, until_ns + 1, until_ns, _WIDTHS_MINUTES)


def _search(
    market: Market, symbol: str, watch: Watch, start_ns: int, end_ns: int, now_ns: int, widths: tuple[int, ...]
) -> Touch | None:
    """Look through [start, end): whole candles by their lows and highs, the rest by something narrower."""
    if start_ns >= end_ns:
        return None
    if not widths:
        return _search_trades(market, symbol, watch, start_ns, end_ns)
    width_ns = widths[0] * 60 * NS_PER_SECOND
    first, last = -(-start_ns // width_ns) * width_ns, end_ns // width_ns * width_ns
    narrower = widths[1:]
    if last - first < _WORTH_CANDLES * width_ns:
        return _search(market, symbol, watch, start_ns, end_ns, now_ns, narrower)
    found = _search(market, symbol, watch, start_ns, first, now_ns, narrower)
    if found:
        return found
    candles = market.candles(symbol, widths[0], first // NS_PER_SECOND, last // NS_PER_SECOND, now_ns)
    row = 0
    while row < len(candles):
        suspicious = watch.touched(candles.low[row:], candles.high[row:])
        at = row + int(suspicious.argmax()) if suspicious.any() else len(candles)
        watch.move(candles.low[row:at], candles.high[row:at])
        if at < len(candles):
            opened = int(candles.open_s[at]) * NS_PER_SECOND
            found = _search(market, symbol, watch, opened, opened + width_ns, now_ns, narrower)
            if found:
                return found
        row = at + 1
    return _search(market, symbol, watch, last, end_ns, now_ns, narrower)


def _search_trades(market: Market, symbol: str, watch: Watch, start_ns: int, end_ns: int) -> Touch | None:
    trades = market.trades(symbol, start_ns, end_ns)
    if not len(trades):
        return None
    touched = watch.touched(trades.price, trades.price)
    if not touched.any():
        watch.move(trades.price, trades.price)
        return None
    at = int(touched.argmax())
    watch.move(trades.price[: at + 1], trades.price[: at + 1])
    return Touch(int(trades.ts_ns[at]), int(trades.price[at]), int(trades.lots[at]))

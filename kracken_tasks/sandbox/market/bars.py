"""Imported bars as the trades that could have made them.

In: bars of one width (open, high, low, close, volume, and the number of trades where known).  Out: trades whose aggregation gives
every bar back: all four prices, the volume to the lot and the count.  Deterministic, random access by bar.

The way inside a bar is made up: open at the bar's first instant, one extreme, the other (which comes first is a hashed coin),
close; in between the trades lie near the straight line.  It is for filling orders and triggering stops, not for research: nothing
finer than the bars can be learned from it.  Each leg is its own mirror image about its middle, in price and in size, so that a
bar's turnover is known without making its trades.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.market.aggregate import NO_TRADES, NS
from kracken_tasks.sandbox.market.noise import uniforms
from kracken_tasks.sandbox.market.protocol import Candles, Ints, Trades

__all__ = ["BarTape", "Bars"]

Floats = NDArray[np.float64]

_A_MINUTE: Final = 2  # trades per minute where the data do not say
_AT_MOST: Final = 400
_NOISE: Final = 0.12  # of the bar's range, at the middle of a leg
_TAIL: Final = 1.7  # exponent on exponential sizes: a few trades carry much of the volume
_WEIGHT_UNITS = 2.0**20
_GRAIN: Final = 1 << 20  # parts of one weight
_STREAMS: Final = {name: np.uint64(number << 56) for number, name in enumerate(("turn", "price", "size", "time"), 1)}


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one pair, oldest first (shapes: all [N]).  Prices in ticks, ``lots`` above zero; ``count`` 0 where unknown."""

    seconds: int
    open_s: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    lots: Ints
    count: Ints

    def __len__(self) -> int:
        return len(self.open_s)


class BarTape:
    """See the module docstring.  Bars that contradict their own count or volume keep their prices: the count is raised to the
    trades the four prices need, and the volume to one lot a trade."""

    def __init__(self, bars: Bars, price_decimals: int) -> None:
        self.bars = bars
        self._price_decimals = price_decimals
        self._counts = _counts(bars)
        self._ends = np.cumsum(self._counts)
        self._first, self._second = self._extremes()
        self._fillers = self._fillers_per_leg()
        many = self._counts >= 4
        filler_count = np.where(many, self._counts - 4, 0)
        self._lots = np.maximum(bars.lots, self._counts)
        self._corner_lots = self._lots // self._counts
        left = self._lots - 4 * self._corner_lots
        self._filler_lots = np.where(filler_count > 0, left // np.maximum(filler_count, 1), 0)
        corners = np.minimum(self._counts, 4)
        self._close_lots = self._lots - (corners - 1) * self._corner_lots - filler_count * self._filler_lots

    @property
    def last_id(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def candles(self) -> Candles:
        """The bars themselves, as candles."""
        bars = self.bars
        vwap = self._turnover() / self._lots / 10.0**self._price_decimals
        return Candles(bars.open_s, bars.open, bars.high, bars.low, bars.close, self._lots, vwap, self._counts)

    def trades(self, low: int, high: int) -> Trades:
        """All trades of the bars [low, high)."""
        if low >= high:
            return NO_TRADES
        counts = self._counts[low:high]
        ids = np.arange(self._ends[low] - counts[0], self._ends[high - 1])
        bar = np.repeat(np.arange(low, high), counts)
        place = ids - (self._ends - self._counts)[bar]
        legs = self._legs(bar, place)
        coin = uniforms((self.bars.open_s[bar] * (1 << 20) + place).astype(np.uint64) + _STREAMS["time"])
        price, lots = self._price_and_lots(bar, place, legs)
        return Trades(
            ts_ns=self._times(bar, place, coin),
            price=price,
            lots=lots,
            side=np.where((coin * 1024).astype(np.int64) & 1, 1, -1).astype(np.int8),
            market=((coin * 4096).astype(np.int64) & 1).astype(np.bool_),
            trade_id=ids + 1,
        )

    def _extremes(self) -> tuple[Ints, Ints]:
        turn = uniforms(self.bars.open_s.astype(np.uint64) + _STREAMS["turn"]) < 0.5
        low_first = np.where(turn, self.bars.low, self.bars.high)
        return low_first, np.where(turn, self.bars.high, self.bars.low)

    def _fillers_per_leg(self) -> Ints:
        """How many trades lie between the corners (shape [N, 3]), by the length of the legs."""
        bars = self.bars
        fillers = np.maximum(self._counts - 4, 0)
        lengths = [np.abs(self._first - bars.open), bars.high - bars.low, np.abs(bars.close - self._second)]
        total = np.maximum(sum(lengths), 1).astype(np.float64)
        outer = [(fillers * (length / total)).astype(np.int64) for length in (lengths[0], lengths[2])]
        return np.stack([outer[0], fillers - outer[0] - outer[1], outer[1]], axis=1)

    def _corner(self, bar: Ints, number: Ints) -> Ints:
        """Price of a bar's corner 0 (open), 1, 2 (extremes) or 3 (close)."""
        bars = self.bars
        options = [bars.open[bar], self._first[bar], self._second[bar], bars.close[bar]]
        return np.choose(number, options)

    def _legs(self, bar: Ints, place: Ints) -> _Legs:
        fillers = self._fillers[bar]
        at_first = 1 + fillers[:, 0]
        at_second = at_first + 1 + fillers[:, 1]
        leg = (place >= at_first).astype(np.int64) + (place >= at_second)
        step = place - np.where(leg == 2, at_second, np.where(leg == 1, at_first, 0))
        inside = np.take_along_axis(fillers, leg[:, None], axis=1)[:, 0]
        return _Legs(leg, step, inside, self._corner(bar, leg), self._corner(bar, leg + 1))

    def _price_and_lots(self, bar: Ints, place: Ints, legs: _Legs) -> tuple[Ints, Ints]:
        few = self._counts[bar] < 4
        price = np.where(few, self._few(bar, place), np.where(legs.step == 0, legs.start, legs.end))
        lots = np.where(place == self._counts[bar] - 1, self._close_lots[bar], self._corner_lots[bar])
        filler = ~few & (legs.step >= 1) & (legs.step <= legs.inside)
        position = 2 * legs.step - (legs.inside + 1)  # below zero: first half; zero: the middle; above: mirrored
        middle, half, mirrored = (np.flatnonzero(filler & test) for test in (position == 0, position < 0, position > 0))
        price[middle] = (legs.start[middle] + legs.end[middle]) // 2
        lots[middle] = self._filler_lots[bar[middle]]
        price[half] = self._near_the_line(bar[half], legs.at(half))
        lots[half] = self._shared_out(bar[half], legs.at(half))
        partner = mirrored - position[mirrored]
        price[mirrored] = legs.start[mirrored] + legs.end[mirrored] - price[partner]
        lots[mirrored] = lots[partner]
        return price, lots

    def _few(self, bar: Ints, place: Ints) -> Ints:
        """Prices of a bar with fewer than four trades: open, the extreme that is neither open nor close if any, then close."""
        bars = self.bars
        top, bottom = np.maximum(bars.open, bars.close)[bar], np.minimum(bars.open, bars.close)[bar]
        turn = np.where(bars.high[bar] > top, bars.high[bar], np.where(bars.low[bar] < bottom, bars.low[bar], -1))
        inner = np.where(turn >= 0, turn, bars.close[bar])
        # A lone extreme stands second; should the bar have a trade to spare, it repeats the close.
        prices: Ints = np.where(place == 0, bars.open[bar], np.where(place == 1, inner, bars.close[bar]))
        return prices

    def _near_the_line(self, bar: Ints, legs: _Legs) -> Ints:
        along = legs.step / (legs.inside + 1)
        spread = (self.bars.high - self.bars.low)[bar] * _NOISE * 2.0 * along
        noise = spread * (2.0 * uniforms(self._keys(bar, legs) + _STREAMS["price"]) - 1.0)
        line = legs.start + (legs.end - legs.start) * along + noise
        lowest, highest = np.minimum(legs.start, legs.end), np.maximum(legs.start, legs.end)
        near: Ints = np.clip(np.rint(line).astype(np.int64), lowest, highest)
        return near

    def _shared_out(self, bar: Ints, legs: _Legs) -> Ints:
        """Share a half leg's lots among its trades, heavy-tailed, at least one each; the sum is exact."""
        if not len(bar):
            return bar
        drawn = (-np.log1p(-uniforms(self._keys(bar, legs) + _STREAMS["size"]))) ** _TAIL + 0.02
        # Whole numbers add up the same wherever the sum begins, so that a bar is the same alone and among others.
        weight = np.rint(drawn * _GRAIN).astype(np.int64)
        starts = np.flatnonzero(legs.step == 1)
        sizes = np.diff(starts, append=len(bar))
        running = np.cumsum(weight)
        before = np.repeat(running[starts] - weight[starts], sizes)
        whole = np.repeat(np.add.reduceat(weight, starts), sizes)
        spare = (self._filler_lots[bar] - 1) * (legs.inside // 2)
        upto = np.floor(spare * np.minimum((running - before) / whole, 1.0)).astype(np.int64)
        ends = starts + sizes - 1
        upto[ends] = spare[ends]
        given: Ints = np.diff(upto, prepend=0)
        given[starts] = upto[starts]
        return 1 + given

    def _times(self, bar: Ints, place: Ints, coin: Floats) -> Ints:
        """The first trade at the very opening, so that an order sent at a bar's close meets the next bar's open."""
        within = np.where(place == 0, 0.0, place + 0.9 * coin) / self._counts[bar]
        return self.bars.open_s[bar] * NS + (within * (self.bars.seconds * NS)).astype(np.int64)

    def _keys(self, bar: Ints, legs: _Legs) -> NDArray[np.uint64]:
        # By open time, not row number: earlier history may be added to a file without changing what a bar shows.
        return (self.bars.open_s[bar] * (1 << 20) + (legs.leg << 18) + legs.step).astype(np.uint64)

    def _turnover(self) -> Floats:
        """Price ticks times lots of every bar, from the mirror symmetry of its legs."""
        bars = self.bars
        corners = [bars.open, self._first, self._second, bars.close]
        many = self._counts >= 4
        total: Floats = bars.close.astype(np.float64) * self._close_lots
        row = np.arange(len(bars))
        for place in range(3):
            price = np.where(many, corners[place], self._few(row, np.full(len(bars), place)))
            total += np.where(place < self._counts - 1, price.astype(np.float64) * self._corner_lots, 0.0)
        for leg in range(3):
            start, end, inside = corners[leg], corners[leg + 1], self._fillers[:, leg]
            paired = (inside - inside % 2) * ((start + end) * 0.5)
            total += self._filler_lots * (paired + (inside % 2) * ((start + end) // 2))
        return total


@dataclass(frozen=True, slots=True)
class _Legs:
    """Where each trade lies: on which leg, how many steps from its start, and between which corner prices."""

    leg: Ints
    step: Ints
    inside: Ints
    start: Ints
    end: Ints

    def at(self, rows: NDArray[np.intp]) -> _Legs:
        return _Legs(self.leg[rows], self.step[rows], self.inside[rows], self.start[rows], self.end[rows])


def _counts(bars: Bars) -> Ints:
    """Trades per bar: the known number, or about two a minute; at least what the prices need, at most one per lot."""
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    flat = bars.high == bars.low
    needed = np.where(flat, 1, 2 + (bars.high > top) + (bars.low < bottom))
    assumed = np.where(flat, 1, max(4, min(_AT_MOST, _A_MINUTE * bars.seconds // 60)))
    wanted = np.where(bars.count > 0, bars.count, assumed)
    return np.maximum(needed, np.minimum(wanted, bars.lots)).astype(np.int64)

"""The same market as another venue shows it: a little later, a little off, in its own money and on its own price grid.

In: a market, and per listed pair what it is made from.  Out: a ``protocol.Market``.  Like the market itself a pure function of
time: prices are the market's times one plus the venue's basis (``basis``), divided by the worth of the quote where that is USDT;
volumes are the market's times the venue's share; times are the market's plus the venue's lag.  The basis stands still while a
book stands, so that the venue's own trades and quotes agree to the tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from kracken_tasks.sandbox.market.aggregate import DAY_NS
from kracken_tasks.sandbox.market.basis import CELL_NS, CELLS, Breaks, Floats, break_path, wander_path
from kracken_tasks.sandbox.market.book import NO_LEVELS, Levels, Touch, book_levels
from kracken_tasks.sandbox.market.noise import hash_key, uniforms
from kracken_tasks.sandbox.market.peg import PEG_SYMBOL, peg_path
from kracken_tasks.sandbox.market.protocol import LOTS_PER_UNIT, Book, Ints, Market, PairSpec, Trades
from kracken_tasks.sandbox.market.recent import Recent
from kracken_tasks.sandbox.market.series import DaySeries, SeriesMarket

__all__ = ["VenueView", "ViewCharacter", "ViewedPair"]

_LOT_DECIMALS: Final = 8
_LEVELS_WEIGHED: Final = 10  # of the market's book: what usually stands on a level
_MASK: Final = 2**62 - 1


@dataclass(frozen=True, slots=True)
class ViewCharacter:
    """How a venue differs: ``lag_ns`` behind the market, ``deviation`` of its basis, its breaks, its share of the volume."""

    name: str
    lag_ns: int
    deviation: float
    breaks: Breaks
    share: float


@dataclass(frozen=True, slots=True)
class ViewedPair:
    """A pair as the venue lists it, the market's pair it is made from, and whether its quote is USDT where that one's is USD."""

    spec: PairSpec
    source: PairSpec
    in_tether: bool = False


class _Rate(Protocol):
    def __call__(self, day: int) -> Floats: ...


class _ViewSeries(DaySeries):
    """One pair of the venue."""

    last_ns = None

    def __init__(
        self, market: Market, key: str | int, character: ViewCharacter, pair: ViewedPair, rate: _Rate | None
    ) -> None:
        super().__init__(pair.spec)
        self.source = pair.source.symbol
        self._market, self._character, self._rate = market, character, rate
        # A pair keeps its basis whatever money it is quoted in.
        self._key = (key, "basis", character.name, pair.source.symbol)
        self._salt = np.uint64(hash_key(*self._key) & _MASK)
        self._scale = 10.0 ** (pair.spec.price_decimals - pair.source.price_decimals)
        self._step = 10 ** (_LOT_DECIMALS - pair.spec.lot_decimals)
        self._days: Recent[int, Trades] = Recent(12)
        self._factors: Recent[int, Floats] = Recent(32)
        self.first_ns = market.first_trade_ns(pair.source.symbol) + character.lag_ns

    def day_trades(self, day: int) -> Trades:
        return self._days.get(day, self._make)

    def before(self, at_ns: int) -> Trades:
        return self._seen(self._market.last_trade_before(self.source, at_ns - self._character.lag_ns))

    def touch(self, at_ns: int) -> Touch | None:
        return self.touch_of(self._market.book(self.source, at_ns - self._character.lag_ns, _LEVELS_WEIGHED))

    def touch_of(self, book: Book) -> Touch | None:
        """The venue's touch while the market's book is this one."""
        if not book.bids or not book.asks:
            return None
        factor = float(self._factor(np.array([book.ts_ns]))[0]) * self._scale
        bid = max(1, int(np.floor(book.bids[0][0] * factor)))
        ask = max(bid + 1, int(np.ceil(book.asks[0][0] * factor)))
        worth = float(np.mean([price * factor * lots for price, lots in (*book.bids, *book.asks)])) / LOTS_PER_UNIT
        return Touch(bid, ask, worth * self._character.share)

    def rounded(self, levels: Levels) -> Levels:
        """Volumes on the venue's own step; a smaller one shows as one step."""
        bids, asks = (
            tuple((price, max(self._step, lots // self._step * self._step)) for price, lots in side) for side in levels
        )
        return bids, asks

    def _make(self, day: int) -> Trades:
        lag = self._character.lag_ns
        return self._seen(self._market.trades(self.source, day * DAY_NS - lag, (day + 1) * DAY_NS - lag))

    def _seen(self, trades: Trades) -> Trades:
        """The market's trades as this venue prints them: buyers' prices rounded up, sellers' down."""
        quoted = trades.price * (self._factor(trades.ts_ns) * self._scale)
        price = np.maximum(1, np.where(trades.side > 0, np.ceil(quoted), np.floor(quoted))).astype(np.int64)
        weight = self._character.share * (0.4 + 1.2 * uniforms(trades.trade_id.astype(np.uint64) ^ self._salt))
        steps = np.maximum(1, trades.lots * weight / self._step).astype(np.int64)
        return Trades(
            ts_ns=trades.ts_ns + self._character.lag_ns,
            price=price,
            lots=steps * self._step,
            side=trades.side,
            market=trades.market,
            trade_id=trades.trade_id,
        )

    def _factor(self, source_ns: Ints) -> Floats:
        """The venue's price against the market's at moments of market time (shape: as asked)."""
        days, cells = np.divmod(source_ns // CELL_NS, CELLS)
        factor = np.empty(len(source_ns))
        for day in np.unique(days):
            here = days == day
            factor[here] = self._factors.get(int(day), self._factor_path)[cells[here]]
        return factor

    def _factor_path(self, day: int) -> Floats:
        basis = wander_path(self._key, day, self._character.deviation)
        path = np.exp(basis + break_path(self._key, day, self._character.breaks))
        return path / self._rate(day) if self._rate is not None else path


class VenueView(SeriesMarket):
    """See the module docstring.  ``key`` seeds the basis: the same key and name give the same venue."""

    def __init__(self, market: Market, key: str | int, character: ViewCharacter, pairs: Iterable[ViewedPair]) -> None:
        rate = _tether_rate(market, key)
        made = [_ViewSeries(market, key, character, pair, rate if pair.in_tether else None) for pair in pairs]
        super().__init__(hash_key(key, character.name) & _MASK, made)
        self._made = {series.spec.symbol: series for series in made}
        self._market, self._lag_ns = market, character.lag_ns

    def book(self, symbol: str, at_ns: int, depth: int) -> Book:
        """Stands exactly as long as the market's own, ``lag_ns`` later."""
        series = self._made[symbol]
        theirs = self._market.book(series.source, at_ns - self._lag_ns, _LEVELS_WEIGHED)
        touch = series.touch_of(theirs)
        levels = NO_LEVELS if touch is None else book_levels((self.seed, symbol, theirs.epoch), touch, depth)
        bids, asks = series.rounded(levels)
        return Book(bids, asks, theirs.ts_ns + self._lag_ns, theirs.epoch)


def _tether_rate(market: Market, key: str | int) -> _Rate:
    """Dollars per tether by day: the market's own pair where it lists one, else a peg of the same kind."""
    listed = next((spec for spec in market.pairs if spec.symbol == PEG_SYMBOL), None)
    if listed is None:
        return lambda day: peg_path(key, day)
    ticks = 10.0**listed.price_decimals

    def traded(day: int) -> Floats:
        before = market.last_trade_before(PEG_SYMBOL, day * DAY_NS)
        tape = market.trades(PEG_SYMBOL, day * DAY_NS, (day + 1) * DAY_NS)
        prices = np.concatenate([before.price if len(before) else tape.price[:1], tape.price])
        if not len(prices):
            return np.ones(CELLS)
        starts = day * DAY_NS + np.arange(CELLS) * CELL_NS
        return np.asarray(prices[np.searchsorted(tape.ts_ns, starts, side="right")] / ticks)

    return traded

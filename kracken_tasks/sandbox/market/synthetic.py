"""The default market: made up, seeded, with a past and a future that are there without having run.

In: a seed, a pair and a moment.  Out: trades, and through them candles and books.  Every number is a function of (seed, symbol,
time); which other pairs are listed, and what was asked before, changes nothing.

No free lunch: within a day the fair price is a Brownian path in a random clock (quiet and hectic hours), drawn between the day's
two ends; the clock and all volatility are independent of direction.  Trades print at the fair price plus or minus half a spread,
so the only dependence left is bid-ask bounce, which the spread itself costs.  Coins move together through one factor that changes
for all of them at the same instants: none leads another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.market.aggregate import DAY_NS, NO_TRADES
from kracken_tasks.sandbox.market.book import EPOCH_NS, Touch, touch_around
from kracken_tasks.sandbox.market.daily import GENESIS_DAY, Coin, CoinDays, Day, MarketDays
from kracken_tasks.sandbox.market.noise import generator
from kracken_tasks.sandbox.market.pairs import pair_spec
from kracken_tasks.sandbox.market.peg import PEG_SYMBOL, PegSeries
from kracken_tasks.sandbox.market.protocol import LOTS_PER_UNIT, Ints, Trades
from kracken_tasks.sandbox.market.recent import Recent
from kracken_tasks.sandbox.market.series import DaySeries, SeriesMarket

__all__ = ["COINS", "DEFAULT_SYMBOLS", "SyntheticMarket"]

Floats = NDArray[np.float64]

COINS: Final = {
    coin.symbol: coin
    for coin in (
        Coin("BTC/USD", 60_000.0, 1.00, 0.010, 10_000, 0.00010, 350.0, 6_000.0),
        Coin("ETH/USD", 3_000.0, 1.10, 0.017, 6_000, 0.00014, 300.0, 5_500.0),
        Coin("SOL/USD", 150.0, 1.25, 0.030, 4_000, 0.00024, 250.0, 5_000.0),
        Coin("XRP/USD", 0.60, 0.90, 0.029, 3_000, 0.00030, 250.0, 4_500.0),
        Coin("ADA/USD", 0.50, 1.10, 0.027, 2_200, 0.00040, 200.0, 4_500.0),
        Coin("LTC/USD", 90.0, 1.00, 0.024, 1_500, 0.00040, 200.0, 4_500.0),
        Coin("DOGE/USD", 0.15, 1.15, 0.033, 2_500, 0.00032, 200.0, 4_500.0),
    )
}
DEFAULT_SYMBOLS: Final = ("BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD", "XRP/USD")

_CELL_NS: Final = EPOCH_NS  # the shared factor moves when the books are redrawn, so that no quote is stale against it
_CELLS: Final = DAY_NS // _CELL_NS
_BLOCKS: Final = 288
_BLOCK_NS: Final = DAY_NS // _BLOCKS
_BLOCK_EDGES: Final = np.arange(_BLOCKS + 1) * float(_BLOCK_NS)
_SIZE_SPREAD: Final = 1.5  # sigma of the log-normal trade size

# Share of a day's variance by UTC hour, an assumption in the shape of published crypto volume profiles: low in the Asian
# morning, high while London and New York are both open.
_RHYTHM: Final = np.repeat(
    np.interp(np.arange(0, 24, 0.5), (0, 4, 8, 12, 14, 16, 20, 24), (1.0, 0.65, 0.9, 1.1, 1.6, 1.5, 1.05, 1.0)), 6
)


@dataclass(frozen=True, slots=True)
class _MarketDay:
    """The shared factor through a day: ``path`` per 5-second cell, the rest per 5-minute block or at the blocks' edges."""

    path: Floats
    rate: Floats  # variance per block against the day's mean
    clock: Floats  # running share of the day's variance, 0..1
    arrivals: Floats  # running share of the day's trades, 0..1: busier when prices move, but never silent


class _Factor:
    """The shared factor, by day."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.days = MarketDays(seed)
        self._recent: Recent[int, _MarketDay] = Recent(32)

    def on(self, day: int) -> _MarketDay:
        return self._recent.get(day, self._make)

    def _make(self, day: int) -> _MarketDay:
        rng = generator(self._seed, "market", day)
        slow = np.interp(np.arange(_BLOCKS) / 12.0, np.arange(25), rng.standard_normal(25))
        rate = _RHYTHM * np.exp(0.35 * slow + 0.25 * rng.standard_normal(_BLOCKS))
        rate /= rate.mean()
        shares = np.repeat(rate / _CELLS, _CELLS // _BLOCKS)
        path = _path(self.days.day(day - GENESIS_DAY), shares, rng.standard_normal(_CELLS))
        # A cell shows the value its start has reached; the day's last step shows in the first cell of tomorrow.
        path = np.concatenate(([self.days.day(day - GENESIS_DAY).start], path[:-1]))
        clock = np.concatenate(([0.0], np.cumsum(rate) / _BLOCKS))
        return _MarketDay(path, rate, clock, 0.5 * clock + 0.5 * _BLOCK_EDGES / DAY_NS)


class _SyntheticSeries(DaySeries):
    """One coin."""

    def __init__(self, seed: int, coin: Coin, factor: _Factor) -> None:
        super().__init__(pair_spec(coin.symbol))
        self._seed, self._coin, self._factor = seed, coin, factor
        self._ticks = 10.0**self.spec.price_decimals
        self._days = CoinDays(seed, coin, factor.days)
        self._recent: Recent[int, Trades] = Recent(48)
        self.first_ns = int(self.day_trades(GENESIS_DAY).ts_ns[0])
        self.last_ns = None

    def day_trades(self, day: int) -> Trades:
        return self._recent.get(day, self._make) if day >= GENESIS_DAY else NO_TRADES

    def day_with_trades(self, day: int) -> int | None:
        return day if day >= GENESIS_DAY else None

    def touch(self, at_ns: int) -> Touch | None:
        """Around the fair price as the last trade showed it, moved on by what the whole market did since."""
        last = self.before(at_ns)
        if not len(last):
            return None
        then = int(last.ts_ns[0])
        moved = np.exp(self._coin.beta * (self._shared(at_ns) - self._shared(then)))
        fair = float(last.price[0]) / (1.0 + int(last.side[0]) * self._half_at(then)) * moved
        return touch_around(fair, fair * self._half_at(at_ns), self._coin.level_value * self._ticks)

    def _make(self, day: int) -> Trades:
        number, shared = day - GENESIS_DAY, self._factor.on(day)
        count = self._days.trades_on(number)
        rng = generator(self._seed, "trades", self._coin.symbol, day)
        waits = np.cumsum(rng.standard_exponential(count + 1))
        times = np.interp(waits[:-1] / waits[-1], shared.arrivals, _BLOCK_EDGES)
        # Fractions of the count make room for one nanosecond a trade, so that times rise strictly.
        whole = (times * ((DAY_NS - count) / DAY_NS)).astype(np.int64) + np.arange(count)
        shares = np.diff(np.interp(times, _BLOCK_EDGES, shared.clock), prepend=0.0, append=1.0)
        own = _path(self._days.day(number), shares, rng.standard_normal(count + 1))[:-1]
        fair = np.exp(self._days.base + self._coin.beta * shared.path[whole // _CELL_NS] + own) * self._ticks
        coins = rng.integers(0, 256, count, np.uint8)
        side = ((coins & 1) * 2).astype(np.int8) - 1
        size = self._coin.median_trade * self._ticks * LOTS_PER_UNIT * np.exp(_SIZE_SPREAD * rng.standard_normal(count))
        return Trades(
            ts_ns=day * DAY_NS + whole,
            price=_printed(fair, self._halves(number, shared)[whole // _BLOCK_NS], side),
            lots=np.maximum(1, size / fair).astype(np.int64),
            side=side,
            market=coins >= 96,
            trade_id=self._days.ids_before(number) + 1 + np.arange(count),
        )

    def _halves(self, number: int, shared: _MarketDay) -> Floats:
        """Half the spread as a fraction of the price, per block: wider when the day or the hour is wild."""
        stress = min(4.0, self._days.stress(number))
        return self._coin.half_spread * (0.4 + 0.6 * stress) * np.sqrt(shared.rate)

    def _half_at(self, at_ns: int) -> float:
        day, within = divmod(at_ns, DAY_NS)
        return float(self._halves(day - GENESIS_DAY, self._factor.on(day))[within // _BLOCK_NS])

    def _shared(self, at_ns: int) -> float:
        day, within = divmod(at_ns, DAY_NS)
        return float(self._factor.on(day).path[within // _CELL_NS])


class SyntheticMarket(SeriesMarket):
    """The seeded market.

    Raises: KeyError for a symbol that has no character in ``COINS`` and is not the tether's pair
    """

    def __init__(self, seed: int = 0, symbols: Sequence[str] = DEFAULT_SYMBOLS) -> None:
        factor = _Factor(seed)
        super().__init__(
            seed,
            [
                PegSeries(seed) if symbol == PEG_SYMBOL else _SyntheticSeries(seed, COINS[symbol], factor)
                for symbol in symbols
            ],
        )


def _path(day: Day, shares: Floats, normals: Floats) -> Floats:
    """A Brownian path at the end of each share of the day's variance; its last value is the day's end."""
    clock = np.cumsum(shares)
    walk = np.cumsum(normals * np.sqrt(shares) * day.volatility)
    walk += day.start + clock * (day.diffusion - walk[-1])
    return walk + day.jump * (clock >= day.jump_at) if day.jump else walk


def _printed(fair: Floats, half: Floats, side: NDArray[np.int8]) -> Ints:
    """Prices in ticks: buyers pay half a spread more than fair, sellers get half a spread less, rounded outwards."""
    quoted = fair * (1.0 + side * half)
    return np.maximum(1, np.where(side > 0, np.ceil(quoted), np.floor(quoted))).astype(np.int64)

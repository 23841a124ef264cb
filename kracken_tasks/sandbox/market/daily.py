"""The synthetic market's days: how wild each is and where it starts and ends, before any trade is drawn.

In: a seed and a coin's character.  Out: one ``Day`` per day since the genesis, extended as far as asked.  Never draws a trend:
moods (calm, busy, stormy) change how far prices move, not where to, so that rising and falling stretches are chance.

Log prices are sums of a market factor and a part of the coin's own.  Both are martingales in price up to one thing: a pull back
to the usual level with a time constant of four years, far too weak to trade on (less than a thirtieth of a typical daily move
even after prices have tripled).  It keeps prices bounded: on 2025-01-01 each coin stands at its usual price, in the years around
within a small factor of it; a decade away the wilder coins may stand a hundredfold off.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from threading import RLock
from typing import Final

import numpy as np

from kracken_tasks.sandbox.market.noise import generator

__all__ = ["GENESIS_DAY", "Coin", "CoinDays", "Day", "MarketDays"]

GENESIS_DAY: Final = 16_436  # 2015-01-01
_REFERENCE_DAY: Final = 20_089 - GENESIS_DAY  # 2025-01-01: here every coin stands at the price its character states
_CHUNK: Final = 256
_PULL: Final = 1.0 / (4 * 365)

_MOODS: Final = (0.69, 1.06, 1.9)  # calm, busy, stormy: factor on volatility, mean square about one
_STAYS: Final = (0.985, 0.980, 0.930)
_CALMS_DOWN: Final = 0.6  # of the busy days that change mood
_VOL_MEMORY: Final = 0.94
_VOL_SPREAD: Final = 0.30


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin's character.

    Units: usual_price in quote on 2025-01-01; volatilities per day; half_spread a fraction; median_trade and level_value in quote
    """

    symbol: str
    usual_price: float
    beta: float
    own_volatility: float
    trades_a_day: int
    half_spread: float
    median_trade: float
    level_value: float


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one log-price component: levels at its start and end, volatility without the jump, and the jump."""

    start: float
    end: float
    volatility: float
    jump: float
    jump_at: float  # in the day's own clock, 0..1

    @property
    def diffusion(self) -> float:
        return self.end - self.start - self.jump


class _Days(ABC):
    """Days by recursion, drawn in blocks of their own keys: the farthest day asked for does not change the nearer ones."""

    def __init__(self, *key: str | int, volatility: float, jump_chance: float, jump_size: float) -> None:
        self._key = key
        self._volatility = volatility
        self._jump_chance, self._jump_size = jump_chance, jump_size
        self._days: list[Day] = []
        self._growing = RLock()  # the recursion has a state: one thread at a time takes it on
        self._level = 0.0
        self._mood_noise = 0.0

    def day(self, number: int) -> Day:
        """The day ``number`` days after the genesis."""
        if len(self._days) <= number:
            with self._growing:
                while len(self._days) <= number:
                    self._grow()
        return self._days[number]

    @abstractmethod
    def _factor(self, number: int, chance: float) -> float:
        """What multiplies volatility on a day."""

    @abstractmethod
    def _price_drift(self, number: int, variance: float) -> float:
        """Log drift that makes the price (not its logarithm) a fair game."""

    def _grow(self) -> None:
        first = len(self._days)
        rng = generator(*self._key, first // _CHUNK)
        normals = rng.standard_normal((_CHUNK, 3)).tolist()
        chances = rng.random((_CHUNK, 3)).tolist()
        # Complete before it is shown: readers do not take the lock.
        self._days += [self._next(first + i, normals[i], chances[i]) for i in range(_CHUNK)]

    def _next(self, number: int, normals: list[float], chances: list[float]) -> Day:
        self._mood_noise = _VOL_MEMORY * self._mood_noise + math.sqrt(1 - _VOL_MEMORY**2) * _VOL_SPREAD * normals[0]
        noise = math.exp(self._mood_noise - _VOL_SPREAD**2)
        volatility = self._volatility * self._factor(number, chances[0]) * noise
        jump = self._jump_size * normals[1] if chances[1] < self._jump_chance else 0.0
        variance = volatility**2 + self._jump_chance * self._jump_size**2
        start = self._level
        drift = self._price_drift(number, variance) - _PULL * start
        self._level = start + drift + volatility * normals[2] + jump
        return Day(start, self._level, volatility, jump, chances[2])


class MarketDays(_Days):
    """The factor all coins share, with the market's mood."""

    volatility: Final = 0.026
    jump_variance: Final = 0.02 * 0.035**2

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "market-days", volatility=self.volatility, jump_chance=0.02, jump_size=0.035)
        self._mood = 0
        self.moods: list[float] = []

    def _factor(self, number: int, chance: float) -> float:
        leaves = 1.0 - _STAYS[self._mood]
        if chance < leaves:
            calms = self._mood == 2 or (self._mood == 1 and chance < leaves * _CALMS_DOWN)
            self._mood += -1 if calms else 1
        self.moods.append(_MOODS[self._mood])
        return _MOODS[self._mood]

    def _price_drift(self, number: int, variance: float) -> float:
        return 0.0  # the coins correct for it, as it enters them by their beta


class CoinDays(_Days):
    """A coin's own part, how many trades each day has, and how many there were before."""

    def __init__(self, seed: int, coin: Coin, market: MarketDays) -> None:
        self._coin, self._market, self._seed = coin, market, seed
        self._ids = np.zeros(1, np.int64)
        super().__init__(
            seed,
            "coin-days",
            coin.symbol,
            volatility=coin.own_volatility,
            jump_chance=0.02,
            jump_size=2.0 * coin.own_volatility,
        )
        at_reference = coin.beta * market.day(_REFERENCE_DAY).start + self.day(_REFERENCE_DAY).start
        self.base = math.log(coin.usual_price) - at_reference

    def stress(self, number: int) -> float:
        """The day's volatility against the usual."""
        market, own, coin = self._market.day(number), self.day(number), self._coin
        usual = (coin.beta * MarketDays.volatility) ** 2 + coin.own_volatility**2
        return math.sqrt(((coin.beta * market.volatility) ** 2 + own.volatility**2) / usual)

    def ids_before(self, number: int) -> int:
        """How many trades the pair had before this day."""
        self._count_to(number)
        return int(self._ids[number])

    def trades_on(self, number: int) -> int:
        self._count_to(number)
        return int(self._ids[number + 1] - self._ids[number])

    def _factor(self, number: int, chance: float) -> float:
        self._market.day(number)
        return math.pow(self._market.moods[number], 0.8)  # storms move coins together rather more than apart

    def _price_drift(self, number: int, variance: float) -> float:
        shared = self._market.day(number).volatility ** 2 + MarketDays.jump_variance
        return -0.5 * (self._coin.beta**2 * shared + variance)

    def _count_to(self, number: int) -> None:
        with self._growing:
            while len(self._ids) < number + 2:
                self._count_on()

    def _count_on(self) -> None:
        first = len(self._ids) - 1
        noise = np.exp(0.2 * generator(self._seed, "counts", self._coin.symbol, first).standard_normal(_CHUNK))
        days = np.arange(first, first + _CHUNK)
        stress = np.array([self.stress(int(day)) for day in days])
        weekend = np.where((days + GENESIS_DAY + 3) % 7 >= 5, 0.75, 1.0)  # 1970-01-01 was a Thursday
        counts = np.maximum(50, self._coin.trades_a_day * stress**0.8 * noise * weekend).astype(np.int64)
        self._ids = np.append(self._ids, self._ids[-1] + np.cumsum(counts))

"""What a tether is worth: a pair that trades around one dollar and always returns to it.

In: a seed and a moment.  Out: trades and touches of USDT/USD, as a series of a market.  USD, USDT and EUR are different money:
nothing here says they are the same.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kracken_tasks.sandbox.market.aggregate import DAY_NS, NO_TRADES
from kracken_tasks.sandbox.market.basis import CELL_NS, Floats, wander_path
from kracken_tasks.sandbox.market.book import Touch, touch_around
from kracken_tasks.sandbox.market.daily import GENESIS_DAY
from kracken_tasks.sandbox.market.noise import generator
from kracken_tasks.sandbox.market.pairs import pair_spec
from kracken_tasks.sandbox.market.protocol import LOTS_PER_UNIT, Trades
from kracken_tasks.sandbox.market.recent import Recent
from kracken_tasks.sandbox.market.series import DaySeries

__all__ = ["PEG_SYMBOL", "PegSeries", "peg_path"]

PEG_SYMBOL: Final = "USDT/USD"

_DEVIATION: Final = 0.0006
_HALF_SPREAD: Final = 0.00005
_TRADES_A_DAY: Final = 1_440
_MEDIAN_TRADE: Final = 400.0
_SIZE_SPREAD: Final = 1.5
_LEVEL_VALUE: Final = 20_000.0


def peg_path(key: str | int, day: int) -> Floats:
    """Dollars per tether through a day (shape: [CELLS])."""
    return np.exp(wander_path((key, "peg"), day, _DEVIATION))


class PegSeries(DaySeries):
    """USDT/USD of the synthetic market."""

    last_ns = None

    def __init__(self, seed: int) -> None:
        super().__init__(pair_spec(PEG_SYMBOL))
        self._seed = seed
        self._ticks = 10.0**self.spec.price_decimals
        self._recent: Recent[int, Trades] = Recent(48)
        self._paths: Recent[int, Floats] = Recent(16)
        self.first_ns = int(self.day_trades(GENESIS_DAY).ts_ns[0])

    def day_trades(self, day: int) -> Trades:
        return self._recent.get(day, self._make) if day >= GENESIS_DAY else NO_TRADES

    def day_with_trades(self, day: int) -> int | None:
        return day if day >= GENESIS_DAY else None

    def touch(self, at_ns: int) -> Touch | None:
        if at_ns < self.first_ns:
            return None
        day, within = divmod(at_ns, DAY_NS)
        fair = float(self._path(day)[within // CELL_NS]) * self._ticks
        return touch_around(fair, fair * _HALF_SPREAD, _LEVEL_VALUE * self._ticks)

    def _path(self, day: int) -> Floats:
        return self._paths.get(day, lambda wanted: peg_path(self._seed, wanted))

    def _make(self, day: int) -> Trades:
        rng = generator(self._seed, "peg trades", day)
        count = _TRADES_A_DAY
        # One trade in each minute, at a moment of its own; a nanosecond apart at the least because minutes do not overlap.
        width = DAY_NS // count
        within = np.arange(count) * width + (rng.random(count) * (width - 1)).astype(np.int64)
        side = (rng.integers(0, 2, count) * 2 - 1).astype(np.int8)
        fair = self._path(day)[within // CELL_NS] * self._ticks
        quoted = fair * (1.0 + side * _HALF_SPREAD)
        size = _MEDIAN_TRADE * LOTS_PER_UNIT * np.exp(_SIZE_SPREAD * rng.standard_normal(count))
        return Trades(
            ts_ns=day * DAY_NS + within,
            price=np.where(side > 0, np.ceil(quoted), np.floor(quoted)).astype(np.int64),
            lots=np.maximum(1, size).astype(np.int64),
            side=side,
            market=rng.random(count) < 0.6,
            trade_id=(day - GENESIS_DAY) * count + 1 + np.arange(count),
        )

"""What any sandbox market can be asked.

A market is a pure function of its parameters and a moment: asked twice, it answers the same, in whatever order it is asked,
without having run up to that moment.  Nothing a trader does moves it.  All numbers are integers: nanoseconds, price ticks
(``10**-price_decimals`` of the quote) and lots (``10**-8`` of the base), so that every surface agrees to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOTS_PER_UNIT", "Book", "Candles", "Market", "PairSpec", "Trades"]

LOTS_PER_UNIT = 10**8

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairSpec:
    """A listed pair, as Kraken lists it.

    ``key`` is the AssetPairs key (``XXBTZUSD``), ``altname`` ``XBTUSD``, ``wsname`` ``XBT/USD``; ``symbol`` is ccxt's ``BTC/USD``.
    Units: ordermin in base and costmin in quote, as decimal strings; fees in percent per 30-day volume, as Kraken's tables.
    """

    symbol: str
    key: str
    altname: str
    wsname: str
    base: str  # Kraken's asset key, XXBT
    quote: str  # ZUSD
    price_decimals: int
    lot_decimals: int
    ordermin: str
    costmin: str
    status: str = "online"


@dataclass(frozen=True, slots=True)
class Trades:
    """Public trades in time order (shapes: all [N]).  ``side`` is +1 when a buyer took, -1 when a seller took.

    ``market`` says whether the taker's order was a market order.  ``trade_id`` rises by one per trade of a pair, from 1 at its first.
    ``ts_ns`` is strictly increasing within a pair, so that a nanosecond cursor loses nothing.
    """

    ts_ns: Ints
    price: Ints
    lots: Ints
    side: NDArray[np.int8]
    market: NDArray[np.bool_]
    trade_id: Ints

    def __len__(self) -> int:
        return len(self.ts_ns)


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles aggregated from the market's own trades (shapes: all [N]); intervals without trades have no row.

    ``open_s`` in seconds; prices in ticks; ``lots`` the volume; ``vwap`` float, in quote units; ``count`` number of trades.
    """

    open_s: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    lots: Ints
    vwap: NDArray[np.float64]
    count: Ints

    def __len__(self) -> int:
        return len(self.open_s)


@dataclass(frozen=True, slots=True)
class Book:
    """Resting orders of everybody else at a moment: (price ticks, lots) pairs, best first.  bids[0] < asks[0] always."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    ts_ns: int
    epoch: int  # changes when the book is refreshed; liquidity a trader took stays taken within one epoch


class Market(Protocol):
    """See the module docstring.  ``symbol`` is always ccxt's form.  Unknown symbols raise KeyError."""

    @property
    def pairs(self) -> Sequence[PairSpec]: ...

    def first_trade_ns(self, symbol: str) -> int:
        """When the pair's first trade happened."""
        ...

    def last_trade_before(self, symbol: str, at_ns: int) -> Trades:
        """The newest trade at or before ``at_ns``: one row, or none before the first."""
        ...

    def trades(self, symbol: str, start_ns: int, end_ns: int, limit: int | None = None) -> Trades:
        """Trades with start_ns <= ts < end_ns, the oldest ``limit`` of them."""
        ...

    def candles(self, symbol: str, minutes: int, start_s: int, end_s: int, now_ns: int) -> Candles:
        """Candles whose open time lies in [start_s, end_s), from trades at or before ``now_ns`` (so the last may be unfinished)."""
        ...

    def book(self, symbol: str, at_ns: int, depth: int) -> Book:
        """The book at a moment; an ended data set keeps its last book."""
        ...

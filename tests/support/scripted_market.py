"""A market that does exactly what a test says: every trade is written down, the book stands around the last price.

In: per symbol a list of (seconds after the start, price, volume).  Out: a ``protocol.Market``.  Never: chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from kracken_tasks.domain.clock import to_ns, utc
from kracken_tasks.sandbox.amounts import scaled
from kracken_tasks.sandbox.market.protocol import Book, Candles, PairSpec, Trades

__all__ = ["BTC_USD", "ETH_USD", "START", "USDT_USD", "ScriptedMarket", "Step", "quiet"]

START = utc(2025, 1, 6)
NS = 1_000_000_000
Step = tuple[float, str, str]

BTC_USD = PairSpec("BTC/USD", "XXBTZUSD", "XBTUSD", "XBT/USD", "XXBT", "ZUSD", 1, 8, ordermin="0.0001", costmin="0.5")
ETH_USD = PairSpec("ETH/USD", "XETHZUSD", "ETHUSD", "ETH/USD", "XETH", "ZUSD", 2, 8, ordermin="0.01", costmin="0.5")
USDT_USD = PairSpec("USDT/USD", "USDTZUSD", "USDTUSD", "USDT/USD", "USDT", "ZUSD", 5, 8, ordermin="5", costmin="0.5")
_SPECS = {spec.symbol: spec for spec in (BTC_USD, ETH_USD, USDT_USD)}


def quiet(price: str = "100.0", hours: int = 48, every_seconds: int = 60, lots: str = "1") -> list[Step]:
    """Trades at one price, from two days before the start (so that history exists) to ``hours`` after it."""
    return [(float(second), price, lots) for second in range(-172_800, hours * 3600, every_seconds)]


class ScriptedMarket:
    """The book has ``levels`` price levels a side, one tick apart, ``depth`` of the base each; a trade refreshes it."""

    def __init__(
        self,
        script: Mapping[str, Sequence[Step]],
        *,
        start: datetime = START,
        depth: str = "1",
        levels: int = 10,
    ) -> None:
        self._start_ns = to_ns(start)
        self._depth = scaled(depth, 8)
        self._levels = levels
        self.pairs = [_SPECS[symbol] for symbol in script]
        self._trades = {symbol: self._read(_SPECS[symbol], steps) for symbol, steps in script.items()}

    def _read(self, spec: PairSpec, steps: Sequence[Step]) -> Trades:
        ordered = sorted(steps, key=lambda step: step[0])
        price = np.array([scaled(price, spec.price_decimals) for _, price, _ in ordered], dtype=np.int64)
        ts = np.array([self._start_ns + round(at * NS) for at, _, _ in ordered], dtype=np.int64)
        if len(ts) > 1 and not (np.diff(ts) > 0).all():
            raise ValueError("two trades of a script at one moment")
        return Trades(
            ts_ns=ts,
            price=price,
            lots=np.array([scaled(lots, 8) for _, _, lots in ordered], dtype=np.int64),
            side=np.where(np.arange(len(ts)) % 2, 1, -1).astype(np.int8),
            market=np.ones(len(ts), dtype=np.bool_),
            trade_id=np.arange(1, len(ts) + 1),
        )

    def first_trade_ns(self, symbol: str) -> int:
        return int(self._trades[symbol].ts_ns[0])

    def last_trade_before(self, symbol: str, at_ns: int) -> Trades:
        end = int(np.searchsorted(self._trades[symbol].ts_ns, at_ns, "right"))
        return self._cut(symbol, max(0, end - 1), end)

    def trades(self, symbol: str, start_ns: int, end_ns: int, limit: int | None = None) -> Trades:
        first, last = np.searchsorted(self._trades[symbol].ts_ns, [start_ns, end_ns])
        return self._cut(symbol, int(first), int(last) if limit is None else min(int(last), int(first) + limit))

    def _cut(self, symbol: str, first: int, last: int) -> Trades:
        every = self._trades[symbol]
        return Trades(*(getattr(every, name)[first:last] for name in Trades.__dataclass_fields__))

    def candles(self, symbol: str, minutes: int, start_s: int, end_s: int, now_ns: int) -> Candles:
        found = self.trades(symbol, start_s * NS, min(end_s * NS, now_ns + 1))
        width = minutes * 60
        opens, first = np.unique(found.ts_ns // NS // width * width, return_index=True)
        if not len(opens):
            return Candles(*([opens] * 6), np.zeros(0), opens)
        last = np.append(first[1:], len(found)) - 1
        lots = np.add.reduceat(found.lots, first)
        worth = np.add.reduceat(found.price * (found.lots / 10 ** _SPECS[symbol].price_decimals), first)
        return Candles(
            open_s=opens,
            open=found.price[first],
            high=np.maximum.reduceat(found.price, first),
            low=np.minimum.reduceat(found.price, first),
            close=found.price[last],
            lots=lots,
            vwap=worth / lots,
            count=last - first + 1,
        )

    def book(self, symbol: str, at_ns: int, depth: int) -> Book:
        last = self.last_trade_before(symbol, at_ns)
        price, count = int(last.price[0]), min(depth, self._levels)
        return Book(
            bids=tuple((price - step, self._depth) for step in range(1, count + 1)),
            asks=tuple((price + step, self._depth) for step in range(1, count + 1)),
            ts_ns=at_ns,
            epoch=int(last.trade_id[0]),
        )

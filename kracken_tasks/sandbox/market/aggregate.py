"""Trades into candles, candles into wider candles; cutting and joining both.

In and out: the frozen arrays of ``protocol``.  Candles open at multiples of their width since the epoch, as Kraken's do
(so its weeks open on Thursdays).  Never makes a number up: intervals without trades have no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.market.protocol import Candles, Ints, Trades

__all__ = ["DAY_NS", "DAY_S", "NO_CANDLES", "NO_TRADES", "NS", "candles_from", "coarsen", "cut_candles", "cut_trades",
           "join_candles", "join_trades", "width_seconds"]  # fmt: skip

NS: Final = 10**9
DAY_S: Final = 86_400
DAY_NS: Final = DAY_S * NS

_INT: Final = np.empty(0, np.int64)
NO_TRADES: Final = Trades(_INT, _INT, _INT, np.empty(0, np.int8), np.empty(0, np.bool_), _INT)
NO_CANDLES: Final = Candles(_INT, _INT, _INT, _INT, _INT, _INT, np.empty(0, np.float64), _INT)

_TRADE_FIELDS: Final = tuple(f.name for f in fields(Trades))
_CANDLE_FIELDS: Final = tuple(f.name for f in fields(Candles))


def width_seconds(minutes: int) -> int:
    """Seconds of a candle of so many minutes.

    Raises: ValueError unless the width divides a day or is whole days
    """
    if minutes < 1 or (1440 % minutes and minutes % 1440):
        raise ValueError(f"candles of {minutes} minutes: the width must divide a day or be whole days")
    return minutes * 60


def candles_from(trades: Trades, seconds: int, price_decimals: int) -> Candles:
    """Aggregate trades into candles ``seconds`` wide."""
    if not len(trades):
        return NO_CANDLES
    interval = trades.ts_ns // (seconds * NS)
    first = _group_starts(interval)
    lots = np.add.reduceat(trades.lots, first)
    # float: price ticks times lots can pass 2**63
    notional = np.add.reduceat(trades.price * trades.lots.astype(np.float64), first)
    return Candles(
        open_s=interval[first] * seconds,
        open=trades.price[first],
        high=np.maximum.reduceat(trades.price, first),
        low=np.minimum.reduceat(trades.price, first),
        close=trades.price[_group_ends(first, len(trades))],
        lots=lots,
        vwap=notional / lots / 10.0**price_decimals,
        count=np.diff(first, append=len(trades)),
    )


def coarsen(candles: Candles, seconds: int) -> Candles:
    """Aggregate candles into wider ones; a width they already have changes nothing."""
    if not len(candles):
        return candles
    interval = candles.open_s // seconds
    first = _group_starts(interval)
    lots = np.add.reduceat(candles.lots, first)
    return Candles(
        open_s=interval[first] * seconds,
        open=candles.open[first],
        high=np.maximum.reduceat(candles.high, first),
        low=np.minimum.reduceat(candles.low, first),
        close=candles.close[_group_ends(first, len(candles))],
        lots=lots,
        vwap=np.add.reduceat(candles.vwap * candles.lots, first) / lots,
        count=np.add.reduceat(candles.count, first),
    )


def cut_candles(candles: Candles, start_s: int, end_s: int) -> Candles:
    """The candles whose open time lies in [start_s, end_s)."""
    low, high = np.searchsorted(candles.open_s, (start_s, end_s))
    part = slice(int(low), int(high))
    return Candles(*(getattr(candles, name)[part] for name in _CANDLE_FIELDS))


def cut_trades(trades: Trades, start: int, end: int) -> Trades:
    """Rows [start, end) of a run of trades."""
    return Trades(*(getattr(trades, name)[start:end] for name in _TRADE_FIELDS))


def join_candles(parts: Sequence[Candles]) -> Candles:
    """One run of candles from several that follow each other."""
    filled = [part for part in parts if len(part)]
    if len(filled) < 2:
        return filled[0] if filled else NO_CANDLES
    return Candles(*(_read_only([getattr(part, name) for part in filled]) for name in _CANDLE_FIELDS))


def join_trades(parts: Sequence[Trades]) -> Trades:
    """One run of trades from several that follow each other."""
    filled = [part for part in parts if len(part)]
    if len(filled) < 2:
        return filled[0] if filled else NO_TRADES
    return Trades(*(np.concatenate([getattr(p, name) for p in filled]) for name in _TRADE_FIELDS))


def _read_only(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    joined = np.concatenate(arrays)
    joined.setflags(write=False)  # callers get views of what is cached
    return joined


def _group_starts(group: Ints) -> NDArray[np.intp]:
    return np.concatenate(([0], np.flatnonzero(group[1:] != group[:-1]) + 1))


def _group_ends(first: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    return np.append(first[1:], length) - 1

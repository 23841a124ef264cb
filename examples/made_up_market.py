"""Hourly candles of the sandbox's made-up market, without starting a server: what the other examples work on."""

from __future__ import annotations

import pandas as pd

from kracken_tasks.candles.frames import candle_frame
from kracken_tasks.domain.clock import to_ns, utc
from kracken_tasks.domain.market import CandleSource
from kracken_tasks.sandbox.market.synthetic import SyntheticMarket

__all__ = ["hourly_candles"]

_NS = 1_000_000_000
_HOUR = 3600


def hourly_candles(symbol: str, days: int, *, seed: int = 7) -> pd.DataFrame:
    """The ``days`` before 2025-03-03: columns ts (open time, UTC), open, high, low, close, volume and a few more."""
    market = SyntheticMarket(seed, [symbol])
    price_unit = 10.0 ** -market.pairs[0].price_decimals
    end_ns = to_ns(utc(2025, 3, 3))
    end = end_ns // _NS
    found = market.candles(symbol, 60, end - days * 24 * _HOUR, end, end_ns)
    prices = {name: getattr(found, name) * price_unit for name in ("open", "high", "low", "close")}
    columns = {
        "ts": found.open_s * 1000,
        **prices,
        "volume": found.lots / 1e8,
        "vwap": found.vwap,
        "trades": found.count,
    }
    return candle_frame(columns, CandleSource.OHLC)

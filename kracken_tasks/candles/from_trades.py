"""Trades into candles, as Kraken makes them.

In: trades in the venue's order (``exchange.TRADE_COLUMNS``; ts, price and volume are enough).  Out: a candle frame, source ``trades``.
Never: a row for an interval in which nobody traded, a candle of which only a part is known (when told what is known).

Open and close are the first and last trade in the venue's order; volume is the exact sum of lots of 10^-8; vwap is the volume-weighted
price; trades counts them.  Checked against Kraken's own archive: the hour of 2022-03-20 11:00 of ETH/USD, to the last digit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from kracken_tasks.candles.frames import candle_frame, empty_candles
from kracken_tasks.candles.lots import exact_sums, mean_prices
from kracken_tasks.domain.clock import to_ms
from kracken_tasks.domain.market import CandleSource, Timeframe
from kracken_tasks.errors import BadData

__all__ = ["candles_from_trades"]

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_MONDAY_MS: Final = 4 * 86_400_000


def candles_from_trades(
    trades: pd.DataFrame,
    timeframe: Timeframe,
    *,
    covered: tuple[datetime, datetime] | None = None,
    price_decimals: int | None = None,
) -> pd.DataFrame:
    """Aggregate trades.

    Shapes: trades [N] -> candles [R], R the number of intervals with a trade.
    Time:   ``covered`` is the span [start, end) of which every trade is given; candles that reach outside it are left out, because
            they may lack trades.  None: every interval is taken as whole.
    ``price_decimals``: of the venue's price step, to round vwap as the venue prints it; None keeps it whole.
    Raises: BadData if times step back, a price or volume is not finite, a price not above zero, or a volume below it.
    """
    if trades.empty:
        return empty_candles()
    stamps = np.asarray(trades["ts"].astype("datetime64[us, UTC]").astype("int64"), dtype=np.int64) // 1000
    price, volume = trades["price"].to_numpy(dtype=np.float64), trades["volume"].to_numpy(dtype=np.float64)
    _check(stamps, price, volume)
    width = timeframe.seconds * 1000
    origin = _MONDAY_MS if timeframe is Timeframe.W1 else 0
    opens = (stamps - origin) // width * width + origin
    first: Ints = np.flatnonzero(np.concatenate(([True], opens[1:] != opens[:-1]))).astype(np.int64)
    frame = _aggregate(opens, first, price, volume, price_decimals)
    if covered is None:
        return frame
    start, end = to_ms(covered[0]), to_ms(covered[1])
    whole = (opens[first] >= start) & (opens[first] + width <= end)
    return frame[whole].reset_index(drop=True)


def _aggregate(opens: Ints, first: Ints, price: Floats, volume: Floats, price_decimals: int | None) -> pd.DataFrame:
    last = np.concatenate((first[1:], [len(price)])) - 1
    high, low = np.maximum.reduceat(price, first), np.minimum.reduceat(price, first)
    return candle_frame(
        {
            "ts": opens[first],
            "open": price[first],
            "high": high,
            "low": low,
            "close": price[last],
            "volume": exact_sums(volume, first),
            # Summing in floating point may leave the range of the prices by the last bit.
            "vwap": np.clip(mean_prices(price, volume, first, price_decimals), low, high),
            "trades": pd.array(last - first + 1, dtype="Int64"),
        },
        CandleSource.TRADES,
    )


def _check(stamps: Ints, price: Floats, volume: Floats) -> None:
    back = np.flatnonzero(stamps[1:] < stamps[:-1])
    if len(back):
        raise BadData(f"trade {int(back[0]) + 1} is older than the one before it", row=int(back[0]) + 1)
    odd = np.flatnonzero(~(np.isfinite(price) & np.isfinite(volume)))
    if len(odd):
        raise BadData(f"trade {int(odd[0])} has no finite price and volume", row=int(odd[0]))
    # The contract sees sums only: a negative volume would vanish in one.
    odd = np.flatnonzero((price <= 0) | (volume < 0))
    if len(odd):
        row = int(odd[0])
        raise BadData(f"trade {row} of {volume[row]} at {price[row]} cannot have happened", row=row)

"""A venue's public half in memory, obeying ``exchange.MarketData``: candles and trades handed in, with Kraken's habits on request."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from kracken_tasks.candles.frames import candle_frame, empty_candles
from kracken_tasks.domain.clock import to_ms
from kracken_tasks.domain.market import TRADE_COLUMNS, CandleSource, SeriesKey, Timeframe

__all__ = ["CandleVenue", "candles_between", "trades_at"]


def candles_between(
    start: datetime, end: datetime, timeframe: Timeframe, without: tuple[int, ...] = ()
) -> pd.DataFrame:
    """Plain candles on an unbroken grid, [start, end); the positions in ``without`` are left out."""
    opens = np.arange(to_ms(start), to_ms(end), timeframe.seconds * 1000, dtype=np.int64)
    price = 100.0 + np.arange(len(opens)) % 50
    frame = candle_frame(
        {
            "ts": opens,
            "open": price,
            "high": price + 2,
            "low": price - 1,
            "close": price + 1,
            "volume": np.full(len(opens), 1.5),
        },
        CandleSource.OHLC,
    )
    return frame.drop(index=list(without)).reset_index(drop=True)


def trades_at(moments: list[datetime], prices: list[float], volumes: list[float]) -> pd.DataFrame:
    """Public trades in the trade columns."""
    stamps = pd.to_datetime([to_ms(moment) for moment in moments], unit="ms", utc=True).astype("datetime64[us, UTC]")
    count = len(moments)
    return pd.DataFrame(
        {
            "ts": stamps,
            "price": np.array(prices, dtype=np.float64),
            "volume": np.array(volumes, dtype=np.float64),
            "side": pd.array(["b"] * count, dtype="str"),
            "kind": pd.array(["m"] * count, dtype="str"),
            "trade_id": pd.array(range(1, count + 1), dtype="Int64"),
        },
        columns=list(TRADE_COLUMNS),
    )


class CandleVenue:
    """``reach``: only the newest so many candles, whatever ``since`` says (Kraken).  ``page``: at most so many from ``since`` on.
    ``windows``: none beyond so many windows after ``since`` (Coinbase)."""

    def __init__(
        self,
        candles: pd.DataFrame | None = None,
        trades: pd.DataFrame | None = None,
        *,
        now: datetime,
        reach: int | None = None,
        page: int | None = None,
        windows: int | None = None,
    ) -> None:
        self.exchange = "kraken"
        self._candles = empty_candles() if candles is None else candles
        self._trades = trades_at([], [], []) if trades is None else trades
        self._now, self._reach, self._page, self._windows = now, reach, page, windows
        self.asked: list[datetime | None] = []
        self.trade_calls = 0

    def now(self) -> datetime:
        return self._now

    def ohlc_reach(self, timeframe: Timeframe) -> int | None:
        return self._reach

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None = None) -> pd.DataFrame:
        SeriesKey(self.exchange, symbol, timeframe)
        self.asked.append(since)
        told = self._candles[self._candles["ts"] <= self._now]
        told = told if self._reach is None else told.tail(self._reach)
        told = told if since is None else told[told["ts"] >= since]
        if self._windows is not None and since is not None:
            told = told[told["ts"] < since + self._windows * timeframe.delta]
        return (told if self._page is None else told.head(self._page)).reset_index(drop=True)

    def trades(self, symbol: str, cursor: str | None = None, since: datetime | None = None) -> tuple[pd.DataFrame, str]:
        """As Kraken's: the cursor is the nanosecond of the page's last trade, and excludes it."""
        self.trade_calls += 1
        known = self._trades[self._trades["ts"] <= self._now]
        start = known["ts"] > pd.Timestamp(int(cursor), tz="UTC") if cursor else known["ts"] >= (since or self._now)
        page = known[start].head(self._page or 1000).reset_index(drop=True)
        if page.empty:
            return page, cursor or "0"
        return page, str(page["ts"].iloc[-1].value)

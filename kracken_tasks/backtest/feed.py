"""Candles as a Backtrader data feed.

In: a checked candle frame.  Out: bars named by their open time.  Never: rows read one by one through pandas, which is what
makes Backtrader's own pandas feed slow.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from kracken_tasks.backtest.library import bt
from kracken_tasks.domain.market import CANDLE_COLUMNS
from kracken_tasks.features.frames import bar_milliseconds, candle_frame

__all__ = ["CandleFeed", "feed_from", "moment_of"]

_DAY_MS = 86_400_000
_EPOCH_DAY = 719_163  # 1970-01-01 as Backtrader counts days, from year 1


class CandleFeed(bt.feed.DataBase):  # type: ignore[misc]  # Backtrader has no types
    """Bars from arrays.  ``candles``: every CANDLE_COLUMNS column, for strategies that decide on frames; ``bar_ms``: bar width."""

    params = (("candles", None), ("bar_ms", 0))

    def start(self) -> None:
        super().start()
        frame = self.p.candles
        days = frame["ts"].to_numpy(dtype="datetime64[ms]").astype(np.int64) / _DAY_MS + _EPOCH_DAY
        columns = [
            days,
            *(frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close", "volume")),
        ]
        self._bars = iter(zip(*(column.tolist() for column in columns), strict=True))

    def _load(self) -> bool:
        bar = next(self._bars, None)
        if bar is None:
            return False
        lines = self.lines
        lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0], lines.volume[0] = bar
        lines.openinterest[0] = 0.0
        return True


def feed_from(frame: pd.DataFrame, name: str) -> CandleFeed:
    """Check a promised OHLCV frame and wrap it.

    Raises: BadData as ``candle_frame`` does.
    """
    checked = candle_frame(frame)
    bar_ms = bar_milliseconds(checked)
    return CandleFeed(
        candles=_with_all_columns(checked, frame),
        bar_ms=bar_ms,
        name=name,
        timeframe=bt.TimeFrame.Minutes,
        compression=max(bar_ms // 60_000, 1),
    )


def moment_of(backtrader_days: float) -> datetime:
    """Backtrader's day number as an aware UTC datetime, exact to the millisecond."""
    milliseconds = round((backtrader_days - _EPOCH_DAY) * _DAY_MS)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _with_all_columns(checked: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """The frame as live code sees it: what was given beside OHLCV is kept, what is unknown stays unknown."""
    full = checked.copy()
    full["vwap"] = given["vwap"].to_numpy(dtype=np.float64) if "vwap" in given.columns else np.nan
    trades = given["trades"].array if "trades" in given.columns else [None] * len(full)
    full["trades"] = pd.array(trades, dtype="Int64")
    full["source"] = given["source"].to_numpy() if "source" in given.columns else "archive"
    return full[list(CANDLE_COLUMNS)]

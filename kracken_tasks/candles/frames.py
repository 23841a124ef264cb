"""The candle frame: one shape for every source.

In: columns in any order, at least ts and the five figures.  Out: ``domain.market.CANDLE_COLUMNS``, typed, sorted, unique.
Never: a value judgement.  That high is above low is the contract's business; that a time lies on the grid is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from kracken_tasks.domain.market import CANDLE_COLUMNS, CandleSource, Timeframe
from kracken_tasks.errors import BadData

__all__ = [
    "candle_frame",
    "closed_only",
    "empty_candles",
    "epoch_ms",
    "join_candles",
    "off_grid",
    "traded_only",
    "within",
]

_FIGURES: Final = ("open", "high", "low", "close", "volume")
_TS: Final = "datetime64[ms, UTC]"


def candle_frame(columns: Any, source: CandleSource | None = None) -> pd.DataFrame:
    """Build a candle frame from a frame or a mapping of columns.

    Shapes: ts and open, high, low, close, volume are needed; vwap, trades and source are filled with "unknown" and ``source``.
    Time:   ts is the open time: aware datetimes, or integers in milliseconds.
    Raises: BadData naming a missing column, a cell that is no number, or two rows for one time.
    """
    frame = pd.DataFrame(columns)
    missing = [name for name in ("ts", *_FIGURES) if name not in frame]
    if missing:
        raise BadData(f"candles without column {', '.join(missing)}", missing=missing, found=list(frame.columns))
    if "source" not in frame:
        if source is None:
            raise BadData("candles without a source: it must be named", missing=["source"])
        frame["source"] = source.value
    typed = _typed(frame)
    if not typed["ts"].is_monotonic_increasing:
        typed = typed.sort_values("ts", kind="stable")
    repeated = typed["ts"].duplicated()
    if repeated.any():
        first = typed["ts"].iloc[int(repeated.to_numpy().argmax())]
        raise BadData(f"two candles for {first}", ts=str(first), rows=int(repeated.sum()))
    return typed.reset_index(drop=True)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    try:
        columns: dict[str, Any] = {"ts": _stamps(frame["ts"])}
        columns |= {name: frame[name].astype("float64") for name in _FIGURES}
        columns["vwap"] = frame["vwap"].astype("float64") if "vwap" in frame else np.full(len(frame), np.nan)
        columns["trades"] = frame["trades"].astype("Int64") if "trades" in frame else pd.NA
        columns["source"] = frame["source"].astype("str")
        typed = pd.DataFrame(columns, index=frame.index, columns=list(CANDLE_COLUMNS))
    except (TypeError, ValueError) as error:
        raise BadData(f"candles with a cell of the wrong kind: {error}", reason=str(error)) from error
    typed["trades"] = typed["trades"].astype("Int64")
    return typed


def _stamps(ts: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_integer_dtype(ts.dtype):
        return pd.to_datetime(ts, unit="ms", utc=True).astype(_TS)
    if not isinstance(ts.dtype, pd.DatetimeTZDtype):
        raise ValueError(f"ts of type {ts.dtype}: write aware UTC datetimes or integer milliseconds")
    stamps: pd.Series[Any] = ts.dt.tz_convert("UTC").astype(_TS)
    return stamps


def empty_candles() -> pd.DataFrame:
    """A candle frame without rows, with every column typed."""
    figures = {name: np.array([], dtype=np.float64) for name in _FIGURES}
    return candle_frame({"ts": np.array([], dtype=np.int64), **figures, "source": np.array([], dtype=str)})


def epoch_ms(frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Open times as milliseconds since the epoch.  Shape [R]."""
    return np.asarray(frame["ts"].astype(_TS).astype("int64"), dtype=np.int64)


def off_grid(frame: pd.DataFrame, timeframe: Timeframe) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows do not open where a candle of this width opens.  Shape [R]."""
    origin = 4 * 86_400_000 if timeframe is Timeframe.W1 else 0  # weeks open on Monday, the epoch was a Thursday
    stray: np.ndarray[Any, np.dtype[np.bool_]] = (epoch_ms(frame) - origin) % (timeframe.seconds * 1000) != 0
    return stray


def closed_only(frame: pd.DataFrame, timeframe: Timeframe, now: datetime) -> pd.DataFrame:
    """The rows whose candle is closed at ``now``: dropped by their time, wherever in the frame they stand."""
    return frame[frame["ts"] + timeframe.delta <= now].reset_index(drop=True)


def traded_only(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows in which somebody traded, and the flat rows that a source sends for intervals in which nobody did.

    Venues tell of an empty interval in two ways: with no row, or with a row of the last price, volume 0 and count 0 (or unknown), at
    Kraken with vwap 0.  Both come to the same here: no candle.  Rows without volume whose prices differ stay: the contract judges them.
    """
    flat = (frame["volume"] == 0) & (frame["high"] == frame["low"]) & (frame["open"] == frame["close"])
    empty = flat & (frame["open"] == frame["high"]) & (frame["trades"].fillna(0) == 0)
    return frame[~empty].reset_index(drop=True), frame[empty].reset_index(drop=True)


def within(frame: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Rows with start <= ts < end."""
    return frame[(frame["ts"] >= start) & (frame["ts"] < end)].reset_index(drop=True)


def join_candles(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Several pages of one series as one frame; where two tell of one candle, the later page wins.

    Raises: nothing; no pages, or only empty ones, give an empty frame.
    """
    pages = [frame for frame in frames if len(frame)]
    if not pages:
        return empty_candles()
    joined = pd.concat(pages, ignore_index=True).drop_duplicates("ts", keep="last")
    return joined.sort_values("ts", kind="stable").reset_index(drop=True)

"""The feature recipe: the same numbers in training, backtest and live.

In: a candle frame.  Out: stationary features, one row per candle.  Never: anything fitted, a value from a later candle, or one
from more than ``LOOKBACK`` candles back, so that a live tick with a short history computes what training saw.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import talib
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kracken_tasks.features.frames import candle_frame

__all__ = ["FEATURE_NAMES", "LOOKBACK", "RECIPE_VERSION", "compute_features", "feature_rows"]

RECIPE_VERSION: Final = 1  # a model belongs to one version; any change of a number here is a new one

FEATURE_NAMES: Final = (
    "return_1", "return_6", "return_24", "range", "close_place", "rsi_14", "macd_histogram", "atr_14",
    "bollinger_20", "volume_z_24", "hour_sin", "hour_cos",
)  # fmt: skip

_RSI, _ATR, _BAND, _VOLUME, _LONGEST_RETURN = 14, 14, 20, 24, 24
_FAST, _SLOW, _SIGNAL = 12, 26, 9
# Candles a row depends on, its own included; the MACD histogram reaches furthest: 26 + 9 - 1.
LOOKBACK: Final = _SLOW + _SIGNAL - 1

_FLAT = 1e-9  # moves below this share of the price are rounding left over from running sums
_CHUNK = 65_536  # rows per pass over sliding windows: bounds memory
Floats = NDArray[np.float64]


def compute_features(frame: pd.DataFrame) -> pd.DataFrame:
    """Features of every candle.

    Shapes: [R, 12] float64, columns ``FEATURE_NAMES``, index = open times (``ts``); the first LOOKBACK - 1 rows are NaN.
    Time:   row i is known at the close of candle i and depends on candles i - LOOKBACK + 1 .. i only.
    Units:  log returns; ``range`` and ``atr_14`` relative to the close; ``rsi_14`` and ``close_place`` in [-0.5, 0.5]; ``bollinger_20``
            and ``volume_z_24`` in standard deviations; ``macd_histogram`` relative to the close.
    Notes:  averages are simple ones (RSI after Cutler, MACD and ATR on simple means): exponential ones never forget where the
            history began.  A grid with holes is computed row by row; whoever cuts windows leaves those across holes out.
    Raises: BadData as ``candle_frame`` does.
    """
    candles = candle_frame(frame)
    index = pd.DatetimeIndex(candles["ts"], name="ts")
    return pd.DataFrame(feature_rows(candles), columns=list(FEATURE_NAMES), index=index)


def feature_rows(candles: pd.DataFrame) -> Floats:
    """``compute_features`` for candles that ``candle_frame`` has checked already, as a plain array [R, 12]."""
    open_, high, low, close, volume = (
        candles[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close", "volume")
    )
    log_close = np.log(close)
    hour_angle = 2 * np.pi * _seconds_of_day(candles) / 86_400
    columns = [
        _change(log_close, 1),
        _change(log_close, 6),
        _change(log_close, _LONGEST_RETURN),
        np.log(high / low),
        _place(close, high, low),
        _rsi(close),
        _macd_histogram(close),
        _atr(open_, high, low, close),
        _z_score(log_close, _BAND),
        _z_score(np.log1p(volume), _VOLUME),
        np.sin(hour_angle),
        np.cos(hour_angle),
    ]
    table: Floats = np.column_stack(columns)
    table[: LOOKBACK - 1] = np.nan
    return table


def _seconds_of_day(candles: pd.DataFrame) -> NDArray[np.int64]:
    milliseconds = candles["ts"].to_numpy(dtype="datetime64[ms]").astype(np.int64)
    return (milliseconds // 1000) % 86_400


def _change(values: Floats, bars: int) -> Floats:
    changed = np.full(len(values), np.nan)
    changed[bars:] = values[bars:] - values[:-bars]
    return changed


def _place(close: Floats, high: Floats, low: Floats) -> Floats:
    """Where in its range the candle closed: -0.5 at the low, 0.5 at the high, 0 without a range."""
    width = high - low
    place: Floats = np.divide(close - low, width, out=np.full(len(close), 0.5), where=width > _FLAT * close)
    return np.minimum(np.maximum(place, 0.0), 1.0) - 0.5


def _rsi(close: Floats) -> Floats:
    moves = np.diff(close, prepend=close[0])
    rise = talib.SMA(np.maximum(moves, 0.0), _RSI)
    fall = talib.SMA(np.maximum(-moves, 0.0), _RSI)
    total = rise + fall
    share: Floats = np.divide(rise, total, out=np.full(len(close), 0.5), where=total > _FLAT * close)
    return share - 0.5


def _macd_histogram(close: Floats) -> Floats:
    if len(close) < LOOKBACK:
        return np.full(len(close), np.nan)
    line = talib.SMA(close, _FAST) - talib.SMA(close, _SLOW)
    signal = np.full(len(close), np.nan)
    signal[_SLOW - 1 :] = talib.SMA(line[_SLOW - 1 :], _SIGNAL)
    histogram: Floats = (line - signal) / close
    return histogram


def _atr(open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    before = np.concatenate((open_[:1], close[:-1]))
    true_range = np.maximum(high, before) - np.minimum(low, before)
    return np.asarray(talib.SMA(true_range, _ATR) / close, dtype=np.float64)


def _z_score(values: Floats, window: int) -> Floats:
    """Distance from the window's mean in its standard deviations, 0 where nothing varies.

    Computed window by window: running sums of squares lose the small variances of quiet markets.
    """
    scores = np.full(len(values), np.nan)
    if len(values) < window:
        return scores
    windows = sliding_window_view(values, window)
    for first in range(0, len(windows), _CHUNK):
        part = windows[first : first + _CHUNK]
        mean, spread = part.mean(axis=1), part.std(axis=1)
        newest = part[:, -1]
        z = np.divide(newest - mean, spread, out=np.zeros(len(part)), where=spread > _FLAT)
        scores[first + window - 1 : first + window - 1 + len(part)] = z
    return scores

"""The promised ways to hand over OHLCV, turned into one checked form.

In: a frame with a ``ts`` or ``timestamp`` column or a DatetimeIndex.  Out: a candle frame (ts, open, high, low, close, volume),
sorted and unique, and where its grid is broken.  Never: repairing, filling or reordering of what was given.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.errors import BadData

__all__ = ["PRICE_COLUMNS", "bar_milliseconds", "candle_frame", "grid_runs"]

PRICE_COLUMNS: Final = ("open", "high", "low", "close")
_NUMBERS: Final = (*PRICE_COLUMNS, "volume")
_OUR_TIME: Final = pd.DatetimeTZDtype("ms", "UTC")
_SECONDS_BELOW: Final = 10**11  # as milliseconds this is March 1973, as seconds the year 5138


def candle_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Check an OHLCV frame and return it as ts (datetime64[ms, UTC]) and five float64 columns.

    Time:   open times from the column ``ts``, else ``timestamp`` (UTC datetimes, milliseconds or seconds), else the DatetimeIndex;
            times without a zone are read as UTC.  Column names may be capitalised.  Other columns are dropped.
    Raises: BadData, naming the rule, the first bad row and its time: empty, column missing, not a number, price not positive,
            high below low, times not strictly ascending.
    """
    if frame.empty:
        raise BadData("the candle frame is empty", rule="not_empty")
    changed = {name: str(name).lower() for name in frame.columns if name != str(name).lower()}
    named = frame.rename(columns=changed) if changed else frame
    missing = [name for name in _NUMBERS if name not in named.columns]
    if missing:
        raise BadData(f"the candle frame lacks {', '.join(missing)}", rule="columns", allowed=_NUMBERS)
    ts = _open_times(named)
    try:
        values = {name: named[name].to_numpy(dtype=np.float64) for name in _NUMBERS}
    except (TypeError, ValueError) as error:
        raise BadData(f"a candle column does not hold numbers: {error}", rule="numbers") from error
    checked = pd.DataFrame({"ts": ts, **values})
    _check_rows(checked)
    return checked


def bar_milliseconds(frame: pd.DataFrame) -> int:
    """Width of a bar: the most frequent distance between neighbouring open times; one row counts as a day."""
    stamps = _stamps(frame)
    if len(stamps) < 2:
        return 86_400_000
    widths, counts = np.unique(np.diff(stamps), return_counts=True)
    return int(widths[counts.argmax()])


def grid_runs(frame: pd.DataFrame, bar_ms: int) -> NDArray[np.int64]:
    """For each row, how many rows up to and including it stand on an unbroken grid.  Shape [R]; the first row is 1."""
    stamps = _stamps(frame)
    index = np.arange(len(stamps))
    broken = np.concatenate(([True], np.diff(stamps) != bar_ms))
    starts = np.maximum.accumulate(np.where(broken, index, 0))
    return index - starts + 1


def _stamps(frame: pd.DataFrame) -> NDArray[np.int64]:
    return frame["ts"].to_numpy(dtype="datetime64[ms]").astype(np.int64)


def _open_times(frame: pd.DataFrame) -> pd.Series:
    name = next((name for name in ("ts", "timestamp") if name in frame.columns), None)
    if name is None and not isinstance(frame.index, pd.DatetimeIndex):
        raise BadData("no open times: give a DatetimeIndex, or a column ts or timestamp", rule="time")
    given = frame[name] if name is not None else frame.index.to_series()
    if given.dtype == _OUR_TIME:
        return pd.Series(given.array)
    try:
        if pd.api.types.is_numeric_dtype(given):
            scale = 1000 if given.abs().max() < _SECONDS_BELOW else 1
            moments = pd.to_datetime(given * scale, unit="ms", utc=True)
        else:
            moments = pd.to_datetime(given, utc=True)
    except (TypeError, ValueError) as error:
        raise BadData(f"open times cannot be read: {error}", rule="time") from error
    return pd.Series(moments.astype("datetime64[ms, UTC]").array)


def _check_rows(frame: pd.DataFrame) -> None:
    numbers = frame[list(_NUMBERS)].to_numpy()
    open_, high, low, close, volume = numbers.T
    _refuse(frame["ts"].isna().to_numpy(dtype=np.bool_), frame, "time", "a candle has no open time")
    _refuse(~np.isfinite(numbers).all(axis=1), frame, "finite", "a candle holds NaN or infinity")
    not_positive = (open_ <= 0) | (high <= 0) | (low <= 0) | (close <= 0)
    _refuse(not_positive, frame, "positive", "a candle has a price that is not positive")
    _refuse(volume < 0, frame, "volume", "a candle has a negative volume")
    _refuse(high < low, frame, "range", "a candle's high is below its low")
    backwards = np.concatenate(([False], np.diff(_stamps(frame)) <= 0))
    _refuse(backwards, frame, "ascending", "candles must be sorted by open time, each once")


def _refuse(bad: NDArray[np.bool_], frame: pd.DataFrame, rule: str, sentence: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise BadData(f"{sentence} (row {row}, {frame['ts'].iloc[row]})", rule=rule, row=row, rows=int(bad.sum()))

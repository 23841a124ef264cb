"""Candles and trades with named columns: Parquet, or CSV with a header.

In: a path.  Out: candle frames.  Never: part of a bad file; a guess about a column without a known name.

Known names: ``ts``, ``timestamp`` or ``time`` (aware datetimes, ISO text, unix seconds or milliseconds); open, high, low, close, volume;
vwap, trades and source where there are any; for trades: price and volume.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from kracken_tasks.candles.frames import candle_frame, off_grid
from kracken_tasks.domain.market import QUOTE_COLUMNS, TRADE_COLUMNS, CandleSource, Timeframe
from kracken_tasks.errors import BadData

__all__ = ["read_candle_table", "read_quote_table", "read_trade_table"]

_TIME_NAMES: Final = ("ts", "timestamp", "time")
_FIGURES: Final = ("open", "high", "low", "close", "volume")
_OPTIONAL: Final = ("vwap", "trades", "source")
_MS_FROM: Final = 10**11  # as seconds this is the year 5138, as milliseconds 1973


def read_candle_table(path: Path, timeframe: Timeframe) -> pd.DataFrame:
    """Read candles.  Raises: BadData naming file, row (from 1, the header not counted) and reason."""
    table = _read(path, _FIGURES)
    _check_finite(path, table, _FIGURES)
    _check_order(path, table["ts"], repeats=False)
    kept = table[["ts", *_FIGURES, *(name for name in _OPTIONAL if name in table)]]
    try:
        frame = candle_frame(kept, CandleSource.ARCHIVE)
    except BadData as error:
        raise _refused(path, 0, error.message) from error
    stray = off_grid(frame, timeframe)
    if stray.any():
        row = int(stray.argmax())
        raise _refused(path, row + 1, f"time {frame['ts'].iloc[row]} is not the open of a {timeframe.value} candle")
    return frame


def read_trade_table(path: Path) -> pd.DataFrame:
    """Read trades: ``TRADE_COLUMNS``, in the file's order; what it does not tell is unknown.

    Raises: BadData naming file, row and reason.
    """
    table = _read(path, ("price", "volume"))
    _check_finite(path, table, ("price", "volume"))
    _check_order(path, table["ts"], repeats=True)
    if table.empty:
        raise _refused(path, 0, "the file is empty")
    sides = {"b": "b", "buy": "b", "s": "s", "sell": "s"}
    kinds = {"m": "m", "market": "m", "l": "l", "limit": "l"}
    ids = pd.to_numeric(_named(table, ("trade_id", "id")), errors="coerce")
    columns = {
        "ts": table["ts"].astype("datetime64[us, UTC]"),
        "price": table["price"].astype("float64"),
        "volume": table["volume"].astype("float64"),
        "side": _named(table, ("side", "buy/sell")).map(sides).astype("str"),
        "kind": _named(table, ("kind", "order_type", "market/limit")).map(kinds).astype("str"),
        "trade_id": ids.astype("Int64"),
    }
    return pd.DataFrame(columns, columns=list(TRADE_COLUMNS))


def read_quote_table(path: Path, width: Timeframe | None) -> pd.DataFrame:
    """Read quotes: ``QUOTE_COLUMNS``.

    Time:   a bar of ``width`` gives the quote at its close, stamped with the moment it closed; None: each row is a quote.  When a
            quote of the past arrived nobody knows.
    Raises: BadData naming file, row and reason.
    """
    bars = width is not None
    bid, ask = ("bid_close", "ask_close") if bars else ("bid", "ask")
    table = _read(path, (bid, ask))
    _check_order(path, table["ts"], repeats=not bars)
    if table.empty:
        raise _refused(path, 0, "the file is empty")
    stamps = table["ts"].astype("datetime64[us, UTC]")
    columns = {
        "ts": stamps + width.delta if width is not None else stamps,
        "bid": table[bid].astype("float64"),
        "ask": table[ask].astype("float64"),
        "bid_volume": _named(table, ("bid_volume", "bid_size")).astype("float64"),
        "ask_volume": _named(table, ("ask_volume", "ask_size")).astype("float64"),
        "last": _named(table, ("last",)).astype("float64"),
        "received": pd.Series(pd.NaT, index=table.index, dtype="datetime64[us, UTC]"),
    }
    return pd.DataFrame(columns, columns=list(QUOTE_COLUMNS))


def _named(table: pd.DataFrame, names: tuple[str, ...]) -> pd.Series[Any]:
    """The first of these columns that is there; else one of unknowns."""
    found = [name for name in names if name in table]
    return table[found[0]] if found else pd.Series(np.nan, index=table.index, dtype=object)


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    try:
        # Through memory, not through the file system layer: a Parquet file must not be taken for part of a partitioned set.
        table = pq.ParquetFile(path).read().to_pandas() if path.suffix.lower() == ".parquet" else pd.read_csv(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OSError) as error:
        raise _refused(path, 0, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    table = table.rename(columns={name: str(name).lower() for name in table.columns})
    times = [name for name in _TIME_NAMES if name in table]
    missing = [name for name in needed if name not in table] + ([] if times else ["timestamp"])
    if missing:
        found = ", ".join(map(str, table.columns))
        raise _refused(path, 0, f"no column {', '.join(missing)}; found: {found}")
    table["ts"] = _stamps(path, table[times[0]])
    return table


def _stamps(path: Path, times: pd.Series[Any]) -> pd.Series[Any]:
    zoned: pd.Series[Any]
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        zoned = times.dt.tz_convert("UTC")
        return zoned
    if pd.api.types.is_datetime64_dtype(times.dtype):
        zoned = times.dt.tz_localize("UTC")  # files of this style say UTC in their description, not in their type
        return zoned
    try:
        if pd.api.types.is_numeric_dtype(times.dtype):
            factor = 1_000 if abs(float(times.iloc[0] if len(times) else 0)) > _MS_FROM else 1_000_000
            micros = np.rint(times.to_numpy(dtype=np.float64) * factor)
            return pd.Series(pd.to_datetime(micros.astype("int64"), unit="us", utc=True), index=times.index)
        return pd.to_datetime(times, utc=True, format="ISO8601")
    except (ValueError, TypeError, OverflowError) as error:
        raise _refused(path, 0, f"column {times.name} holds no times: {error}") from error


def _check_finite(path: Path, table: pd.DataFrame, names: tuple[str, ...]) -> None:
    for name in names:
        numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        bad = ~np.isfinite(numbers)
        if bad.any():
            row = int(bad.argmax())
            raise _refused(path, row + 1, f"{name} is {table[name].iloc[row]}, not a finite number")


def _check_order(path: Path, ts: pd.Series[Any], *, repeats: bool) -> None:
    if ts.isna().any():
        raise _refused(path, int(ts.isna().to_numpy().argmax()) + 1, "there is no time")
    step = np.diff(ts.astype("datetime64[us, UTC]").astype("int64"))
    wrong = step < 0 if repeats else step <= 0
    if wrong.any():
        row = int(wrong.argmax()) + 1
        fault = "is before" if step[row - 1] < 0 else "repeats"
        raise _refused(path, row + 1, f"time {ts.iloc[row]} {fault} the row above")


def _refused(path: Path, row: int, reason: str) -> BadData:
    where = f"{path.name}, row {row}" if row else path.name
    return BadData(f"{where}: {reason}; nothing of the file is used", file=str(path), line=row, reason=reason)

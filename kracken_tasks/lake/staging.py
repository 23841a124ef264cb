"""The staging area: rows that were fetched and not yet judged, as content-addressed Parquet files.

In: frames as they came, faults included (their order, duplicates and wild values are the contract's business).  Out: a
``StagedSeries`` that names exact bytes.  The key and the asked range are inside the bytes, so the hash binds them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.domain.clock import from_ms, iso, parse_utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, SeriesKey
from kracken_tasks.domain.refs import StagedSeries
from kracken_tasks.errors import BadData
from kracken_tasks.lake.block import FLOATS, SMALL_TABLE, text_array
from kracken_tasks.lake.manifest import digest
from kracken_tasks.lake.store import Store

__all__ = ["STAGING", "asked_before", "read_frame", "read_staged", "stage", "table_of"]

STAGING: Final = "_staging"
_REQUIRED: Final = ("ts", "open", "high", "low", "close", "volume")


def stage(
    store: Store,
    key: SeriesKey,
    frame: pd.DataFrame,
    asked: tuple[datetime, datetime],
    source: str,
    *,
    judged: bool = False,
) -> StagedSeries:
    """Write rows to the staging area; the same rows give the same file.

    ``judged`` rows (quarantine, with further text columns) leave the asked range out of the bytes, so that the same bad row met
    again in another run is the same file.  Raises: BadData if a column is missing, of the wrong kind, or a time is naive.
    """
    if frame.empty:
        return StagedSeries(key, "", digest(b""), 0, None, None, asked[0], asked[1], source)
    facts = {"key": str(key), "source": source}
    if not judged:
        facts |= {"asked_from": iso(asked[0]), "asked_to": iso(asked[1])}
    table = _to_table(key, frame, source)
    raw = _encode(table, facts)
    content_hash = digest(raw)
    name = f"{STAGING}/{content_hash}.parquet"
    store.put_scratch(name, raw)
    ts = table.column("ts").cast(pa.int64()).to_numpy()
    first, last = from_ms(int(ts.min())), from_ms(int(ts.max()))
    return StagedSeries(key, name, content_hash, len(frame), first, last, asked[0], asked[1], source)


def read_staged(store: Store, staged: StagedSeries) -> tuple[bytes, pa.Table]:
    """The exact bytes that were staged, and the rows in them.

    Raises: BadData if the file is gone, or is not what the reference says it is.
    """
    raw = store.get(staged.path)
    found = digest(raw)
    if found != staged.content_hash:
        raise BadData(
            f"{staged.path} holds other bytes than the verdict was given for ({staged.key})",
            series=str(staged.key), expected=staged.content_hash, found=found,
        )  # fmt: skip
    facts, table = _decode(raw)
    told = {"key": str(staged.key), "asked_from": iso(staged.asked_from), "asked_to": iso(staged.asked_to)}
    wrong = {name: value for name, value in told.items() if facts.get(name, value) != value}
    if wrong:
        raise BadData(
            f"{staged.path} was staged for {facts['key']} and another range than told", series=str(staged.key), **wrong
        )
    return raw, table


def table_of(raw: bytes) -> pa.Table:
    """The rows of a Parquet file of this lake, as they lie in it."""
    return _decode(raw)[1]


def read_frame(store: Store, staged: StagedSeries) -> pd.DataFrame:
    """Staged rows as a frame with CANDLE_COLUMNS (and, for quarantined rows, rule and reason), in the order they came."""
    if not staged.path:
        return _to_frame(_to_table(staged.key, _empty(), staged.source))
    return _to_frame(read_staged(store, staged)[1])


def asked_before(store: Store, moment: datetime) -> list[str]:
    """Names of staged files whose asked range ended before a moment; quarantined copies, which carry none, are left alone."""
    names = []
    for name in store.list(STAGING):
        asked_to = _decode(store.get(name))[0].get("asked_to", "")
        if asked_to and parse_utc(asked_to) < moment:
            names.append(name)
    return names


def _to_frame(table: pa.Table) -> pd.DataFrame:
    data: dict[str, Any] = {}
    for field in table.schema:
        column = table.column(field.name).combine_chunks()
        if field.name == "ts":
            times = column.cast(pa.int64()).to_numpy(zero_copy_only=False).view("M8[ms]")
            data["ts"] = pd.DatetimeIndex(times).tz_localize("UTC")
        elif field.name == "trades":
            data["trades"] = pd.arrays.IntegerArray(
                column.fill_null(0).to_numpy(zero_copy_only=False).copy(),
                column.is_null().to_numpy(zero_copy_only=False),
            )
        elif pa.types.is_floating(field.type):
            data[field.name] = column.to_numpy(zero_copy_only=False).copy()
        else:
            data[field.name] = text_array(column)
    return pd.DataFrame(data, copy=False)


def _to_table(key: SeriesKey, frame: pd.DataFrame, source: str) -> pa.Table:
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise BadData(
            f"{key}: candles without {', '.join(missing)}", series=str(key), missing=missing, allowed=CANDLE_COLUMNS
        )
    columns: dict[str, pa.Array] = {"ts": _times(key, frame["ts"])}
    for name in FLOATS:
        values = frame[name] if name in frame.columns else np.full(len(frame), np.nan)
        columns[name] = _converted(key, name, lambda values=values: pa.array(np.asarray(values, np.float64)))
    columns["trades"] = _converted(key, "trades", lambda: _counts(frame))
    names = frame["source"].array if "source" in frame.columns else [source] * len(frame)
    columns["source"] = pa.array(names, pa.string(), from_pandas=True)
    for name in frame.columns:
        if name not in columns:
            columns[str(name)] = pa.array(frame[name], pa.string())
    return pa.table(columns)


def _times(key: SeriesKey, ts: pd.Series) -> pa.Array:
    if not isinstance(ts.dtype, pd.DatetimeTZDtype):
        raise BadData(
            f"{key}: ts is {ts.dtype}, not UTC-aware times", series=str(key), column="ts", allowed="datetime64[ms, UTC]"
        )
    times = pd.DatetimeIndex(ts)
    if times.hasnans:
        raise BadData(f"{key}: a candle without a time", series=str(key), column="ts")
    rounded = times.as_unit("ms")
    if times.unit != "ms" and not bool((rounded == times).all()):
        raise BadData(f"{key}: a candle's time is finer than a millisecond", series=str(key), column="ts")
    return pa.array(rounded.asi8, pa.int64()).cast(pa.timestamp("ms", "UTC"))


def _converted(key: SeriesKey, name: str, convert: Any) -> pa.Array:
    try:
        array: pa.Array = convert()
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise BadData(f"{key}: column {name} does not hold numbers ({error})", series=str(key), column=name) from error
    return array


def _counts(frame: pd.DataFrame) -> pa.Array:
    if "trades" not in frame.columns:
        return pa.nulls(len(frame), pa.int64())
    counts = frame["trades"]
    if counts.dtype != pd.Int64Dtype():
        counts = counts.astype("Int64")
    unknown = counts.isna().to_numpy()
    return pa.array(counts.to_numpy(np.int64, na_value=0), pa.int64(), mask=unknown)


def _encode(table: pa.Table, facts: Mapping[str, str]) -> bytes:
    sink = BytesIO()
    compression = "zstd" if table.num_rows > SMALL_TABLE else "none"
    with pq.ParquetWriter(
        sink, table.schema, compression=compression, use_dictionary=["source"], store_schema=False
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(dict(facts))
    return sink.getvalue()


def _decode(raw: bytes) -> tuple[dict[str, str], pa.Table]:
    with pq.ParquetFile(pa.BufferReader(raw)) as file:
        facts = {name.decode(): value.decode() for name, value in (file.metadata.metadata or {}).items()}
        return facts, file.read(use_threads=file.metadata.num_rows > SMALL_TABLE)


def _empty() -> pd.DataFrame:
    frame = pd.DataFrame({name: np.empty(0) for name in _REQUIRED})
    frame["ts"] = pd.DatetimeIndex(np.empty(0, "M8[ms]")).tz_localize("UTC")
    return frame

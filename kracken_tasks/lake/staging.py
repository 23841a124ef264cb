"""The staging area: rows that were fetched and not yet judged, as content-addressed files (Parquet; a few rows: Arrow).

In: frames as they came, faults included (their order, duplicates and wild values are the contract's business).  Out: a
``StagedSeries`` that names exact bytes.  The key and the asked range are inside the bytes, so the hash binds them too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, cast

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no type information
from numpy.typing import NDArray

from kracken_tasks.domain.clock import iso, utc
from kracken_tasks.domain.market import DataKey
from kracken_tasks.domain.refs import StagedSeries
from kracken_tasks.errors import BadData
from kracken_tasks.lake.block import GROUP_ROWS, SMALL_TABLE, text_array
from kracken_tasks.lake.dataset import Dataset, dataset_of
from kracken_tasks.lake.manifest import digest
from kracken_tasks.lake.merge import SMALL_ROWS
from kracken_tasks.lake.store import Store
from kracken_tasks.lake.takeover import READY, Ready, ready_rows

__all__ = ["STAGING", "read_frame", "read_staged", "stage", "staged_bytes", "staged_table", "table_of", "to_frame"]

STAGING: Final = "_staging"
_NO_TIME: Final = np.iinfo(np.int64).min
_PARQUET: Final = b"PAR1"
# What nanoseconds reach, which is what pandas and Arrow count with somewhere on the way.
_EARLIEST, _LATEST = utc(1677, 9, 22), utc(2262, 4, 11)


def stage(
    store: Store,
    key: DataKey,
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
    ready = None if judged else ready_rows(table, dataset_of(key))
    if ready is not None:
        facts[READY] = ready.to_text()
    few = not judged and len(frame) < SMALL_ROWS
    raw = _encode_few(table, facts) if few else _encode(table, facts, dataset_of(key))
    content_hash = digest(raw)
    name = f"{STAGING}/{content_hash}.{'arrow' if few else 'parquet'}"
    store.put_scratch(name, raw)
    ts, dataset = table.column("ts").cast(pa.int64()).to_numpy(), dataset_of(key)
    first, last = dataset.moment(int(ts.min())), dataset.moment(int(ts.max()))
    return StagedSeries(key, name, content_hash, len(frame), first, last, asked[0], asked[1], source)


def staged_bytes(store: Store, staged: StagedSeries) -> tuple[bytes, Ready | None]:
    """The exact bytes that were staged, and what is known of rows that could be kept as they lie.

    Raises: BadData if the file is gone, or is not what the reference says it is.
    """
    raw = store.get(staged.path)
    found = digest(raw)
    if found != staged.content_hash:
        raise BadData(
            f"{staged.path} holds other bytes than the verdict was given for ({staged.key})",
            series=str(staged.key), expected=staged.content_hash, found=found,
        )  # fmt: skip
    facts = _facts(raw)
    told = {"key": str(staged.key), "asked_from": iso(staged.asked_from), "asked_to": iso(staged.asked_to)}
    wrong = {name: value for name, value in told.items() if facts.get(name, value) != value}
    if wrong:
        raise BadData(
            f"{staged.path} was staged for {facts['key']} and another range than told", series=str(staged.key), **wrong
        )
    ready = Ready.from_text(facts[READY]) if READY in facts else None
    if ready is not None and ready.rows != staged.rows:
        raise BadData(f"{staged.path} holds {ready.rows} rows, not {staged.rows}", series=str(staged.key))
    return raw, ready


def read_staged(store: Store, staged: StagedSeries) -> tuple[bytes, pa.Table]:
    """The exact bytes that were staged, and the rows in them.  Raises: as ``staged_bytes``."""
    raw, _ = staged_bytes(store, staged)
    return raw, staged_table(raw, staged.key)


def staged_table(raw: bytes, key: DataKey) -> pa.Table:
    """The rows of a staged file, words as dictionaries."""
    return _decode(raw, dataset_of(key).vocabulary)


def table_of(raw: bytes) -> pa.Table:
    """The rows of a Parquet file of this lake, as they lie in it."""
    return _decode(raw)


def read_frame(store: Store, staged: StagedSeries) -> pd.DataFrame:
    """Staged rows as a frame with the columns of their kind (and, for quarantined rows, rule and reason), in the order they came."""
    dataset = dataset_of(staged.key)
    if not staged.path:
        return to_frame(_to_table(staged.key, _empty(dataset), staged.source), dataset)
    return to_frame(read_staged(store, staged)[1], dataset)


def to_frame(table: pa.Table, dataset: Dataset) -> pd.DataFrame:
    """Rows of a staged or quarantined file as a frame."""
    data: dict[str, Any] = {}
    for field in table.schema:
        column = table.column(field.name)
        if field.name in dataset.times:
            times = _numbers(column.cast(pa.int64()), _NO_TIME).view(f"M8[{dataset.unit}]")
            data[field.name] = pd.DatetimeIndex(times).tz_localize("UTC")
        elif field.name in dataset.counts:
            unknown = column.is_null().to_numpy() if column.null_count else np.zeros(len(column), bool)
            data[field.name] = pd.arrays.IntegerArray(_numbers(column, 0), unknown)
        elif pa.types.is_floating(field.type):
            data[field.name] = _own(column.to_numpy())
        else:
            data[field.name] = text_array(column.combine_chunks())
    return pd.DataFrame(data, copy=False)


def _numbers(column: pa.ChunkedArray, unknown: int) -> NDArray[np.int64]:
    return _own((column.fill_null(unknown) if column.null_count else column).to_numpy())


def _own(values: NDArray[Any]) -> NDArray[Any]:
    # Rows that came in several chunks were copied when they were joined; what is still the file's may not be written to.
    return values if values.flags.writeable else values.copy()


def _to_table(key: DataKey, frame: pd.DataFrame, source: str) -> pa.Table:
    dataset = dataset_of(key)
    told = {str(name): values for name, values in frame.items()}
    missing = [name for name in dataset.required if name not in told]
    if missing:
        raise BadData(
            f"{key}: {dataset.name} without {', '.join(missing)}",
            series=str(key),
            missing=missing,
            allowed=dataset.columns,
        )
    columns = {
        name: _column(key, told[name], name) if name in told else _untold(dataset, name, len(frame), source)
        for name in dataset.columns
    }
    columns |= {name: pa.array(values, pa.string()) for name, values in told.items() if name not in columns}
    return pa.table(columns)


def _column(key: DataKey, values: pd.Series, name: str) -> pa.Array:
    dataset = dataset_of(key)
    if name in dataset.times:
        return _times(key, values, name)
    if name in dataset.floats:
        return _converted(key, name, lambda: _floats(values, dataset, name))
    if name in dataset.counts:
        return _converted(key, name, lambda: _counts(values))
    words = pa.array(values.array, pa.string(), from_pandas=True)
    return words.dictionary_encode() if name in dataset.vocabulary and len(words) >= SMALL_ROWS else words


def _untold(dataset: Dataset, name: str, rows: int, source: str) -> pa.Array:
    """A column that the frame lacks: unknown in all rows, but for the source, which is told of all of them."""
    if name == "source" and rows < SMALL_ROWS:
        return pa.array([source] * rows, pa.string())
    if name == "source":
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([source], pa.string()))
    if name in dataset.times:
        return pa.nulls(rows, pa.timestamp(dataset.unit, "UTC"))
    kind = pa.float64() if name in dataset.floats else pa.int64() if name in dataset.counts else pa.string()
    return pa.nulls(rows, kind)


def _times(key: DataKey, values: pd.Series, name: str) -> pa.Array:
    dataset = dataset_of(key)
    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        raise BadData(
            f"{key}: {name} is {values.dtype}, not UTC-aware times",
            series=str(key), column=name, allowed=f"datetime64[{dataset.unit}, UTC]",
        )  # fmt: skip
    ticks = values.array.asi8
    unknown = ticks == _NO_TIME
    if name == "ts" and bool(unknown.any()):
        raise BadData(f"{key}: a row without a time", series=str(key), column=name)
    if values.dtype.unit != dataset.unit:
        ticks = _in_unit(key, pd.DatetimeIndex(values), name)
    far = ~unknown & ((ticks < dataset.ticks(_EARLIEST)) | (ticks > dataset.ticks(_LATEST)))
    if bool(far.any()):
        raise BadData(
            f"{key}: {int(far.sum())} rows with a time before 1677 or after 2262, the first of them row {int(far.argmax())}: "
            "milliseconds told as seconds?",
            series=str(key), column=name, rows=int(far.sum()), allowed=f"{iso(_EARLIEST)} to {iso(_LATEST)}",
        )  # fmt: skip
    return pa.array(ticks, pa.int64(), mask=unknown).cast(pa.timestamp(dataset.unit, "UTC"))


def _in_unit(key: DataKey, times: pd.DatetimeIndex, name: str) -> NDArray[np.int64]:
    unit = dataset_of(key).unit
    try:
        rounded = times.as_unit(unit)
    except pd.errors.OutOfBoundsDatetime as error:
        raise BadData(
            f"{key}: a time that is no date: milliseconds told as seconds?", series=str(key), column=name
        ) from error
    if not bool((rounded == times)[times.notna()].all()):
        word = {"ms": "millisecond", "us": "microsecond"}[unit]
        raise BadData(f"{key}: a time finer than a {word}", series=str(key), column=name)
    ticks: NDArray[np.int64] = rounded.asi8
    return ticks


def _converted(key: DataKey, name: str, convert: Callable[[], pa.Array]) -> pa.Array:
    try:
        return convert()
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise BadData(f"{key}: column {name} does not hold numbers ({error})", series=str(key), column=name) from error


def _floats(values: pd.Series, dataset: Dataset, name: str) -> pa.Array:
    floats = values.to_numpy(np.float64)
    # What may be unknown is null in data files, and a staged file may become one.
    return pa.array(floats, mask=None if name in dataset.finite else np.isnan(floats))


def _counts(counts: pd.Series) -> pa.Array:
    if counts.dtype != pd.Int64Dtype():
        counts = counts.astype("Int64")
    return pa.array(counts.to_numpy(np.int64, na_value=0), pa.int64(), mask=counts.array.isna())


def _encode(table: pa.Table, facts: Mapping[str, str], dataset: Dataset) -> bytes:
    sink = pa.BufferOutputStream()
    known = {name: encoding for name, encoding in dataset.encodings.items() if name in table.column_names}
    with pq.ParquetWriter(
        sink, table.schema, compression="lz4" if table.num_rows > SMALL_TABLE else "none", write_statistics=["ts"],
        use_dictionary=[name for name in table.column_names if name not in known], column_encoding=known, store_schema=False,
    ) as writer:  # fmt: skip
        writer.write_table(table, row_group_size=GROUP_ROWS)
        writer.add_key_value_metadata(dict(facts))
    return cast(bytes, sink.getvalue().to_pybytes())


def _encode_few(table: pa.Table, facts: Mapping[str, str]) -> bytes:
    """A few rows in Arrow's own form: a tenth of the time that Parquet takes for them.  They become part of some other file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.with_metadata(dict(facts))) as writer:
        writer.write_table(table)
    return cast(bytes, sink.getvalue().to_pybytes())


def _facts(raw: bytes) -> dict[str, str]:
    if raw.startswith(_PARQUET):
        with pq.ParquetFile(pa.BufferReader(raw)) as file:
            told = file.metadata.metadata
    else:
        told = pa.ipc.open_stream(raw).schema.metadata
    return {name.decode(): value.decode() for name, value in (told or {}).items()}


def _decode(raw: bytes, words: Iterable[str] = ()) -> pa.Table:
    """``words``: columns of few words, which may come as a dictionary instead of text in every row."""
    if not raw.startswith(_PARQUET):
        return pa.ipc.open_stream(raw).read_all().replace_schema_metadata(None)
    with pq.ParquetFile(pa.BufferReader(raw), read_dictionary=list(words)) as file:
        return file.read(use_threads=file.metadata.num_rows > SMALL_TABLE)


def _empty(dataset: Dataset) -> pd.DataFrame:
    frame = pd.DataFrame({name: np.empty(0) for name in dataset.required})
    frame["ts"] = pd.DatetimeIndex(np.empty(0, f"M8[{dataset.unit}]")).tz_localize("UTC")
    return frame

"""Rows of one series in memory, and the same rows as a Parquet file.

In: frames with CANDLE_COLUMNS, or bytes.  Out: a ``Block`` of plain arrays, a frame, or bytes that are the same for the same
rows.  Never: judging a candle (that is the contract's work).

Files: ``ts`` delta-encoded, floats byte-stream-split, no dictionary but for ``source``, zstd; columns that hold one value in
all rows are noted in the manifest and not decoded when read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no type information
from numpy.typing import NDArray

from kracken_tasks.domain.market import CandleSource
from kracken_tasks.errors import BadData

__all__ = [
    "GROUP_ROWS",
    "SMALL_TABLE",
    "SOURCES",
    "UNKNOWN_TRADES",
    "Block",
    "decode",
    "encode",
    "text_array",
    "uniform",
]

GROUP_ROWS: Final = 32_768
# Up to here a file is one page a column: compressing and threading it cost more than they give.
SMALL_TABLE: Final = 4_096
SOURCES: Final = tuple(member.value for member in CandleSource)
UNKNOWN_TRADES: Final = -1

FLOATS: Final = ("open", "high", "low", "close", "volume", "vwap")
_BOOKKEEPING: Final = ("source", "revision", "commit_seq", "known_at")
COLUMNS: Final = ("ts", *FLOATS, "trades", *_BOOKKEEPING)
CANDLE_ONLY: Final = ("ts", *FLOATS, "trades", "source")
_SCHEMA: Final = pa.schema(
    [("ts", pa.timestamp("ms", "UTC")), *((name, pa.float64()) for name in FLOATS), ("trades", pa.int64()),
     ("source", pa.dictionary(pa.int8(), pa.string())), ("revision", pa.int32()), ("commit_seq", pa.int64()),
     ("known_at", pa.timestamp("ms", "UTC"))]
)  # fmt: skip
_DELTA: Final = ("ts", "trades", "revision", "commit_seq", "known_at")
_ENCODINGS: Final = dict.fromkeys(FLOATS, "BYTE_STREAM_SPLIT") | dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED")
_STRING: Final = pd.StringDtype(na_value=np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows as arrays of one length, sorted by (ts, revision) where they come from the lake.

    ``ts`` and ``known_at``: int64 milliseconds; ``trades``: int64, -1 unknown; ``source``: index into SOURCES; vwap NaN unknown.
    """

    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["ts"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())

    def take(self, which: Any) -> Self:
        """Rows by slice, mask or positions."""
        return type(self)({name: column[which] for name, column in self.columns.items()})

    def stamped(self, *, revision: NDArray[np.int32], commit_seq: int, known_at: int) -> Self:
        """The same rows as one commit writes them."""
        count = len(self)
        return type(self)({
            **self.columns, "revision": revision,
            "commit_seq": np.full(count, commit_seq, np.int64), "known_at": np.full(count, known_at, np.int64),
        })  # fmt: skip

    @classmethod
    def concat(cls, parts: Sequence[Block], names: Sequence[str] = COLUMNS) -> Self:
        """Rows of all parts, one after the other; ``names`` leaves columns out that nobody will read."""
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return cls(parts[0].columns)
        return cls({name: np.concatenate([part[name] for part in parts]) for name in names})

    def frozen(self) -> Self:
        """The same arrays, refusing to be written to: what a cache may hand to many."""
        for column in self.columns.values():
            column.setflags(write=False)
        return self

    @classmethod
    def empty(cls) -> Self:
        return cls({name: np.empty(0, _dtype(name)) for name in COLUMNS})

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Rows of a candle table without the lake's own columns (those start at 0).

        Raises: BadData for a source that is not one of CandleSource.
        """
        count = table.num_rows
        columns: dict[str, NDArray[Any]] = {name: _numbers(table, name) for name in ("ts", *FLOATS, "trades")}
        columns["source"] = _codes(table.column("source"))
        columns |= {name: np.zeros(count, _dtype(name)) for name in ("revision", "commit_seq", "known_at")}
        return cls(columns)

    def to_frame(self, *, bookkeeping: bool = False) -> pd.DataFrame:
        """A frame with CANDLE_COLUMNS; with ``bookkeeping`` also revision, commit_seq and known_at."""
        trades = self["trades"]
        data: dict[str, Any] = {
            "ts": _moments(self["ts"]),
            **{name: _own(self[name]) for name in FLOATS},
            "trades": pd.arrays.IntegerArray(_own(trades), trades == UNKNOWN_TRADES),
            "source": _names(self["source"]),
        }
        if bookkeeping:
            data |= {name: _own(self[name]) for name in ("revision", "commit_seq")}
            data["known_at"] = _moments(self["known_at"])
        return pd.DataFrame(data, copy=False)

    def to_table(self) -> pa.Table:
        vwap, trades = self["vwap"], self["trades"]
        columns: dict[str, Any] = {
            **self.columns,
            "vwap": pa.array(vwap, mask=np.isnan(vwap)),
            "trades": pa.array(trades, mask=trades == UNKNOWN_TRADES),
            "source": pa.DictionaryArray.from_arrays(pa.array(self["source"]), pa.array(SOURCES)),
        }
        return pa.table([_typed(columns[field.name], field) for field in _SCHEMA], schema=_SCHEMA)


def encode(block: Block) -> bytes:
    """Parquet bytes of a block: the same rows give the same bytes."""
    sink = BytesIO()
    compression, level = ("zstd", 1) if len(block) > SMALL_TABLE else ("none", None)
    pq.write_table(
        block.to_table(), sink, row_group_size=GROUP_ROWS, compression=compression, compression_level=level,
        use_dictionary=["source"], column_encoding=_ENCODINGS, store_schema=False,
    )  # fmt: skip
    return sink.getvalue()


def uniform(block: Block) -> dict[str, int]:
    """Columns that hold one value throughout (for vwap only: unknown throughout, given as 0)."""
    found = {}
    for name in ("trades", *_BOOKKEEPING):
        column = block[name]
        if len(column) and (column == column[0]).all():
            found[name] = int(column[0])
    if np.isnan(block["vwap"]).all():
        found["vwap"] = 0
    return found


def decode(where: Path | bytes, groups: Iterable[int], same: Mapping[str, int]) -> Block:
    """Rows of some row groups; ``same`` (see ``uniform``) names the columns that need no reading."""
    wanted = [name for name in COLUMNS if name not in same]
    with pq.ParquetFile(
        pa.BufferReader(where) if isinstance(where, bytes) else where, read_dictionary=["source"]
    ) as file:
        table = file.read_row_groups(list(groups), columns=wanted, use_threads=file.metadata.num_rows > SMALL_TABLE)
    columns: dict[str, NDArray[Any]] = {}
    for name in COLUMNS:
        if name in same:
            value = np.nan if name == "vwap" else same[name]
            columns[name] = np.broadcast_to(np.array(value, _dtype(name)), table.num_rows)
        else:
            columns[name] = _codes(table.column(name)) if name == "source" else _numbers(table, name)
    return Block(columns)


def text_array(values: pa.Array) -> pd.api.extensions.ExtensionArray:
    """Arrow text as pandas' own text dtype."""
    # Arrow's own bridge for extension dtypes; the stubs do not know it.
    array: pd.api.extensions.ExtensionArray = _STRING.__from_arrow__(values.cast(pa.large_string()))  # type: ignore[attr-defined]
    return array


def _own(column: NDArray[Any]) -> NDArray[Any]:
    # What a cache holds is frozen; only that needs a copy before a frame may change it.
    return column if column.flags.writeable else column.copy()


def _dtype(name: str) -> str:
    return {"source": "int8", "revision": "int32"}.get(name, "float64" if name in FLOATS else "int64")


def _numbers(table: pa.Table, name: str) -> NDArray[Any]:
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
    if name == "trades" and column.null_count:
        column = column.fill_null(UNKNOWN_TRADES)
    return np.asarray(column.to_numpy(), _dtype(name))


def _codes(column: pa.ChunkedArray) -> NDArray[np.int8]:
    encoded = (
        column.combine_chunks() if pa.types.is_dictionary(column.type) else column.combine_chunks().dictionary_encode()
    )
    names = encoded.dictionary.to_pylist()
    strange = sorted({str(name) for name in names} - set(SOURCES))
    if strange or encoded.null_count:
        raise BadData(f"unknown candle source {', '.join(strange) or 'none'}", rule="source", allowed=SOURCES)
    order = np.array([SOURCES.index(name) for name in names], np.int8)
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    return order[indices] if len(order) else np.empty(0, np.int8)


def _typed(values: Any, field: pa.Field) -> pa.Array:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array if array.type == field.type else array.cast(field.type)


def _moments(milliseconds: NDArray[np.int64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.ascontiguousarray(_own(milliseconds)).view("M8[ms]")).tz_localize("UTC")


def _names(codes: NDArray[np.int8]) -> Any:
    values = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(SOURCES, pa.large_string()))
    return text_array(values)

"""Rows of one series in memory, and the same rows as a Parquet file.

In: frames with CANDLE_COLUMNS, or bytes.  Out: a ``Block`` of plain arrays, a frame, or bytes that are the same for the same
rows.  Never: judging a candle (that is the contract's work).

Files: ``ts`` delta-encoded, floats byte-stream-split, a dictionary for words and bookkeeping, LZ4; columns that hold one value in
all rows are noted in the manifest and not decoded when read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import RawIOBase
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no type information
from numpy.typing import NDArray

from kracken_tasks.errors import BadData
from kracken_tasks.lake.dataset import BOOKKEEPING, CANDLES, UNKNOWN, Dataset

__all__ = ["GROUP_ROWS", "SMALL_TABLE", "Block", "decode", "encode", "encode_pack", "text_array", "uniform"]

GROUP_ROWS: Final = 32_768
# Up to here a file is one page a column: compressing and threading it cost more than they give.
SMALL_TABLE: Final = 4_096
_NO_TIME: Final = np.iinfo(np.int64).min
_STRING: Final = pd.StringDtype(na_value=np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows as arrays of one length, in the dataset's order where they come from the lake.

    Times are int64 in the dataset's unit (``known_at``: milliseconds), words are positions in its vocabulary; -1 and NaN: unknown.
    """

    columns: Mapping[str, NDArray[Any]]
    dataset: Dataset = CANDLES

    def __len__(self) -> int:
        return len(self.columns["ts"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())

    def take(self, which: Any) -> Self:
        """Rows by slice, mask or positions."""
        return type(self)({name: column[which] for name, column in self.columns.items()}, self.dataset)

    def stamped(self, *, revision: NDArray[np.int32], commit_seq: int, known_at: int) -> Self:
        """The same rows as one commit writes them."""
        count = len(self)
        stamps: dict[str, NDArray[Any]] = {
            "revision": revision,
            "commit_seq": np.full(count, commit_seq, np.int64), "known_at": np.full(count, known_at, np.int64),
        }  # fmt: skip
        return type(self)({**self.columns, **stamps}, self.dataset)

    @classmethod
    def concat(cls, parts: Sequence[Block], dataset: Dataset = CANDLES, names: Sequence[str] = ()) -> Self:
        """Rows of all parts, one after the other; ``names`` leaves columns out that nobody will read."""
        if not parts:
            return cls.empty(dataset)
        if len(parts) == 1:
            return cls(parts[0].columns, dataset)
        return cls({name: np.concatenate([part[name] for part in parts]) for name in names or dataset.stored}, dataset)

    def in_order(self) -> Self:
        """The rows as they lie in files; rows of one place keep the order they have."""
        keys = [self[name] for name in self.dataset.order]
        in_place, tied = np.ones(max(len(self) - 1, 0), bool), np.ones(max(len(self) - 1, 0), bool)
        for key in keys:
            steps = np.diff(key)
            in_place &= ~tied | (steps >= 0)
            tied &= steps == 0
            if not tied.any():
                break
        return self if bool(in_place.all()) else self.take(np.lexsort(keys[::-1]))

    def frozen(self) -> Self:
        """The same arrays, refusing to be written to: what a cache may hand to many."""
        for column in self.columns.values():
            column.setflags(write=False)
        return self

    @classmethod
    def empty(cls, dataset: Dataset = CANDLES) -> Self:
        return cls({name: np.empty(0, dataset.dtype(name)) for name in dataset.stored}, dataset)

    @classmethod
    def from_table(cls, table: pa.Table, dataset: Dataset = CANDLES) -> Self:
        """Rows of a staged table, which lacks the lake's own columns (those start at 0).

        Raises: BadData for a word that is not in the vocabulary.
        """
        columns = {name: _array(table, name, dataset) for name in dataset.columns}
        columns |= {name: np.zeros(table.num_rows, dataset.dtype(name)) for name in BOOKKEEPING}
        return cls(columns, dataset)

    def to_frame(self, *, bookkeeping: bool = False) -> pd.DataFrame:
        """A frame with the dataset's columns; with ``bookkeeping`` also revision, commit_seq and known_at."""
        data: dict[str, Any] = {name: self._series(name) for name in self.dataset.columns}
        if bookkeeping:
            data |= {name: _own(self[name]) for name in ("revision", "commit_seq")}
            data["known_at"] = _moments(self["known_at"], "ms")
        return pd.DataFrame(data, copy=False)

    def to_table(self) -> pa.Table:
        """The rows as a data file holds them."""
        schema = self.dataset.schema
        return pa.table([_typed(self._nullable(field.name), field) for field in schema], schema=schema)

    def _series(self, name: str) -> Any:
        column, dataset = self[name], self.dataset
        if name in dataset.times:
            return _moments(column, dataset.unit)
        if name in dataset.vocabulary:
            return _text(column, dataset.vocabulary[name])
        if name in dataset.counts:
            return pd.arrays.IntegerArray(_own(column), column == UNKNOWN)
        return _own(column)

    def _nullable(self, name: str) -> Any:
        column, dataset = self[name], self.dataset
        if name in dataset.vocabulary:
            words = pa.array(dataset.vocabulary[name])
            return pa.DictionaryArray.from_arrays(pa.array(column, mask=column == UNKNOWN), words)
        if name in dataset.counts:
            return pa.array(column, mask=column == UNKNOWN)
        if name in dataset.floats and name not in dataset.finite:
            return pa.array(column, mask=np.isnan(column))
        if name in dataset.times and name != "ts":
            return pa.array(column, mask=column == _NO_TIME)
        return column


def encode(block: Block) -> bytes:
    """Parquet bytes of a block: the same rows give the same bytes."""
    return _parquet(block, range(0, len(block), GROUP_ROWS))


def encode_pack(blocks: Sequence[Block]) -> bytes:
    """Parquet bytes of blocks of one dataset, each of them a row group."""
    starts = np.cumsum([0, *map(len, blocks)])[:-1]
    return _parquet(Block.concat(blocks, blocks[0].dataset), starts.tolist())


def _parquet(block: Block, starts: Sequence[int]) -> bytes:
    """``starts``: the first row of each row group."""
    sink, table, dataset = pa.BufferOutputStream(), block.to_table(), block.dataset
    with pq.ParquetWriter(
        sink, table.schema, compression="lz4" if len(block) > SMALL_TABLE else "none",
        use_dictionary=[*dataset.vocabulary, *BOOKKEEPING], column_encoding=dataset.encodings,
        write_statistics=["ts", "commit_seq"], store_schema=False,
    ) as writer:  # fmt: skip
        for start, stop in pairwise([*starts, len(block)]):
            writer.write_table(table.slice(start, stop - start))
    raw: bytes = sink.getvalue().to_pybytes()
    return raw


def uniform(block: Block) -> dict[str, int]:
    """Columns that hold one value throughout (for a float only: unknown throughout, given as 0)."""
    found = {}
    dataset = block.dataset
    for name in (*dataset.counts, *dataset.vocabulary, *BOOKKEEPING):
        column = block[name]
        if len(column) and (column == column[0]).all():
            found[name] = int(column[0])
    for name in dataset.floats:
        if name not in dataset.finite and np.isnan(block[name]).all():
            found[name] = 0
    return found


def decode(
    where: Path | bytes | RawIOBase,
    groups: Iterable[int],
    same: Mapping[str, int],
    dataset: Dataset = CANDLES,
    names: Sequence[str] = (),
) -> Block:
    """Rows of some row groups; ``same`` (see ``uniform``) names the columns that need no reading, ``names`` those that are wanted."""
    wanted = [name for name in names or dataset.stored if name not in same]
    afar = isinstance(where, RawIOBase)
    source = pa.PythonFile(where, mode="r") if afar else pa.BufferReader(where) if isinstance(where, bytes) else where
    # From afar the columns' ranges are joined into few requests.
    with pq.ParquetFile(source, read_dictionary=list(dataset.vocabulary), pre_buffer=afar) as file:
        table = file.read_row_groups(list(groups), columns=wanted, use_threads=file.metadata.num_rows > SMALL_TABLE)
    columns: dict[str, NDArray[Any]] = {}
    for name in names or dataset.stored:
        if name in same:
            value = np.nan if name in dataset.floats else same[name]
            columns[name] = np.broadcast_to(np.array(value, dataset.dtype(name)), table.num_rows)
        else:
            columns[name] = _array(table, name, dataset)
    return Block(columns, dataset)


def text_array(values: pa.Array) -> pd.api.extensions.ExtensionArray:
    """Arrow text, as a dictionary or not, as pandas' own text dtype."""
    if pa.types.is_dictionary(values.type) and len(values) > SMALL_TABLE and not values.null_count:
        at = values.indices.to_numpy(zero_copy_only=False)
        if bool((at == at[0]).all()):
            values = _said_throughout(values.dictionary[int(at[0])].as_py(), len(at))
    # Arrow's own bridge for extension dtypes; the stubs do not know it.
    array: pd.api.extensions.ExtensionArray = _STRING.__from_arrow__(values.cast(pa.large_string()))  # type: ignore[attr-defined]
    return array


def _own(column: NDArray[Any]) -> NDArray[Any]:
    # What a cache holds is frozen; only that needs a copy before a frame may change it.
    return column if column.flags.writeable else column.copy()


def _array(table: pa.Table, name: str, dataset: Dataset) -> NDArray[Any]:
    column = table.column(name)
    if name in dataset.vocabulary:
        return _codes(column, name, dataset)
    if pa.types.is_timestamp(column.type):
        unit = dataset.unit if name in dataset.times else "ms"
        column = column.cast(pa.timestamp(unit, "UTC")).cast(pa.int64())
        column = column.fill_null(_NO_TIME) if column.null_count else column
    if name in dataset.counts and column.null_count:
        column = column.fill_null(UNKNOWN)
    return np.asarray(column.to_numpy(), dataset.dtype(name))


def _codes(column: pa.ChunkedArray, name: str, dataset: Dataset) -> NDArray[np.int8]:
    words = dataset.vocabulary[name]
    encoded = (
        column.combine_chunks() if pa.types.is_dictionary(column.type) else column.combine_chunks().dictionary_encode()
    )
    told = encoded.dictionary.to_pylist()
    strange = sorted({str(word) for word in told} - set(words))
    if strange or (name == "source" and encoded.null_count):
        raise BadData(
            f"unknown {name} of {dataset.name}: {', '.join(strange) or 'none'}", rule=name, allowed=words
        )  # fmt: skip
    order = np.array([*(words.index(word) for word in told), UNKNOWN], np.int8)
    indices = encoded.indices.fill_null(len(told)) if encoded.null_count else encoded.indices
    codes: NDArray[np.int8] = order[indices.to_numpy(zero_copy_only=False)]
    return codes


def _typed(values: Any, field: pa.Field) -> pa.Array:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array if array.type == field.type else array.cast(field.type)


def _moments(ticks: NDArray[np.int64], unit: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.ascontiguousarray(_own(ticks)).view(f"M8[{unit}]")).tz_localize("UTC")


def _text(codes: NDArray[np.int8], words: Sequence[str]) -> Any:
    if len(codes) and codes[0] != UNKNOWN and bool((codes == codes[0]).all()):
        return text_array(_said_throughout(words[int(codes[0])], len(codes)))
    values = pa.array(codes, mask=codes == UNKNOWN)
    return text_array(pa.DictionaryArray.from_arrays(values, pa.array(words, pa.large_string())))


def _said_throughout(word: str, rows: int) -> pa.Array:
    """One word in every row.  That is the rule, and casting a dictionary costs ten times as much as laying the bytes side by side."""
    raw = word.encode()
    offsets = np.arange(rows + 1, dtype=np.int64) * len(raw)
    return pa.LargeStringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(raw * rows))

"""What kinds of rows the lake keeps: their columns, their unit of time, their order, and what makes two rows the same.

In: a key.  Out: its ``Dataset``.  Everything else in this room asks the dataset instead of the key, so that candles, trades and
quotes share one log, one file format and one way of being read.  Never: a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, Literal

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.domain.clock import from_ms, from_us, to_ms, to_us
from kracken_tasks.domain.market import CandleSource, DataKey, SeriesKey, Tape

__all__ = ["BOOKKEEPING", "CANDLES", "QUOTES", "SOURCES", "TRADES", "UNKNOWN", "Dataset", "dataset_of", "folder_of"]

SOURCES: Final = tuple(member.value for member in CandleSource)
# What an integer or a word holds where nobody told; a float holds NaN.
UNKNOWN: Final = -1
# What every stored row carries beside its own columns.
BOOKKEEPING: Final = ("revision", "commit_seq", "known_at")


@dataclass(frozen=True)
class Dataset:
    """One kind of rows.

    ``required``: what a staged frame must have.  ``unit``: what ``ts``, file bounds and spans count (milliseconds or microseconds
    since the epoch).  ``finite``: floats that must be numbers, the others may be unknown.  ``words``: text columns, each with all
    it may say.  ``order``: how rows lie in files.  ``identity``: columns that make two rows of a tape the same (an id decides alone
    where it is known); empty for candles, of which there is one a time, and a new value is a revision.  ``slack``: how far apart
    two sources may stamp one event, in ``unit``.
    """

    name: str
    columns: tuple[str, ...]
    required: tuple[str, ...]
    unit: Literal["ms", "us"]
    times: tuple[str, ...]
    floats: tuple[str, ...]
    finite: tuple[str, ...]
    counts: tuple[str, ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]
    order: tuple[str, ...]
    identity: tuple[str, ...] = ()
    slack: int = 0

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """Columns of a data file."""
        return (*(name for name in self.columns), *BOOKKEEPING)

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, self._type(name)) for name in self.stored])

    @cached_property
    def encodings(self) -> dict[str, str]:
        """Parquet encodings: floats byte-stream-split, whole numbers and times as differences."""
        delta = (*self.times, *self.counts)
        return dict.fromkeys(self.floats, "BYTE_STREAM_SPLIT") | dict.fromkeys(delta, "DELTA_BINARY_PACKED")

    @cached_property
    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        return dict(self.words)

    def dtype(self, name: str) -> str:
        """Of the array that holds a column in memory."""
        if name in self.vocabulary:
            return "int8"
        return {"revision": "int32"}.get(name, "float64" if name in self.floats else "int64")

    def ticks(self, moment: datetime) -> int:
        """A moment in this dataset's unit."""
        return to_us(moment) if self.unit == "us" else to_ms(moment)

    def moment(self, ticks: int) -> datetime:
        return from_us(ticks) if self.unit == "us" else from_ms(ticks)

    def _type(self, name: str) -> pa.DataType:
        if name in self.times:
            return pa.timestamp(self.unit, "UTC")
        if name in self.vocabulary:
            return pa.dictionary(pa.int8(), pa.string())
        kinds = {"revision": pa.int32(), "known_at": pa.timestamp("ms", "UTC")}
        return kinds.get(name, pa.float64() if name in self.floats else pa.int64())


_PRICES = ("open", "high", "low", "close", "volume")
_TAPE_SOURCE = ("source", (*SOURCES, "poll"))

CANDLES: Final = Dataset(
    name="candles",
    columns=("ts", *_PRICES, "vwap", "trades", "source"),
    required=("ts", *_PRICES),
    unit="ms",
    times=("ts",),
    floats=(*_PRICES, "vwap"),
    finite=_PRICES,
    counts=("trades",),
    words=(("source", SOURCES),),
    order=("ts", "revision"),
)

TRADES: Final = Dataset(
    name="trades",
    columns=("ts", "price", "volume", "side", "kind", "trade_id", "source"),
    required=("ts", "price", "volume"),
    unit="us",
    times=("ts",),
    floats=("price", "volume"),
    finite=("price", "volume"),
    counts=("trade_id",),
    words=(("side", ("b", "s")), ("kind", ("m", "l")), _TAPE_SOURCE),
    order=("ts", "trade_id"),
    identity=("ts", "price", "volume", "side", "kind"),
    # Streams cut stamps to milliseconds where REST tells nanoseconds: one trade may carry two of them.
    slack=1_000_000,
)

_BOOK = ("bid", "ask", "bid_volume", "ask_volume", "last")
QUOTES: Final = Dataset(
    name="quotes",
    columns=("ts", *_BOOK, "received", "source"),
    required=("ts", "bid", "ask"),
    unit="us",
    times=("ts", "received"),
    floats=_BOOK,
    finite=(),
    counts=(),
    words=(_TAPE_SOURCE,),
    order=("ts", "received", "bid", "ask"),
    identity=("ts", "bid", "ask"),
)


def dataset_of(key: DataKey) -> Dataset:
    if isinstance(key, SeriesKey):
        return CANDLES
    return TRADES if key.tape is Tape.TRADES else QUOTES


def folder_of(key: DataKey) -> str:
    """Where a key's files lie under ``data/`` and ``quarantine/``: ``kraken/BTC-USD/1h``, ``kraken/BTC-USD/trades``."""
    last = key.timeframe.value if isinstance(key, SeriesKey) else key.tape.value
    return f"{key.exchange}/{key.symbol.replace('/', '-')}/{last}"

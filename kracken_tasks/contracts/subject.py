"""What a rule is given: one series' or tape's rows as arrays, and the facts around them.

In: frames as they were staged or read.  Out: arrays in the order the rows came.  Never: sorting, dropping or mending.
Times are microseconds since the epoch throughout, so that one rule about time serves candles and tapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Protocol, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.domain.clock import to_ns
from kracken_tasks.domain.market import SeriesKey, TapeKey, Timeframe

__all__ = [
    "ROWS_OF",
    "STRETCH",
    "UNKNOWN_ID",
    "Candles",
    "Columns",
    "Elsewhere",
    "Facts",
    "Floats",
    "Hits",
    "Mask",
    "Params",
    "Quotes",
    "Rows",
    "Times",
    "Trades",
    "dataset_of",
    "hits",
    "joined",
    "no_hits",
    "spans",
]

Floats: TypeAlias = NDArray[np.float64]
Times: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Params: TypeAlias = Mapping[str, Any]

UNKNOWN_ID: Final = -1
# Rows that are looked through together: some columns of so many fit a core's cache.
STRETCH: Final = 65_536
_UNKNOWN_COUNT: Final = -1
_UNKNOWN_TIME: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class _Arrays:
    """Arrays of one length, taken apart together."""

    ts: Times

    def __len__(self) -> int:
        return len(self.ts)

    def where(self, rows: Mask | NDArray[np.int64]) -> Self:
        """Some of the rows, by mask or by position."""
        return type(self)(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def told(self, at: int) -> str:
        """One row's numbers, for a person."""
        values = ((one.name, getattr(self, one.name)[at]) for one in fields(self) if one.name != "ts")
        return ", ".join(f"{name} {value:.10g}" for name, value in values if _known(value))


class Columns(Protocol):
    """Stored candles as arrays by name (shapes: all [N]): ``ts`` in milliseconds, ``trades`` -1 and ``vwap`` NaN where unknown."""

    def __getitem__(self, name: str) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Candles(_Arrays):
    """Candles (shapes: all [N]).  ``ts`` open times; ``trades`` float, NaN unknown."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Floats

    @property
    def price(self) -> Floats:
        """The one price that stands for a row."""
        return self.close

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        names = ("open", "high", "low", "close", "volume", "vwap", "trades")
        return cls(ts=_times(frame, "ts"), **{name: _floats(frame, name) for name in names})

    @classmethod
    def stored(cls, columns: Columns) -> Self:
        """The same rows as the lake holds them, without the detour over a frame."""
        trades = columns["trades"]
        known = np.where(trades == _UNKNOWN_COUNT, np.nan, trades)
        names = ("open", "high", "low", "close", "volume", "vwap")
        return cls(ts=columns["ts"] * 1000, trades=known, **{name: columns[name] for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class Trades(_Arrays):
    """Public trades (shapes: all [N]).  ``trade_id`` is ``UNKNOWN_ID`` where nobody told."""

    price: Floats
    volume: Floats
    trade_id: NDArray[np.int64]

    def told(self, at: int) -> str:
        number = "" if self.trade_id[at] == UNKNOWN_ID else f", trade_id {self.trade_id[at]}"
        return f"price {self.price[at]:.10g}, volume {self.volume[at]:.10g}{number}"

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        ids = frame["trade_id"].to_numpy(dtype=np.int64, na_value=UNKNOWN_ID) if "trade_id" in frame else None
        return cls(
            _times(frame, "ts"), _floats(frame, "price"), _floats(frame, "volume"),
            np.full(len(frame), UNKNOWN_ID, np.int64) if ids is None else ids,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Quotes(_Arrays):
    """Quotes (shapes: all [N]).  ``received`` in microseconds, the smallest integer where unknown."""

    bid: Floats
    ask: Floats
    bid_volume: Floats
    ask_volume: Floats
    last: Floats
    received: Times

    @property
    def price(self) -> Floats:
        """The mid."""
        return (self.bid + self.ask) / 2

    @property
    def lag(self) -> Floats:
        """Seconds from the venue's stamp to arrival, NaN where the arrival is unknown."""
        seconds = (self.received - self.ts) / 1e6
        return np.where(self.received == _UNKNOWN_TIME, np.nan, seconds)

    def told(self, at: int) -> str:
        lag = self.lag[at]
        late = f", received {lag:+.3f} s after its stamp" if np.isfinite(lag) else ""
        return f"bid {self.bid[at]:.10g}, ask {self.ask[at]:.10g}, last {self.last[at]:.10g}{late}"

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        names = ("bid", "ask", "bid_volume", "ask_volume", "last")
        numbers = {name: _floats(frame, name) for name in names}
        return cls(ts=_times(frame, "ts"), received=_times(frame, "received"), **numbers)


Rows: TypeAlias = Candles | Trades | Quotes
ROWS_OF: Final[Mapping[str, type[Candles] | type[Trades] | type[Quotes]]] = {
    "candles": Candles,
    "trades": Trades,
    "quotes": Quotes,
}


def dataset_of(key: SeriesKey | TapeKey) -> str:
    """The name of the dataset that a key belongs to: candles, trades, quotes."""
    return "candles" if isinstance(key, SeriesKey) else key.tape.value


@dataclass(frozen=True, slots=True, eq=False)
class Elsewhere:
    """What other venues said of the same symbol and width.  Shapes: all [M].

    ``ts`` sorted; ``median``, ``low`` and ``high`` of their closes; ``venues`` how many had one.
    """

    ts: Times
    median: Floats
    low: Floats
    high: Floats
    venues: NDArray[np.int64]

    def at(self, ts: Times) -> Elsewhere:
        """The same at each of ``ts``: NaN, and no venues, where nobody traded."""
        if not len(self.ts):
            unknown = np.full(len(ts), np.nan)
            return Elsewhere(ts, unknown, unknown, unknown, np.zeros(len(ts), np.int64))
        places = np.minimum(np.searchsorted(self.ts, ts), len(self.ts) - 1)
        same = self.ts[places] == ts
        median, low, high = (np.where(same, line[places], np.nan) for line in (self.median, self.low, self.high))
        return Elsewhere(ts, median, low, high, np.where(same, self.venues[places], 0))


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a rule may know beside the rows; whoever judges fetches it, a rule never does.

    ``asked_from``/``asked_to``: the asked range, None when nothing was asked (rows read back).  ``before``: stored rows just before
    the first one, oldest first, so that a fault at the seam is seen.  ``elsewhere``: other venues' candles over the same span.
    """

    key: SeriesKey | TapeKey
    now: datetime
    asked_from: datetime | None = None
    asked_to: datetime | None = None
    before: Rows | None = None
    elsewhere: Elsewhere | None = None

    @property
    def now_us(self) -> int:
        return to_ns(self.now) // 1000

    @property
    def timeframe(self) -> Timeframe:
        """Raises: TypeError for a tape, which has no grid."""
        if not isinstance(self.key, SeriesKey):
            raise TypeError(f"{self.key} has no grid")
        return self.key.timeframe

    @property
    def step_us(self) -> int:
        """The width of a candle."""
        return self.timeframe.seconds * 1_000_000

    def before_of(self, rows: Rows) -> Rows:
        """The rows before these, none if there are none."""
        return rows.where(np.zeros(0, np.int64)) if self.before is None else self.before


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Rows that break a rule.  ``says`` is empty when the rule holds, else what those rows did ("opened after ..."), or, when a
    rule is about the whole series and hits no row, a sentence of its own.
    """

    rows: Mask
    says: str

    @property
    def fired(self) -> bool:
        return bool(self.says)


def hits(rows: Mask, says: str) -> Hits:
    """These rows, if there are any."""
    return Hits(rows, says if bool(rows.any()) else "")


def no_hits(rows: Rows) -> Hits:
    return Hits(np.zeros(len(rows), bool), "")


def spans(size: int) -> Iterator[slice]:
    """Rows, a stretch at a time."""
    return (slice(start, min(start + STRETCH, size)) for start in range(0, size, STRETCH))


def joined(earlier: NDArray[Any], later: NDArray[Any]) -> NDArray[Any]:
    """One after the other; nothing is copied if there is nothing before."""
    return np.concatenate([earlier, later]) if len(earlier) else later


def _times(frame: pd.DataFrame, name: str) -> Times:
    if name not in frame:
        return np.full(len(frame), _UNKNOWN_TIME, np.int64)
    times: Times = pd.DatetimeIndex(frame[name]).as_unit("us").asi8
    return times


def _floats(frame: pd.DataFrame, name: str) -> Floats:
    if name not in frame:
        return np.full(len(frame), np.nan)
    column = frame[name]
    if isinstance(column.dtype, np.dtype):
        return np.asarray(column, np.float64)
    values: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _known(value: object) -> bool:
    return not (isinstance(value, float) and np.isnan(value))

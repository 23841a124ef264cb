"""Candles into coarser candles, exactly: hours into days, days into weeks that open on Monday, and into calendar months.

In: a candle frame and the spans of which everything is known.  Out: coarser candles, and the spans they speak for.  Never: a bucket of
which any part is unknown, a row for a bucket in which nobody traded.

Volumes add up as decimals, counts as integers; the average price is weighted by volume.  A window that is known to have had no trades
adds nothing and spoils nothing; one that was not fetched, was rejected, or fell into an outage leaves its bucket out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from kracken_tasks.candles.frames import candle_frame, empty_candles, epoch_ms
from kracken_tasks.candles.lots import exact_sums, mean_prices, printed
from kracken_tasks.domain.clock import from_ms, to_ms
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import Misconfigured

__all__ = ["MONTH", "Aggregated", "CalendarMonth", "Width", "aggregate", "base_for", "can_make"]

Ints = np.ndarray[Any, np.dtype[np.int64]]

_MONDAY_MS: Final = 4 * 86_400_000


@dataclass(frozen=True, slots=True)
class CalendarMonth:
    """A width of its own: months differ in length, so they are made when reading and never stored.  ``value`` is ccxt's spelling."""

    value: str = "1M"

    def floor(self, moment: datetime) -> datetime:
        """The first instant of the month, UTC."""
        return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def next_open(self, moment: datetime) -> datetime:
        """The first instant of the following month."""
        first = self.floor(moment)
        return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


MONTH: Final = CalendarMonth()
Width: TypeAlias = Timeframe | CalendarMonth
Span: TypeAlias = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Aggregated:
    """``frame``: candles [R], oldest first.  ``known``: spans on the coarser grid that it speaks for; a bucket without a row in them
    had no trades."""

    frame: pd.DataFrame
    known: tuple[Span, ...]


def can_make(base: Timeframe, into: Width) -> bool:
    """Whether whole ``base`` candles fill every ``into`` candle."""
    if isinstance(into, CalendarMonth):
        return base.seconds <= Timeframe.D1.seconds
    return base.seconds < into.seconds and into.seconds % base.seconds == 0


def base_for(into: Width, offered: Iterable[Timeframe]) -> Timeframe | None:
    """The coarsest of ``offered`` that makes ``into``; None if none does."""
    fitting = [base for base in offered if can_make(base, into)]
    return max(fitting, key=lambda base: base.seconds, default=None)


def aggregate(
    frame: pd.DataFrame, base: Timeframe, into: Width, known: Sequence[Span], price_decimals: int | None = None
) -> Aggregated:
    """Make coarser candles.

    Shapes: ``frame`` a candle frame [N] of width ``base``, sorted.
    Time:   ``known`` are disjoint [start, end) spans of which every candle is in ``frame`` or was never traded.
    ``price_decimals``: round the average price as the venue prints it; None keeps it whole.
    Raises: Misconfigured if ``base`` does not make ``into``.
    """
    if not can_make(base, into):
        raise Misconfigured(f"{base.value} candles do not make {into.value} ones", base=base.value, into=into.value)
    whole = tuple(span for one in sorted(known) if (span := _whole_buckets(one, into)) is not None)
    if frame.empty or not whole:
        return Aggregated(empty_candles(), whole)
    opens, ends = _buckets(epoch_ms(frame), into)
    starts_ms = np.array([to_ms(start) for start, _ in whole], np.int64)
    ends_ms = np.array([to_ms(end) for _, end in whole], np.int64)
    at = np.searchsorted(starts_ms, opens, side="right") - 1
    inside = (at >= 0) & (ends <= ends_ms[np.maximum(at, 0)])
    kept = frame[inside].reset_index(drop=True)
    return Aggregated(_made(kept, opens[inside], price_decimals) if len(kept) else empty_candles(), whole)


def _made(frame: pd.DataFrame, opens: Ints, price_decimals: int | None) -> pd.DataFrame:
    first: Ints = np.flatnonzero(np.append(True, opens[1:] != opens[:-1])).astype(np.int64)
    last = np.append(first[1:], len(frame)) - 1
    high = np.maximum.reduceat(frame["high"].to_numpy(np.float64), first)
    low = np.minimum.reduceat(frame["low"].to_numpy(np.float64), first)
    volume = frame["volume"].to_numpy(np.float64)
    trades = frame["trades"]
    counts = np.add.reduceat(trades.to_numpy(np.int64, na_value=0), first)
    unknown = np.logical_or.reduceat(trades.isna().to_numpy(), first)
    return candle_frame(
        {
            "ts": opens[first],
            "open": frame["open"].to_numpy(np.float64)[first],
            "high": high,
            "low": low,
            "close": frame["close"].to_numpy(np.float64)[last],
            "volume": exact_sums(volume, first),
            "vwap": _weighted(frame["vwap"].to_numpy(np.float64), volume, first, low, high, price_decimals),
            "trades": pd.arrays.IntegerArray(counts.astype(np.int64), unknown),
            "source": frame["source"].to_numpy()[last],
        }
    )


def _weighted(
    vwap: np.ndarray[Any, Any], volume: np.ndarray[Any, Any], first: Ints, low: np.ndarray[Any, Any],
    high: np.ndarray[Any, Any], price_decimals: int | None,
) -> np.ndarray[Any, Any]:  # fmt: skip
    """NaN as soon as one part with volume does not know its own."""
    known = np.where(volume == 0, 0.0, vwap)
    mean = np.clip(mean_prices(known, volume, first), low, high)
    return mean if price_decimals is None else printed(mean, price_decimals)


def _buckets(ts: Ints, into: Width) -> tuple[Ints, Ints]:
    if isinstance(into, CalendarMonth):
        months = ts.view("M8[ms]").astype("M8[M]")
        return months.astype("M8[ms]").view(np.int64), (months + 1).astype("M8[ms]").view(np.int64)
    width = into.seconds * 1000
    origin = _MONDAY_MS if into is Timeframe.W1 else 0
    opens = (ts - origin) // width * width + origin
    return opens, opens + width


def _whole_buckets(span: Span, into: Width) -> Span | None:
    start, end = into.floor(span[0]), into.floor(span[1])
    if start < span[0]:
        start = into.next_open(start) if isinstance(into, CalendarMonth) else start + into.delta
    return (from_ms(to_ms(start)), from_ms(to_ms(end))) if start < end else None

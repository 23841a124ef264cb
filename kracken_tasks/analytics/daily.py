"""One equity value per calendar day, the form in which performance is judged.

In: marks (a time and an equity) at any spacing.  Out: ``DailyEquity`` at 00:00 UTC.  Never: interpolation, a mark from later
than the midnight it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.errors import BadData

__all__ = ["DailyEquity", "daily_equity"]

_DAY_MS = 86_400_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DailyEquity:
    """Equity at consecutive 00:00 UTC, the starting value first (shapes: values [D+1], flows [D]).

    ``flows[i]`` is what was paid in (positive) or out (negative) between midnight i and midnight i+1; it is part of
    ``values[i+1]`` and is taken out of that day's return, so that moving money is neither gain nor loss.
    """

    first_day: datetime
    values: Floats
    flows: Floats

    def __post_init__(self) -> None:
        if len(self.values) == 0 or len(self.flows) != len(self.values) - 1:
            raise BadData(
                "daily equity needs a start and one flow per day", values=len(self.values), flows=len(self.flows)
            )
        if not (np.isfinite(self.values).all() and np.isfinite(self.flows).all()):
            raise BadData("daily equity holds a value that is not finite", first_day=self.first_day)

    @classmethod
    def of(cls, values: Sequence[float] | Floats, *, first_day: datetime | None = None) -> DailyEquity:
        """Daily values without deposits or withdrawals; ``first_day`` only labels them."""
        array = np.asarray(values, dtype=np.float64)
        day = first_day or datetime(1970, 1, 1, tzinfo=UTC)
        return cls(day, array, np.zeros(max(len(array) - 1, 0)))

    @property
    def days(self) -> int:
        return len(self.values) - 1

    @property
    def dates(self) -> list[datetime]:
        return [self.first_day + timedelta(days=i) for i in range(len(self.values))]

    @property
    def returns(self) -> Floats:
        """r = (E(t) - flow) / E(t-1) - 1, every calendar day, flat days 0; NaN where E(t-1) is not positive."""
        before = self.values[:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = (self.values[1:] - self.flows) / before - 1.0
        return np.asarray(np.where(before > 0, raw, np.nan), dtype=np.float64)

    @property
    def unitised(self) -> Floats:
        """The curve with flows taken out: the starting equity grown by the returns.  Equal to ``values`` without flows."""
        if not self.flows.any():
            return self.values
        growth: Floats = np.concatenate(([1.0], np.cumprod(1.0 + self.returns)))
        return float(self.values[0]) * growth


def daily_equity(
    times: Sequence[datetime] | NDArray[np.datetime64],
    equity: Sequence[float] | Floats,
    *,
    starting_equity: float,
    start: datetime,
    flows: Sequence[tuple[datetime, float]] = (),
) -> DailyEquity:
    """Sample marks at every 00:00 UTC from the day of ``start`` to the end of the day of the last mark.

    Time:   times ascending (aware datetimes or datetime64 in UTC); a midnight takes the newest mark at or before it, the first
            midnight takes ``starting_equity``.  The last, unfinished day counts as a day and takes the last mark.
    Raises: BadData if times and equity differ in length, times are not ascending or precede ``start``.
    """
    stamps = _milliseconds(times)
    marks = np.asarray(equity, dtype=np.float64)
    start_ms = _milliseconds([start])[0]
    if len(stamps) != len(marks):
        raise BadData("as many times as equity values are needed", times=len(stamps), values=len(marks))
    if len(stamps) and (np.any(np.diff(stamps) < 0) or stamps[0] < start_ms):
        raise BadData("equity marks must be in time order and not before the start", start=start)
    first = start_ms // _DAY_MS
    last = -(-int(stamps[-1]) // _DAY_MS) if len(stamps) else first
    midnights = np.arange(first + 1, last + 1) * _DAY_MS
    newest = np.searchsorted(stamps, midnights, side="right")
    values = np.concatenate(([starting_equity], marks))[newest]
    daily_flows = np.zeros(len(midnights))
    for moment, amount in flows:
        # A flow exactly at midnight is already in that midnight's mark, so it belongs to the day that ends there.
        day = -(-int(_milliseconds([moment])[0]) // _DAY_MS) - first - 1
        if not 0 <= day < len(daily_flows):
            raise BadData("a deposit or withdrawal lies outside the period", at=moment, start=start)
        daily_flows[day] += amount
    first_day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(first))
    return DailyEquity(first_day, np.concatenate(([starting_equity], values)), daily_flows)


def _milliseconds(times: Sequence[datetime] | NDArray[np.datetime64]) -> NDArray[np.int64]:
    if isinstance(times, np.ndarray):
        return times.astype("datetime64[ms]").astype(np.int64)
    for moment in times:
        if moment.tzinfo is None:
            raise BadData("equity times carry their zone", at=str(moment))
    return np.array([int(moment.timestamp() * 1000) for moment in times], dtype=np.int64)

"""The equity marks a journal needs: the first one, and the last before each midnight and boundary.

In: a ledger and a period.  Out: marks in time order.  Never: all marks of a year (there is one a minute) in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from kracken_tasks.ledger.entries import EquityEntry

if TYPE_CHECKING:
    from kracken_tasks.ledger import Ledger

__all__ = ["telling_marks"]

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
# Ledger ranges are [start, end); a mark exactly at midnight stands for that midnight.
_JUST_AFTER = timedelta(microseconds=1)


def telling_marks(
    ledger: Ledger, *, earliest: datetime | None, boundary: datetime | None, end: datetime
) -> tuple[EquityEntry, ...]:
    """The ledger's first mark and the newest one at or before each 00:00 UTC, ``boundary`` and ``end`` (``end`` itself excluded).

    ``earliest``: the first fact known otherwise; None reads everything.
    """
    if earliest is None or earliest >= end:
        return _sorted(ledger.equity(end=end))
    marks = list(_ends(_sorted(ledger.equity(end=earliest))))
    for start, stop in _windows(earliest, boundary, end):
        marks.extend(_newest(ledger, start, stop) if marks else _ends(_sorted(ledger.equity(start, stop))))
    return tuple(marks)


def _windows(earliest: datetime, boundary: datetime | None, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """[start, stop) ranges that end just after each midnight and the boundary, and at the end."""
    midnight = datetime.combine(earliest.astimezone(UTC).date(), time.min, tzinfo=UTC)
    days = (end - midnight) // _DAY + 1
    stops = {midnight + _DAY * number + _JUST_AFTER for number in range(1, days + 1)}
    if boundary is not None:
        stops.add(boundary + _JUST_AFTER)
    start = earliest
    for stop in sorted(stop for stop in stops if earliest < stop < end):
        yield start, stop
        start = stop
    yield start, end


def _newest(ledger: Ledger, start: datetime, stop: datetime) -> tuple[EquityEntry, ...]:
    """The last mark of a range; usually it lies in its last hour."""
    late = _sorted(ledger.equity(max(start, stop - _HOUR), stop)) or _sorted(ledger.equity(start, stop))
    return late[-1:]


def _ends(marks: tuple[EquityEntry, ...]) -> tuple[EquityEntry, ...]:
    return marks if len(marks) < 2 else (marks[0], marks[-1])


def _sorted(marks: tuple[EquityEntry, ...]) -> tuple[EquityEntry, ...]:
    return tuple(sorted(marks, key=lambda mark: (mark.ts, mark.seq)))

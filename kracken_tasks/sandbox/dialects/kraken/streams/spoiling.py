"""Frames sent wrong on purpose: what a client must notice and survive.

In: a frame, and the sort of damage ordered.  Out: the frames to send in its place.  Never: a change to the frame it was given.
"""

from __future__ import annotations

from collections.abc import Callable

from kracken_tasks.sandbox.dialects.kraken.streams.wire import Json

__all__ = ["spoilt"]


def spoilt(message: Json, how: str | None) -> list[Json]:
    """``checksum``: of a book that is not there; ``interval``: a candle of another timeframe; ``twice``: told again.

    Damage that does not fit the frame leaves it whole.
    """
    if how == "twice":
        return [message, message]
    rows = message.get("data")
    if not isinstance(rows, list):
        return [message]
    if how == "checksum":
        return [message | {"data": [_changed(row, "checksum", lambda sum_: sum_ ^ 1) for row in rows]}]
    if how == "interval":
        return [
            message | {"data": [_changed(row, "interval", lambda minutes: 5 if minutes != 5 else 15) for row in rows]}
        ]
    return [message]


def _changed(row: Json, name: str, change: Callable[[int], int]) -> Json:
    return row | {name: change(row[name])} if name in row else row

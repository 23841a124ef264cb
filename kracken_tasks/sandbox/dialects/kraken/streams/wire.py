"""How a frame is written: JSON with exact decimals, stamps in microseconds, acknowledgements with both times.

In: plain values and ``Digits``.  Out: text.  Never: a float, which would lose the digits that checksums are made of.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.clock import NS_PER_SECOND

__all__ = ["Digits", "Json", "digits", "encoded", "stamp", "stamp_ns"]

Json = dict[str, Any]


class Digits(str):
    """A number exactly as it stands on the wire: ``63250.0``, ``0.00005100``."""

    __slots__ = ()


def digits(value: int, decimals: int) -> Digits:
    """A scaled integer as a number with all its decimals."""
    return Digits(text_of(value, decimals))


def encoded(value: Any) -> str:
    """JSON text of dicts, lists, strings, whole numbers, booleans, None and ``Digits``.

    Raises: TypeError for anything else, floats included
    """
    if isinstance(value, Digits):
        return str.__str__(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{encoded(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encoded, value)) + "]"
    if value is None or isinstance(value, (str, int)):
        return json.dumps(value)
    raise TypeError(f"{value!r} on the wire: numbers with decimals are written as Digits")


def stamp(ts_ns: int) -> str:
    """``2026-08-12T19:29:00.921195Z``: microseconds, cut."""
    seconds, rest = divmod(ts_ns, NS_PER_SECOND)
    return f"{_seconds_text(seconds)}.{rest // 1000:06d}Z"


def stamp_ns(ts_ns: int) -> str:
    """``2026-08-12T19:29:00.000000000Z``: nanoseconds."""
    seconds, rest = divmod(ts_ns, NS_PER_SECOND)
    return f"{_seconds_text(seconds)}.{rest:09d}Z"


def _seconds_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")

"""Values to canonical JSON text and back, exactly: one value has one text.

In: frozen dataclasses of the domain.  Out: JSON with sorted keys; Decimal as plain text, time as ISO 8601 to the microsecond, floats in
their shortest exact form.  Never: a Decimal through a float, a naive time, NaN as a bare JSON word.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.domain.money import plain

__all__ = ["decode", "encode", "from_plain", "micros", "moment", "to_plain"]

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def micros(at: datetime) -> int:
    """Microseconds since the epoch: what a Python datetime holds, exactly.

    Raises: ValueError for a naive datetime.
    """
    if at.tzinfo is None:
        raise ValueError(f"naive datetime {at!r}: times carry their zone here")
    return (at - _EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND


def encode(value: object) -> str:
    """Canonical JSON text of a value."""
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode(kind: type[T], text: str) -> T:
    """The value of type ``kind`` that ``encode`` wrote."""
    return cast(T, from_plain(kind, json.loads(text)))


def to_plain(value: Any) -> Any:
    """A value as JSON's own types."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return _plain_float(value)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return _plain_time(value)
    if isinstance(value, timedelta):
        return value // _MICROSECOND
    return _plain_compound(value)


def _plain_compound(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if hasattr(value, "item"):  # numpy's scalars come out of frames
        return to_plain(value.item())
    raise TypeError(f"{type(value).__name__} has no place in a ledger document")


def _plain_float(value: float) -> float | str:
    if math.isfinite(value):
        return value  # json writes the shortest text that reads back as the same number, for numpy's float64 too
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _plain_time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"naive datetime {value!r}: times carry their zone here")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_plain(kind: Any, data: Any) -> Any:
    """JSON's own types back into a value of type ``kind``."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return None if data is None else from_plain(next(a for a in get_args(kind) if a is not type(None)), data)
    if origin is tuple:
        return tuple(from_plain(get_args(kind)[0], item) for item in data)
    if origin is not None:  # Mapping[str, X]
        return {key: from_plain(get_args(kind)[1], item) for key, item in data.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_plain(hints[name], data[name]) for name in hints if name in data})
    return _scalar(kind, data)


def _scalar(kind: Any, data: Any) -> Any:
    if kind is float:
        return _NOT_FINITE[data] if isinstance(data, str) else data
    if kind is datetime:
        return parse_utc(data)
    if kind is timedelta:
        return data * _MICROSECOND
    if kind is Decimal or issubclass(kind, Enum):
        return kind(data)
    return data


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}

"""Which rows an expectation has to see: those that break it if any row does.

An expectation about single rows holds for a stretch of rows if it holds for the one with the least (or greatest) value, the one that is
null, or one of each word.  Great Expectations is shown these rows, the real ones, and so its cost hardly grows with their number.

In: a contract's expectations and a series' frame.  Out: places of rows.  Never: a judgement, a changed row.  An expectation that is
none of the five kinds below, or has other arguments, is shown every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.contracts.contract import Contract, Rule
from kracken_tasks.contracts.subject import STRETCH, Floats, spans

__all__ = ["KEY_COLUMNS", "Places", "about_single_rows", "can_be_told", "stretches", "telling_places"]

Places: TypeAlias = NDArray[np.int64]

KEY_COLUMNS: Final = ("exchange", "symbol", "timeframe")
_UNIQUE: Final = "expect_compound_columns_to_be_unique"
# Kinds of expectations, and the arguments with which they are about one row after the other.
_ARGUMENTS: Final[Mapping[str, frozenset[str]]] = {
    "expect_column_values_to_not_be_null": frozenset({"column"}),
    "expect_column_values_to_be_between": frozenset({"column", "min_value", "max_value", "strict_min", "strict_max"}),
    "expect_column_values_to_be_in_set": frozenset({"column", "value_set"}),
    "expect_column_pair_values_a_to_be_greater_than_b": frozenset(
        {"column_A", "column_B", "or_equal", "ignore_row_if"}
    ),
    _UNIQUE: frozenset({"column_list"}),
}


def can_be_told(contract: Contract) -> bool:
    """Whether a few rows can stand for all, whatever they hold; if not, every row has to be shown."""
    return all(_is_told(contract, rule.expectation or {}) for rule in contract.expectations)


def about_single_rows(rule: Rule) -> bool:
    """Whether a row breaks it by itself, not beside another one."""
    return (rule.expectation or {}).get("type") != _UNIQUE


def stretches(sizes: Sequence[int]) -> tuple[Places, Places]:
    """Where stretches start and end in the rows of several series laid end to end; none crosses from one series into the next."""
    starts, offset = [], 0
    for size in sizes:
        starts.append(np.arange(offset, offset + size, STRETCH, dtype=np.int64))
        offset += size
    joined = np.concatenate(starts) if starts else np.empty(0, np.int64)
    return joined, np.append(joined[1:], np.int64(offset))


def telling_places(contract: Contract, frames: Sequence[pd.DataFrame]) -> Places:
    """The rows to show, of several series laid end to end; each frame is one series', and no two are of the same.

    Shapes: places [M], rising.
    """
    found: list[Places] = []
    offset = 0
    for frame in frames:
        found += [offset + places for places in _of_series(contract, frame)]
        offset += len(frame)
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _is_told(contract: Contract, expectation: Mapping[str, Any]) -> bool:
    kwargs = expectation.get("kwargs", {})
    if not set(kwargs) <= _ARGUMENTS.get(expectation.get("type", ""), frozenset()):
        return False
    if expectation.get("type") == _UNIQUE:
        # Within one series the key columns are the same in every row: only the time can tell two apart.
        return set(kwargs["column_list"]) == {*KEY_COLUMNS, "ts"}
    numbers = [value for name, value in kwargs.items() if name in ("column", "column_A", "column_B")]
    kinds = {contract.columns.get(name) for name in numbers}
    if "value_set" in kwargs:
        return kinds == {"text"}
    if kwargs.get("ignore_row_if", "either_value_is_missing") != "either_value_is_missing":
        return False
    return kinds <= {"number", "count"}


def _of_series(contract: Contract, frame: pd.DataFrame) -> Iterable[Places]:
    single = [rule.expectation for rule in contract.expectations if rule.expectation and about_single_rows(rule)]
    columns = {name: frame[name].array for name in contract.asked - {"ts", *KEY_COLUMNS}}
    for span in spans(len(frame)):
        part = {name: _values(column[span]) for name, column in columns.items()}
        told: set[int] = {0}
        for one in single:
            told |= _worst(one["type"], one["kwargs"], part)
        yield span.start + np.array(sorted(told), np.int64)
    if len(single) < len(contract.expectations):
        yield _closest_times(pd.DatetimeIndex(frame["ts"]).asi8)


def _values(column: Any) -> Any:
    """Numbers as floats, null as NaN; words as they are."""
    if isinstance(column.dtype, np.dtype):
        return np.asarray(column, np.float64)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column


def _worst(kind: str, kwargs: Mapping[str, Any], part: Mapping[str, Any]) -> set[int]:
    """The rows of a stretch that break this expectation if any does."""
    if "value_set" in kwargs:
        words = part[kwargs["column"]]
        one = len(pd.unique(words)) == 1
        return set() if one else {int(at) for at in np.flatnonzero(~pd.Series(words).duplicated().to_numpy())}
    if "column_A" in kwargs:
        with np.errstate(invalid="ignore"):
            return _ends(part[kwargs["column_A"]] - part[kwargs["column_B"]], least=True, greatest=False)
    column = part[kwargs["column"]]
    if kind == "expect_column_values_to_not_be_null":
        at = int(np.argmin(column))  # a NaN, if there is one
        return {at} if np.isnan(column[at]) else set()
    return _ends(
        column, least=kwargs.get("min_value") is not None, greatest=kwargs.get("max_value") is not None
    )  # fmt: skip


def _ends(column: Floats, *, least: bool, greatest: bool) -> set[int]:
    """Where the least and the greatest value stand that is one."""
    at: set[int] = set()
    for wanted, finder, without in ((least, np.argmin, np.nanargmin), (greatest, np.argmax, np.nanargmax)):
        if not wanted:
            continue
        place = int(finder(column))
        if not np.isnan(column[place]):
            at.add(place)
        elif not np.isnan(column).all():
            at.add(int(without(column)))
    return at


def _closest_times(ts: Places) -> Places:
    """All rows whose time another row has too; if there are none, the two that are closest, for they are the next to be alike."""
    if len(ts) < 2:
        return np.arange(len(ts), dtype=np.int64)
    steps = np.diff(ts)
    closest = int(np.argmin(steps))
    if steps[closest] > 0:  # they rise throughout
        return np.array([closest, closest + 1], np.int64)
    doubled = np.flatnonzero(pd.Series(ts).duplicated(keep=False))
    if len(doubled):
        return doubled
    order = np.argsort(ts, kind="stable")
    at = int(np.argmin(np.diff(ts[order])))
    return np.sort(order[at : at + 2])

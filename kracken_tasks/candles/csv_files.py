"""Kraken's headerless CSV files, read fast and refused whole: a bad file is named with its line and the reason.

In: a file's content.  Out: arrays, one per column.  Never: part of a bad file.

What refuses a file is structure: a wrong number of columns, a cell that is no finite number, a time that is no whole unix second (or off
the grid, for candles), a time that repeats or steps back.  What is merely implausible (high below low, a negative volume) is left to
the contract, which judges row by row.  Line numbers are looked for only once a file has failed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no type information
import pyarrow.csv as pacsv  # type: ignore[import-untyped]

from kracken_tasks.candles.content import Content
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import BadData

__all__ = ["OHLCVT", "TRADE", "Columns", "Layout", "read_csv"]

Columns = dict[str, np.ndarray[Any, Any]]
Progress = Callable[[int], None]

_BLOCK_BYTES: Final = 8 * 2**20
_YEAR_2100: Final = 4_102_444_800  # seconds; a larger number is milliseconds or worse
_MONDAY: Final = 4 * 86_400


@dataclass(frozen=True, slots=True)
class Layout:
    """Column names in order, whether a time may stand on several lines, and whether it may have a fraction."""

    columns: tuple[str, ...]
    times_repeat: bool
    fractional: bool

    def types(self) -> dict[str, pa.DataType]:
        times = pa.float64() if self.fractional else pa.int64()
        whole = {"time": times, "trades": pa.int64()}
        return {name: whole.get(name, pa.float64()) for name in self.columns}

    def usual_line(self) -> re.Pattern[bytes]:
        """The shape nearly every line has, so that millions of them are passed in seconds."""
        whole, number = rb"[0-9]{1,12}", rb"[0-9]{1,18}(?:\.[0-9]{1,18})?"
        types = self.types()
        return re.compile(
            b",".join(whole if types[name] == pa.int64() else number for name in self.columns) + rb"\r?\n?"
        )


OHLCVT: Final = Layout(
    ("time", "open", "high", "low", "close", "volume", "trades"), times_repeat=False, fractional=False
)
TRADE: Final = Layout(("time", "price", "volume"), times_repeat=True, fractional=True)


def read_csv(
    content: Content, layout: Layout, timeframe: Timeframe | None = None, progress: Progress | None = None
) -> Columns:
    """Read a file of this layout.

    Shapes: every array [R]; time in unix seconds (float64 where fractions are allowed), trades int64, the rest float64.
    ``timeframe``: the grid that times must lie on; None: any.  ``progress`` hears the rows read so far.
    Raises: BadData with fields file, line, reason.
    """
    try:
        table = _table(content, layout, progress)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        _refuse_slowly(content, layout, str(error))
    columns: Columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in layout.columns}
    if table.num_rows == 0:
        raise _refused(content, 1, "the file is empty")
    for row, reason in _faults(columns, layout, timeframe):
        raise _refused(content, _line_of(content, row), reason)
    return columns


def _table(content: Content, layout: Layout, progress: Progress | None) -> pa.Table:
    options = pacsv.ConvertOptions(column_types=layout.types(), null_values=[], strings_can_be_null=False)
    names = pacsv.ReadOptions(column_names=list(layout.columns), block_size=_BLOCK_BYTES)
    batches, rows = [], 0
    with content.open() as raw:
        if not raw.read(1):
            raise _refused(content, 1, "the file is empty")
        raw.seek(0)
        with pacsv.open_csv(raw, read_options=names, convert_options=options) as reader:
            for batch in reader:
                batches.append(batch)
                rows += batch.num_rows
                if progress is not None:
                    progress(rows)
            return pa.Table.from_batches(batches, schema=reader.schema)


def _faults(columns: Columns, layout: Layout, timeframe: Timeframe | None) -> Sequence[tuple[int, str]]:
    """The first structural fault, as (row, reason), or none."""
    found: list[tuple[int, str]] = []
    for name in layout.columns:
        _note(found, ~np.isfinite(columns[name]), partial(_not_finite, name, columns[name]))
    times = columns["time"]
    with np.errstate(invalid="ignore"):
        _note(found, (times < 0) | (times > _YEAR_2100), lambda row: f"time {times[row]} is not unix seconds")
        if timeframe is not None:
            origin = _MONDAY if timeframe is Timeframe.W1 else 0
            off = (times - origin) % timeframe.seconds != 0
            _note(found, off, lambda row: f"time {times[row]} is not the open of a {timeframe.value} candle")
        step = np.diff(times)
        _note(
            found,
            np.append(False, step < 0),
            lambda row: f"time {times[row]} is before {times[row - 1]} on the line above",
        )
        if not layout.times_repeat:
            _note(found, np.append(False, step == 0), lambda row: f"time {times[row]} stands on the line above already")
    return sorted(found)[:1]


def _not_finite(name: str, cells: np.ndarray[Any, Any], row: int) -> str:
    return f"{name} is {cells[row]}, not a finite number"


def _note(found: list[tuple[int, str]], bad: np.ndarray[Any, Any], reason: Callable[[int], str]) -> None:
    if bad.any():
        row = int(bad.argmax())
        found.append((row, reason(row)))


def _line_of(content: Content, row: int) -> int:
    """The line, from 1, on which the file's ``row``-th record stands; empty lines hold none."""
    records = -1
    with content.open() as lines:
        for number, line in enumerate(lines, start=1):
            records += bool(line.strip(b"\r\n"))
            if records == row:
                return number
    return row + 1


def _refuse_slowly(content: Content, layout: Layout, told: str) -> NoReturn:
    plain = layout.usual_line()
    with content.open() as lines:
        for number, raw in enumerate(lines, start=1):
            if plain.fullmatch(raw):
                continue
            reason = _line_fault(raw, layout) if raw.strip(b"\r\n") else None
            if reason is not None:
                raise _refused(content, number, reason)
    raise _refused(content, 1, told.splitlines()[0])


def _line_fault(raw: bytes, layout: Layout) -> str | None:
    try:
        cells = raw.decode("utf-8-sig").rstrip("\r\n").split(",")
    except UnicodeDecodeError:
        return "the line is not text"
    if len(cells) != len(layout.columns):
        return f"{len(cells)} columns where {len(layout.columns)} belong: {', '.join(layout.columns)}"
    types = layout.types()
    for name, cell in zip(layout.columns, cells, strict=True):
        if not _is_number(cell, whole=types[name] == pa.int64()):
            return f"{name} is {cell[:40]!r}, not a {'whole ' if types[name] == pa.int64() else ''}number"
    return None


def _is_number(cell: str, whole: bool) -> bool:
    try:
        return bool(math.isfinite(int(cell) if whole else float(cell)))
    except ValueError:
        return False


def _refused(content: Content, line: int, reason: str) -> BadData:
    return BadData(
        f"{content.named.name}, line {line}: {reason}; nothing of the file is used",
        file=str(content),
        line=line,
        reason=reason,
    )

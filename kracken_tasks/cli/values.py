"""Values on the command line: moments, timeframes, and how frames are shown.

In: text.  Out: domain values, or a clear refusal.  Never: a guess.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import pandas as pd
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from kracken_tasks.domain.clock import iso, parse_utc
from kracken_tasks.domain.market import split_symbol
from kracken_tasks.files import replace_file, replacing

__all__ = [
    "Format",
    "as_of",
    "console",
    "in_order",
    "moment",
    "say",
    "show_frame",
    "show_rows",
    "symbol",
    "write_frame",
]

console: Final = Console()

_SHOWN_ROWS = 40
_UNBOUNDED = 10_000


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"


def say(text: str, *, style: str | None = None) -> None:
    """One sentence on one line, however narrow the terminal: paths and names are copied from it."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def moment(text: str | None) -> datetime | None:
    """ISO 8601; without a zone it is UTC."""
    if text is None:
        return None
    try:
        return parse_utc(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date; write 2024-01-31 or 2024-01-31T12:00:00Z") from error


def in_order(start: datetime | None, end: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The two as they are.  Raises: BadParameter where nothing lies between: the answer "nothing" would be a wrong one."""
    if start is not None and end is not None and start >= end:
        raise typer.BadParameter(f"nothing lies from {iso(start)} to {iso(end)}: the end must come after the start")
    return start, end


def as_of(text: str | None) -> int | datetime | str | None:
    """Which snapshot: a commit's number, a moment, or else the name of a pin."""
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    try:
        return moment(text)
    except typer.BadParameter:
        return text


def symbol(text: str) -> str:
    try:
        split_symbol(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def write_frame(frame: pd.DataFrame, form: Format, out: Path | None) -> None:
    """Show a frame, or write it whole to a file.

    Raises: BadParameter for Parquet without a file.
    """
    if form is Format.TABLE and out is None:
        show_frame(frame)
        return
    if form is Format.PARQUET:
        if out is None:
            raise typer.BadParameter("parquet is binary: name a file with --out")
        with replacing(out) as scratch:
            frame.to_parquet(scratch, index=False)
    elif out is None:
        typer.echo(_csv(frame), nl=False)
    else:
        replace_file(out, _csv(frame).encode())
    if out is not None:
        say(f"{len(frame)} rows written to {out}")


def show_frame(frame: pd.DataFrame) -> None:
    """A table, or a block of lines per row where its words would be broken; the middle of a long one is left out and counted."""
    half = _SHOWN_ROWS // 2
    parts = [frame] if len(frame) <= _SHOWN_ROWS else [frame.head(half), frame.tail(half)]
    table = _table_of(frame, parts)
    unbounded = console.options.update(max_width=_UNBOUNDED)
    if Measurement.get(console, unbounded, table).minimum <= console.width:
        console.print(table)
    else:
        _show_records(frame.columns, parts)
    say(f"{len(frame)} rows")


def _table_of(frame: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> Table:
    table = Table(show_lines=False)
    for name in frame.columns:
        table.add_column(
            str(name), justify="right" if pd.api.types.is_numeric_dtype(frame[name].dtype) else "left", overflow="fold"
        )
    for number, part in enumerate(parts):
        if number:
            table.add_row(*["…" for _ in frame.columns])
        for row in part.itertuples(index=False):
            table.add_row(*[_cell(value) for value in row])
    return table


def _show_records(names: Iterable[Hashable], parts: Sequence[pd.DataFrame]) -> None:
    labels = [str(name) for name in names]
    width = max(map(len, labels))
    for number, part in enumerate(parts):
        if number:
            say("…")
        for row in part.itertuples(index=False):
            say("\n".join(f"{label:<{width}}  {_cell(value)}" for label, value in zip(labels, row, strict=True)) + "\n")


def show_rows(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = ()) -> None:
    """A table without frames, so that it fits eighty columns; ``right`` names the columns of numbers."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in header:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:,.8f}".rstrip("0").rstrip(".")
    return "" if value is None or value is pd.NA else str(value)


def _csv(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n"))

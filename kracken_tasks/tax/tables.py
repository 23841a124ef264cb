"""CSV, out and in: text that spreadsheets do not run, numbers without exponents, errors that name the cell.

In: rows of text, or a file.  Out: bytes that are the same for the same rows; rows by column name.
Never: a local line ending, a cell that begins a formula, a bad row passed over.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kracken_tasks.errors import BadData

__all__ = ["Row", "guarded", "read_rows", "table_bytes", "unguarded"]

V = TypeVar("V")

# A cell that begins with one of these is run as a formula; an apostrophe makes it text, and is doubled so that it can be taken off.
_RISKY = ("=", "+", "-", "@", "'")


def guarded(text: str) -> str:
    """Text for a cell, on one line; ``unguarded`` gives it back if it was printable."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return f"'{line}" if line.lstrip().startswith(_RISKY) else line


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip().startswith(_RISKY) else cell


def table_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """UTF-8 with ``\\n`` line ends; quotes only where needed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file by column name."""

    file: Path
    line: int
    cells: dict[str, str]

    def read(self, column: str, parse: Callable[[str], V]) -> V:
        """The parsed cell.

        Raises: BadData naming file, line, column and reason.
        """
        try:
            return parse(self.cells[column])
        except BadData as error:
            raise self.wrong(column, str(error.fields.get("reason", error.message))) from error
        except ValueError as error:
            raise self.wrong(column, str(error)) from error

    def wrong(self, column: str, reason: str) -> BadData:
        return BadData(
            f"{self.file}, line {self.line}, {column}: {reason}",
            file=str(self.file), line=self.line, column=column, reason=reason,
        )  # fmt: skip


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file that has at least ``columns``, in any order.

    Raises: BadData naming file and line if it cannot be read, is not UTF-8, or a row has more or fewer cells than the header.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadData(
            f"{path}: cannot be read: {error.strerror}", file=str(path), reason=str(error.strerror)
        ) from error
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: is not UTF-8 at byte {error.start}", file=str(path), reason="not UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _require_header(path, header, columns)
        for cells in reader:
            if cells:
                yield _row(path, reader.line_num, header, cells)
    except csv.Error as error:
        raise BadData(
            f"{path}, line {reader.line_num}: {error}", file=str(path), line=reader.line_num, reason=str(error)
        ) from error


def _require_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in header]
    doubled = sorted({name for name in header if header.count(name) > 1})
    if not missing and not doubled:
        return
    reason = f"no column {', '.join(missing)}" if missing else f"column {', '.join(doubled)} twice"
    raise BadData(
        f"{path}, line 1: {reason}", file=str(path), line=1, column=", ".join(missing or doubled), reason=reason
    )


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> Row:
    row = Row(path, line, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
    if len(cells) != len(header):
        raise row.wrong(header[min(len(cells), len(header) - 1)], f"{len(cells)} cells under {len(header)} columns")
    return row

"""Backups: every entry of a ledger database in one compressed file that either database can be made from again.

In: a store and a path.  Out: the file, whole or not at all; or an empty database filled from one.  Never: a write into a ledger that has
entries, a half-restored ledger, a lease that a process of before the backup could go on with.

The file is gzip of JSON lines: a header (format, schema, columns), every row as ``[table, value, ...]`` in one consistent view of all
books, and an end with the count and SHA-256 of those lines, the folded cash per book and the lease tokens.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, func, insert, select

from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import TradingState
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.files import replacing
from kracken_tasks.ledger.checking import COLUMNS, Verification, digest, raw_rows, row_line, stored_type, verify
from kracken_tasks.ledger.entries import EntryKind, Source
from kracken_tasks.ledger.lease import FREE
from kracken_tasks.ledger.reading import Reading
from kracken_tasks.ledger.recording import Recording
from kracken_tasks.ledger.schema import HEAD, LEASE, RELEASED, SPINE
from kracken_tasks.ledger.store import Store, acting, unhurried

__all__ = ["RESTORED", "Backup", "read_backup", "restore", "same_beginning", "write_backup"]

RESTORED = "restored"  # notes, one a restore, under the hash of its backup

_FORMAT = 1
_CHUNK = 1000
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file holds, after every line of it was read: ``entries`` are numbered 1 to ``top``; ``cash`` is text per book and asset.

    ``columns`` by table, as the schema had them that the file was made with.
    """

    path: Path
    columns: Mapping[str, tuple[str, ...]]
    entries: int
    top: int
    sha256: str
    cash: Mapping[str, Mapping[str, str]]
    leases: tuple[tuple[str, str, int], ...]


def write_backup(store: Store, path: Path) -> Backup:
    """Write all books of a database to a new file and read it back.  Others may go on writing: the file is of one moment.

    Raises: Misconfigured if the file exists, RetryLater if the database cannot be read, OSError if the file cannot be written.
    """
    if path.exists():
        raise Misconfigured(f"{path} exists and is not written over", key="FILE", allowed="a new name")
    with replacing(path) as scratch:
        scratch.touch(_OWNER_ONLY)
        # No time and no name in the gzip header: one state of a ledger has one file.
        with scratch.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file, store.reading() as view:
            _write(store, view, file)
    return read_backup(path)


def _write(store: Store, view: Connection, file: gzip.GzipFile) -> None:
    sha256, rows = hashlib.sha256(), 0
    file.write(_json({"kracken_ledger_backup": _FORMAT, "schema": HEAD, "columns": COLUMNS}))
    for table in COLUMNS:
        for row in raw_rows(view, table):
            line = row_line(table, row)
            sha256.update(line)
            file.write(line)
            rows += 1
    books = view.execute(select(SPINE.c.book).distinct().order_by(SPINE.c.book)).scalars().all()
    leases = view.execute(select(LEASE.c.name, LEASE.c.holder, LEASE.c.token).order_by(LEASE.c.name))
    end = {
        "rows": rows,
        "sha256": sha256.hexdigest(),
        "cash": {book: _cash(Reading(store.of_book(book)).cash()) for book in books},
        "leases": [list(lease) for lease in leases],
    }
    file.write(_json({"end": end}))


def read_backup(path: Path) -> Backup:
    """Read a file to its end, and hold it against its own hash.

    Raises: BadData if it is no backup, cut short or changed; Misconfigured if its schema was never released or is newer than this one.
    """
    lines = _lines(path)
    columns = _columns(path, next(lines, b""))
    sha256, counts, top = hashlib.sha256(), dict.fromkeys(columns, 0), 0
    for line in lines:
        record = _parsed(path, line)
        if isinstance(record, dict):
            rest = next(lines, None)
            return _end(path, columns, record, counts, top, sha256.hexdigest(), rest=rest)
        if not isinstance(record, list) or record[0] not in columns or len(record) != 1 + len(columns[record[0]]):
            raise BadData(f"{path}: a line is no row of a ledger", file=str(path))
        sha256.update(line)
        counts[record[0]] += 1
        top = max(top, record[1])
    raise BadData(f"{path} is cut short: its end is missing", file=str(path))


def restore(store: Store, path: Path, *, ts: datetime) -> Verification:
    """Fill an empty database from a file, check the books, and let every account only reduce until a person releases it.

    What was traded after the backup is not in it: only the venue knows.  ``ts``: market time.  All of it or nothing is written.
    Raises: Misconfigured if the ledger has entries or leases; BadData if the file, or what came of it, is not sound.
    """
    told = read_backup(path)
    with store.transaction() as connection:
        unhurried(connection)  # a large file is read and checked in here
        for table, what in ((SPINE, "entries"), (LEASE, "leases")):
            if there := connection.execute(select(func.count()).select_from(table)).scalar():
                raise Misconfigured(
                    f"ledger {store.shown} has {there} {what}; a backup is restored into an empty one only",
                    key="ledger.url", allowed="a new database, or a new file",
                )  # fmt: skip
        _insert(connection, told)
        for name, holder, token in told.leases:
            # One above: whoever held it at the time of the backup and comes back is told that it lost it.
            connection.execute(insert(LEASE).values(name=name, holder=holder, token=token + 1, expires=FREE))
        found = verify(store)
        _require_equal(told, found, digest(connection, columns=told.columns))
        store.number_on()
        with acting(Source.RESTORE, told.sha256):
            for book in found.books:
                _only_reduce(Recording(store.of_book(book.book)), told, ts)
                _note(store.of_book(book.book), told, ts)
    return found


def same_beginning(store: Store, backup: Backup) -> bool:
    """Whether the ledger still begins with exactly the entries of the backup: nothing that stood then was changed since."""
    with store.reading() as view:
        return store.top() >= backup.top and digest(view, backup.top, backup.columns) == backup.sha256


def _only_reduce(book: Recording, told: Backup, ts: datetime) -> None:
    if book.state().state is not TradingState.HALTED:
        reason = f"restored from a backup of {told.entries} entries; what was traded after it may be missing here"
        book.set_state(TradingState.REDUCE_ONLY, reason, ts=ts)


def _note(store: Store, told: Backup, ts: datetime) -> None:
    """Say it to whoever keeps words of people as notes: one that was taken back after the backup would hold again."""
    if EntryKind.NOTE in store.kinds_after(0):
        Recording(store).note(RESTORED, told.sha256, {"entries": f"{told.entries}"}, ts=ts)


def _insert(connection: Connection, told: Backup) -> None:
    name, rows = "", list[dict[str, Any]]()
    for line in _lines(told.path):
        record = _parsed(told.path, line)
        if not isinstance(record, list):
            continue
        if rows and (record[0] != name or len(rows) == _CHUNK):
            connection.execute(insert(_plain_table(name, told.columns[name])), rows)
            rows = []
        name = record[0]
        rows.append(dict(zip(told.columns[name], record[1:], strict=True)))
    if rows:
        connection.execute(insert(_plain_table(name, told.columns[name])), rows)


def _plain_table(name: str, columns: Sequence[str]) -> Table:
    """The table with its columns as stored: a backup's values go in as they came out; later columns take their defaults."""
    return Table(name, MetaData(), *(Column(one, stored_type(name, one)) for one in columns))


def _require_equal(told: Backup, found: Verification, sha256: str) -> None:
    cash = {book.book: _cash(book.cash) for book in found.books}
    problems = list(found.problems)
    if sha256 != told.sha256:
        problems.append("the rows in the database are not those of the file")
    if cash != told.cash:
        problems.append(f"the fold gives {cash}, the file says {dict(told.cash)}")
    if problems:
        raise BadData(f"{told.path} cannot be restored: {'; '.join(problems)}", file=str(told.path))


def _cash(amounts: Mapping[str, Any]) -> dict[str, str]:
    return {asset: plain(amount) for asset, amount in sorted(amounts.items()) if amount}


# --- lines ---


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except FileNotFoundError:
        raise Misconfigured(f"there is no file {path}", key="FILE", allowed="a file that backup wrote") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadData(f"{path} is no whole backup: {error}", file=str(path)) from None


def _parsed(path: Path, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise BadData(f"{path}: a line cannot be read", file=str(path)) from None


def _columns(path: Path, line: bytes) -> dict[str, tuple[str, ...]]:
    """The tables and columns of the file, from its header: this schema's, or those of one that was released before it."""
    header = _parsed(path, line)
    if not isinstance(header, dict) or header.get("kracken_ledger_backup") != _FORMAT:
        raise BadData(f"{path} is no backup of a ledger in format {_FORMAT}", file=str(path))
    if header.get("schema") not in RELEASED:
        raise Misconfigured(
            f"{path} was made with ledger schema {header.get('schema')}", key="FILE",
            allowed=f"schemas {', '.join(RELEASED)}; restore it with the version that made it, and open that ledger with this one",
        )  # fmt: skip
    told = header.get("columns")
    columns = {table: tuple(names) for table, names in told.items()} if isinstance(told, dict) else {}
    known = all(table in COLUMNS and set(names) <= set(COLUMNS[table]) for table, names in columns.items())
    if not known or (header["schema"] == HEAD and columns != COLUMNS) or SPINE.name not in columns:
        raise BadData(f"{path} has other columns than schema {header['schema']}", file=str(path))
    return columns


def _end(
    path: Path, columns: Mapping[str, tuple[str, ...]], record: Mapping[str, Any], counts: Mapping[str, int], top: int, sha256: str,
    rest: bytes | None,
) -> Backup:  # fmt: skip
    end = record.get("end")
    if not isinstance(end, dict) or rest is not None:
        raise BadData(f"{path}: its end is not where it should be", file=str(path))
    if (end["rows"], end["sha256"]) != (sum(counts.values()), sha256):
        raise BadData(f"{path} was changed or damaged: its rows do not have the hash at its end", file=str(path))
    leases = tuple((str(name), str(holder), int(token)) for name, holder, token in end["leases"])
    return Backup(path, columns, counts[SPINE.name], top, sha256, end["cash"], leases)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

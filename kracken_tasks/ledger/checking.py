"""Checking a ledger database as it stands: numbering, guards, references, and the books in double entry.

In: a store.  Out: a Verification whose problems are sentences; none means sound.  Never: a write, a repair.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Text, and_, column, func, select, text
from sqlalchemy import table as lightweight
from sqlalchemy.sql import Select
from sqlalchemy.types import TypeEngine

from kracken_tasks.domain.money import plain
from kracken_tasks.errors import KrackenError
from kracken_tasks.ledger.accounts import VENUE, AccountFold
from kracken_tasks.ledger.entries import DeliveryEntry, FillEntry, IntentEntry, OutcomeEntry
from kracken_tasks.ledger.migrations.append_only import append_only
from kracken_tasks.ledger.reading import Reading
from kracken_tasks.ledger.schema import SPECS, SPINE
from kracken_tasks.ledger.store import Store

__all__ = ["COLUMNS", "BookCheck", "Verification", "digest", "raw_rows", "row_line", "stored_type", "verify"]

_SHOWN = 20
_CHUNK = 1000

# Every table of entries, the spine first, with its columns as the database holds them.
_BY_NAME = {table.name: table for table in (SPINE, *(spec.table for spec in SPECS.values()))}
COLUMNS: dict[str, tuple[str, ...]] = {name: tuple(one.name for one in table.c) for name, table in _BY_NAME.items()}


@dataclass(frozen=True, slots=True)
class BookCheck:
    """One book: how many entries it has, and what its fold holds per asset."""

    book: str
    entries: int
    cash: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check found.  ``sha256`` is over every row of every entry, the same on both databases."""

    entries: int
    sha256: str
    books: tuple[BookCheck, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.problems


def verify(store: Store) -> Verification:
    """Check all books of a database in one consistent view.

    Raises: RetryLater if the database cannot be read.
    """
    problems: list[str] = []
    checks: tuple[Callable[[Connection], Iterable[str]], ...] = (_file, _guards, _numbering, _spine)
    with store.reading() as connection:
        for check in checks:
            _extend(problems, check(connection))
        counts = connection.execute(select(SPINE.c.book, func.count()).group_by(SPINE.c.book).order_by(SPINE.c.book))
        books = [_book(store.of_book(book), count, problems) for book, count in counts.all()]
        sha256 = digest(connection)
    return Verification(sum(book.entries for book in books), sha256, tuple(books), tuple(problems))


def raw_rows(
    connection: Connection, table: str, up_to: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[tuple[Any, ...]]:
    """The rows of a table as stored, in order of ``seq``, a few at a time.

    ``up_to``: only numbers up to that one; ``columns``: only these, as an older schema had them.
    """
    query = _raw_select(table, COLUMNS[table] if columns is None else columns)
    if up_to is not None:
        query = query.where(column("seq") <= up_to)
    for row in connection.execute(query, execution_options={"yield_per": _CHUNK}):
        yield tuple(row)


def row_line(table: str, row: Iterable[Any]) -> bytes:
    """A row as one line of JSON: what backups hold and digests are taken over."""
    return json.dumps([table, *row], ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def digest(connection: Connection, up_to: int | None = None, columns: Mapping[str, Sequence[str]] | None = None) -> str:
    """SHA-256 over the rows of all books; ``up_to``: of the first so many entries, which nothing can change any more.

    ``columns`` by table: only these, as an older schema had them.
    """
    sha256 = hashlib.sha256()
    for table, wanted in (COLUMNS if columns is None else columns).items():
        for row in raw_rows(connection, table, up_to, wanted):
            sha256.update(row_line(table, row))
    return sha256.hexdigest()


def stored_type(table: str, name: str) -> TypeEngine[Any]:
    """What the database keeps in a column: text, whole numbers or yes and no, whatever it means to us."""
    kind = _BY_NAME[table].c[name].type
    if isinstance(kind, Boolean):
        return Boolean()
    stored = getattr(kind, "impl_instance", kind)
    return BigInteger() if isinstance(stored, BigInteger) else Text()


def _raw_select(table: str, columns: Sequence[str]) -> Select[Any]:
    # What is stored, not what it means: so a row that cannot be understood is hashed and kept like any other.
    stored = lightweight(table, *(column(name, stored_type(table, name)) for name in columns))
    return select(stored).order_by(stored.c.seq)


def _extend(problems: list[str], found: Iterable[str]) -> None:
    sentences = list(found)
    problems += sentences[:_SHOWN]
    if len(sentences) > _SHOWN:
        problems.append(f"... and {len(sentences) - _SHOWN} more like the last")


# --- the database ---


def _file(connection: Connection) -> Iterator[str]:
    """SQLite's own look at its pages and indexes."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
        yield from (f"database file: {line}" for line in found if line != "ok")


def _guards(connection: Connection) -> Iterator[str]:
    """The triggers that keep entries from being changed."""
    dialect = connection.dialect.name
    catalogue = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if dialect == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    )
    standing = set(connection.execute(text(catalogue)).scalars())
    for table in COLUMNS:
        wanted = [statement.split()[2] for statement in append_only(dialect, table, [("seq",)])]
        yield from (f"{table}: its guard {name} is gone, entries could be changed" for name in set(wanted) - standing)


def _numbering(connection: Connection) -> Iterator[str]:
    """Numbers run from 1 without holes: writers take turns, so a hole is an entry that was taken out."""
    before = 0
    for (seq,) in connection.execute(select(SPINE.c.seq).order_by(SPINE.c.seq)):
        if seq != before + 1:
            yield f"entries {before + 1} to {seq - 1} are missing"
        before = seq


def _spine(connection: Connection) -> Iterator[str]:
    """Every number has one row, of its kind and book, and every row a number."""
    for spec in SPECS.values():
        table, kind = spec.table, spec.kind.value
        same = and_(SPINE.c.seq == table.c.seq, SPINE.c.book == table.c.book, SPINE.c.kind == kind)
        bare = select(SPINE.c.seq).outerjoin(table, same).where(SPINE.c.kind == kind, table.c.seq.is_(None))
        loose = select(table.c.seq).outerjoin(SPINE, same).where(SPINE.c.seq.is_(None))
        yield from (f"entry {seq} has no row in {kind}" for seq in connection.execute(bare).scalars())
        yield from (f"{kind} row {seq} is no entry of its book" for seq in connection.execute(loose).scalars())
    strange = select(SPINE.c.seq, SPINE.c.kind).where(SPINE.c.kind.not_in([kind.value for kind in SPECS]))
    yield from (f"entry {seq} is of no known kind: {kind}" for seq, kind in connection.execute(strange))


# --- one book ---


def _book(store: Store, entries: int, problems: list[str]) -> BookCheck:
    reading = Reading(store)
    try:
        found = [*_references(reading), *_proof(reading)]
        cash = reading.cash()
    except (ValueError, TypeError, KeyError, ArithmeticError, KrackenError) as error:
        problems.append(f"{store.book}: an entry cannot be understood: {type(error).__name__}: {error}")
        return BookCheck(store.book, entries, {})
    _extend(problems, (f"{store.book}: {sentence}" for sentence in found))
    return BookCheck(store.book, entries, {asset: amount for asset, amount in sorted(cash.items()) if amount})


def _references(reading: Reading) -> Iterator[str]:
    """Entries that speak of others: those are there, and say the same."""
    intents: set[str] = set()
    ended: set[str] = set()
    opened: set[str] = set()
    alerts = {alert.seq for alert in reading.alerts()}
    for entry in reading.entries():
        match entry:
            case IntentEntry():
                intents.add(entry.client_order_id)
                if not entry.client_order_id == entry.key.client_order_id == entry.request.client_order_id:
                    yield f"entry {entry.seq}: intent {entry.client_order_id} does not carry the id of its key"
            case OutcomeEntry():
                if entry.client_order_id not in intents:
                    yield f"entry {entry.seq}: outcome of an intent that is not there: {entry.client_order_id}"
                if entry.result.final and entry.client_order_id in ended:
                    yield f"entry {entry.seq}: intent {entry.client_order_id} ended twice"
                if entry.result.final:
                    ended.add(entry.client_order_id)
            case FillEntry() if entry.position_id is not None:
                if entry.opens == (entry.position_id in opened):
                    yield f"entry {entry.seq}: position {entry.position_id} does not begin with its first fill"
                opened.add(entry.position_id)
            case DeliveryEntry() if entry.alert_seq not in alerts:
                yield f"entry {entry.seq}: delivery of an alert that is not there: {entry.alert_seq}"
            case _:
                pass


def _proof(reading: Reading) -> Iterator[str]:
    """Per asset all accounts sum to zero, and the venue's account is what the balance fold says."""
    fold = AccountFold()
    for entry in reading.entries():
        fold.apply(entry)
    for asset, amount in sorted(fold.unbalanced().items()):
        yield f"{asset}: accounts sum to {plain(amount)}, not to zero"
    venue, cash = fold.of(VENUE), reading.cash()
    for asset in sorted(venue.keys() | cash.keys()):
        booked, held = venue.get(asset, Decimal(0)), cash.get(asset, Decimal(0))
        if booked != held:
            yield f"{asset}: {plain(booked)} by double entry, {plain(held)} by the balance fold"

"""The store: engine, transactions, migrations, and rows in and out; no meaning, only durability.

In: a database URL and entry values.  Out: the same values back, numbered.  Never: an UPDATE or DELETE of an entry, a password in an error.

Writers take turns (SQLite: BEGIN IMMEDIATE; PostgreSQL: one advisory lock), so that ``seq`` rises in the order of commits and a reader that
has seen ``seq`` n has seen everything below it.
"""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, Table, func, insert, select, text
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.sql import ColumnElement

from kracken_tasks.errors import RetryLater, StateUnknown
from kracken_tasks.ledger.entries import EntryKind, Source
from kracken_tasks.ledger.lock_holder import write_lock_holder
from kracken_tasks.ledger.schema import SPECS, SPINE, spec_of_type

__all__ = ["FROZEN_MS", "Store", "acting", "lock_writers", "unhurried"]

E = TypeVar("E")

# Any fixed number serves; writers of all books of one database share it.
_WRITER_LOCK = 0x6B72_6163
# The engine's execution option that says how many milliseconds a writer may be silent inside its transaction (PostgreSQL).
FROZEN_MS = "ledger_frozen_ms"
# PostgreSQL's codes for a transaction that the server ended because its process slept in it.
_SLEPT = ("25P03", "25P04")

# What the work at hand is, of this thread or asyncio task.
_ORIGIN: ContextVar[tuple[Source, str]] = ContextVar("ledger_origin", default=(Source.UNTOLD, ""))
_OF_THE_SPINE = frozenset({"source", "cause"})


@contextmanager
def acting(source: Source, cause: str) -> Iterator[None]:
    """Everything written inside carries this source and cause; the innermost one counts."""
    token = _ORIGIN.set((source, cause))
    try:
        yield
    finally:
        _ORIGIN.reset(token)


@dataclass(slots=True)
class _Open:
    """The transaction of this thread: its connection, the next number, and whether a part of it failed."""

    connection: Connection
    next_seq: int
    depth: int = 1
    doomed: bool = False


class Store:
    """Rows of one book.  Thread-safe: one transaction at a time in a process."""

    def __init__(self, engine: Engine, book: str) -> None:
        self.engine = engine
        self.book = book
        self.rollbacks = 0  # folds that have read uncommitted rows look at this to know they must start over
        self._lock = threading.RLock()
        self._local = threading.local()

    @property
    def shown(self) -> str:
        """The database's address without a password, for errors and status."""
        return self.engine.url.render_as_string(hide_password=True)

    def of_book(self, book: str) -> Store:
        """The same database and the same open transaction, seen as another book of it."""
        other = copy.copy(self)  # shares the engine, the lock and the thread's own transaction
        other.book = book
        return other

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write atomically.  Inside another one, join it.

        Raises: RetryLater when the database could not be reached or locked (nothing was written); StateUnknown when the commit itself
        ended in doubt.
        """
        outer: _Open | None = getattr(self._local, "open", None)
        if outer is None:
            with self._lock, self._outermost() as connection:
                yield connection
            return
        try:
            yield outer.connection
        except BaseException:
            outer.doomed = True  # half of the inner writes may stand; the outer one must not commit them
            raise

    @contextmanager
    def _outermost(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(ledger_writer=True) as connection:
            with self._retryable("write"):
                connection.begin()
                lock_writers(connection)
                top = connection.execute(select(func.max(SPINE.c.seq))).scalar()
            self._local.open = _Open(connection, (top or 0) + 1)
            try:
                with self._retryable("write"):
                    yield connection
                self._commit(connection)
            except BaseException:
                self.rollbacks += 1
                raise
            finally:
                self._local.open = None  # a connection that closes uncommitted rolls back

    def _commit(self, connection: Connection) -> None:
        if self._local.open.doomed:
            raise StateUnknown(
                "a part of this ledger transaction failed and was passed over; nothing was written", ledger=self.shown
            )
        try:
            connection.commit()
        except DBAPIError as error:
            if _slept(error):
                raise self._ended_while_asleep() from None
            raise StateUnknown(f"ledger commit ended in doubt: {_cause(error)}", ledger=self.shown) from None

    @contextmanager
    def _retryable(self, what: str) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise RetryLater(
                f"ledger {what} could not begin or finish: {_cause(error)}{self._held_by()}", ledger=self.shown
            ) from None
        except InternalError as error:
            if _slept(error):
                raise self._ended_while_asleep() from None
            raise

    def _held_by(self) -> str:
        # A SQLite file has no server that could end a frozen writer's transaction: a person has to, and is told whose.
        file = self.engine.url.database
        if self.engine.dialect.name != "sqlite" or not file:
            return ""
        holder = write_lock_holder(Path(file))
        return f"; its write lock is held by {holder}" if holder else ""

    def _ended_while_asleep(self) -> RetryLater:
        return RetryLater(
            "this process was silent for too long inside a ledger transaction; the database ended it, nothing of it was written",
            ledger=self.shown,
        )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view, the same one for every read inside; inside a transaction, that transaction's own."""
        current: _Open | None = getattr(self._local, "open", None)
        view: Connection | None = getattr(self._local, "view", None) if current is None else current.connection
        if view is not None:
            yield view
            return
        with self._retryable("read"), self._snapshot() as connection:
            self._local.view = connection
            try:
                yield connection
            finally:
                self._local.view = None

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        level = {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}
        with self._lock, self.engine.connect().execution_options(**level) as connection, connection.begin():
            yield connection

    @property
    def in_transaction(self) -> bool:
        return getattr(self._local, "open", None) is not None

    def append(self, entry: E) -> E:
        """Write one entry under the next number.  Call inside ``transaction``."""
        current: _Open = self._local.open
        source, cause = _ORIGIN.get()
        numbered = dataclasses.replace(cast(Any, entry), seq=current.next_seq, source=source, cause=cause)
        spec = spec_of_type(type(entry))
        names = [field.name for field in dataclasses.fields(numbered) if field.name not in _OF_THE_SPINE]
        values = {name: getattr(numbered, name) for name in names}
        current.connection.execute(
            insert(SPINE).values(seq=numbered.seq, book=self.book, kind=spec.kind.value, source=source, cause=cause)
        )
        current.connection.execute(insert(spec.table).values(book=self.book, **values))
        current.next_seq += 1
        return cast(E, numbered)

    def number_on(self) -> None:
        """Go on after rows that came into this transaction by another way than ``append``.  Call inside ``transaction``."""
        current: _Open = self._local.open
        current.next_seq = (current.connection.execute(select(func.max(SPINE.c.seq))).scalar() or 0) + 1

    def existing(self, entry: E) -> E | None:
        """The entry that stands under the same business key, if any."""
        spec = spec_of_type(type(entry))
        where = [spec.table.c[column] == getattr(entry, column) for column in spec.key]
        found = self.select(type(entry), *where)
        return found[0] if found else None

    def select(
        self,
        kind: type[E],
        *where: ColumnElement[bool],
        order_by: ColumnElement[Any] | None = None,
        limit: int | None = None,
    ) -> list[E]:
        """Entries of one type, in order of ``seq`` unless told otherwise; ``limit`` n: only the first n."""
        table = spec_of_type(kind).table
        query = select(table, SPINE.c.source, SPINE.c.cause).join(SPINE, SPINE.c.seq == table.c.seq)
        query = query.where(table.c.book == self.book, *where)
        query = query.order_by(table.c.seq if order_by is None else order_by).limit(limit)
        with self.reading() as connection:
            return [_entry(kind, row._mapping) for row in connection.execute(query)]

    def table(self, kind: EntryKind) -> Table:
        return SPECS[kind].table

    def top(self) -> int:
        """The newest number over all books."""
        with self.reading() as connection:
            return connection.execute(select(func.max(SPINE.c.seq))).scalar() or 0

    def kinds_after(self, seq: int) -> set[EntryKind]:
        """Which kinds this book has newer entries of."""
        query = select(SPINE.c.kind).where(SPINE.c.seq > seq, SPINE.c.book == self.book).distinct()
        with self.reading() as connection:
            return {EntryKind(kind) for kind in connection.execute(query).scalars()}


def lock_writers(connection: Connection) -> None:
    """Wait for the turn to write; SQLite has done so at BEGIN IMMEDIATE.

    From here on PostgreSQL ends the transaction if it hears nothing of it for too long: whoever is frozen in it gives its turn back.
    """
    if connection.dialect.name == "postgresql":
        frozen = connection.get_execution_options()[FROZEN_MS]
        connection.execute(
            text(
                "SELECT set_config('idle_in_transaction_session_timeout', :frozen, true), pg_advisory_xact_lock(:key)"
            ),
            {"frozen": f"{frozen}", "key": _WRITER_LOCK},
        )


def unhurried(connection: Connection) -> None:
    """For a transaction that thinks long between its statements and keeps nobody waiting: no end for being silent."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)"))


def _entry(kind: type[E], row: Any) -> E:
    values = {name: value for name, value in row.items() if name != "book"}
    return kind(**values)


def _slept(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _SLEPT


def _cause(error: DBAPIError) -> str:
    # The driver's sentence without SQLAlchemy's statement and parameters, which may hold amounts and keys.
    return f"{type(error.orig).__name__}: {error.orig}"

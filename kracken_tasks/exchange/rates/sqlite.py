"""Counters in one SQLite file: shared by all processes of one machine.

In: a path.  Out: a ``CounterStore``.  Never: a write that waits for the disk; after a power cut the newest counts may be lost, which a
venue forgets in a minute anyway.

Seconds are the machine's steady clock, which all its processes share.  After a restart it begins anew, below what the file says; a
counter then keeps its count and goes on from there, which is the safe side.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from kracken_tasks.domain.clock import monotonic_seconds, sleep
from kracken_tasks.exchange.rates.counters import Level
from kracken_tasks.exchange.rates.store import Change, StoreUnreachable

__all__ = ["SqliteCounters"]

T = TypeVar("T")
_LOCK_SECONDS: Final = 1.0
_LOOK_AGAIN: Final = 0.002  # a call to a venue takes tens of milliseconds
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, count REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID"
)


class SqliteCounters:
    """See the module docstring.  Safe for threads; a forked process opens the file anew."""

    def __init__(
        self, path: Path, clock: Callable[[], float] = monotonic_seconds, lock_seconds: float = _LOCK_SECONDS
    ) -> None:
        """``lock_seconds``: how long to wait for a process that holds the file (one that is frozen, as a rule)."""
        self.path = path
        self._clock, self._lock_seconds = clock, lock_seconds
        self._lock = threading.Lock()
        self._open: tuple[int, sqlite3.Connection] | None = None  # with the process that opened it

    def change(self, names: Sequence[str], make: Change[T]) -> T:
        with self._lock:
            try:
                return self._changed(self._connection(), names, make)
            except sqlite3.Error as error:
                self._forget()
                raise StoreUnreachable(f"{self.path}: {error}") from error

    def _changed(self, db: sqlite3.Connection, names: Sequence[str], make: Change[T]) -> T:
        db.execute("BEGIN IMMEDIATE")
        try:
            written, result = make(_read(db, names), self._clock())
            db.executemany(
                "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET count = excluded.count, at = excluded.at",
                [(name, level.count, level.at) for name, level in written.items()],
            )
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result

    def levels(self) -> dict[str, Level]:
        with self._lock:
            try:
                rows = self._connection().execute("SELECT name, count, at FROM counters").fetchall()
            except sqlite3.Error as error:
                self._forget()
                raise StoreUnreachable(f"{self.path}: {error}") from error
        return {name: Level(count, at) for name, count, at in rows}

    def seconds(self) -> float:
        return self._clock()

    @contextmanager
    def lane(self, name: str, seconds: float) -> Iterator[bool]:
        """A lock of the kernel's on a file beside the counters: it dies with its holder."""
        mark = hashlib.sha256(name.encode()).hexdigest()[:16]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.with_name(f"{self.path.name}-lane-{mark}").open("ab")
        except OSError as error:
            raise StoreUnreachable(f"{self.path}: {error}") from error
        with file:  # closing lets go
            yield _locked(file.fileno(), seconds)

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _connection(self) -> sqlite3.Connection:
        if self._open is None or self._open[0] != os.getpid():
            self._open = (os.getpid(), _opened(self.path, self._lock_seconds))
        return self._open[1]

    def _forget(self) -> None:
        if self._open is not None and self._open[0] == os.getpid():
            self._open[1].close()
        self._open = None


def _write_ahead(db: sqlite3.Connection, lock_seconds: float) -> None:
    """Several processes may make the file at once, and SQLite does not wait for its lock while it changes the mode."""
    give_up = monotonic_seconds() + lock_seconds
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if monotonic_seconds() >= give_up:
                db.close()
                raise
            sleep(_LOOK_AGAIN)
        else:
            return


def _locked(file: int, seconds: float) -> bool:
    give_up = monotonic_seconds() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if monotonic_seconds() >= give_up:
                return False
            sleep(_LOOK_AGAIN)
        else:
            return True


def _opened(path: Path, lock_seconds: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sqlite3.OperationalError(str(error)) from error
    db = sqlite3.connect(path, timeout=lock_seconds, isolation_level=None, check_same_thread=False)
    _write_ahead(db, lock_seconds)
    db.execute("PRAGMA synchronous = OFF")
    db.execute(_TABLE)
    return db


def _read(db: sqlite3.Connection, names: Sequence[str]) -> Mapping[str, Level]:
    found = {}
    for name in names:
        row = db.execute("SELECT count, at FROM counters WHERE name = ?", (name,)).fetchone()
        if row is not None:
            found[name] = Level(*row)
    return found

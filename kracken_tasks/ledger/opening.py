"""Opening a ledger database: the engine with the settings that make a commit durable, and the schema brought up to date.

In: a URL.  Out: an engine whose database has this code's schema.  Never: a database of a newer schema touched, a password in an error.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import StaticPool

from kracken_tasks.domain.clock import sleep
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.ledger.schema import HEAD
from kracken_tasks.ledger.store import FROZEN_MS, lock_writers

__all__ = ["open_engine", "upgrade"]

_ALLOWED = "sqlite:///path/to/ledger.db or postgresql://user:password@host/database"
_CONNECT_SECONDS = 30
# A reader that sleeps keeps nobody waiting, only the server's clearing up; a check of a large ledger thinks for minutes between two reads.
_IDLE_READER_SECONDS = 600
# How long either side waits for the other's machine to say anything at all: a pulled cable must not hold a tick, or the writers' lock.
_SILENCE_SECONDS = 30
_WAL_ATTEMPTS = 50


def open_engine(
    url: str, *, several_writers: bool = False, busy_seconds: float = 30.0, frozen_seconds: float = 20.0
) -> Engine:
    """An engine on an up-to-date ledger database; creates and migrates it where needed.

    ``busy_seconds``: how long a writer waits for its turn.  ``frozen_seconds``: after so long without a word from a writer PostgreSQL ends
    its transaction and lets the next one have its turn; SQLite has no server that could.

    Raises: Misconfigured for a URL that cannot be one, SQLite where several pods would write, a missing driver, or a newer schema;
    RetryLater if the database cannot be reached.
    """
    address = _address(url, several_writers)
    try:
        if address.get_backend_name() == "sqlite":
            engine = _sqlite(address, busy_seconds)
        else:
            engine = _postgres(address, busy_seconds, frozen_seconds)
        upgrade(engine)
    except OperationalError as error:
        shown = address.render_as_string(hide_password=True)
        raise RetryLater(f"ledger database cannot be opened: {error.orig}", ledger=shown) from None
    return engine


def _address(url: str, several_writers: bool) -> URL:
    try:
        address = make_url(url)
    except ArgumentError:
        raise Misconfigured("ledger URL cannot be read", key="ledger.url", allowed=_ALLOWED) from None
    backend = address.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise Misconfigured(f"no ledger on {backend!r}", key="ledger.url", allowed=_ALLOWED)
    if backend == "sqlite" and several_writers:
        raise Misconfigured(
            "a SQLite ledger has one writer; where several pods may write, use PostgreSQL",
            key="ledger.url",
            allowed=_ALLOWED,
        )
    return address


def _sqlite(address: URL, busy_seconds: float) -> Engine:
    in_memory = address.database in (None, "", ":memory:")
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    if not in_memory:
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args={"timeout": busy_seconds, "check_same_thread": False}, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # Python's driver begins no transactions of its own; we say when
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=FULL")  # a commit that returned survives a power cut
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    # Changing the journal mode needs the file alone and does not wait for it, unlike everything else.
    for attempt in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if attempt == _WAL_ATTEMPTS - 1:
                raise
            sleep(0.05)


def _begin_sqlite(connection: Connection) -> None:
    writer = connection.get_execution_options().get("ledger_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


def _postgres(address: URL, busy_seconds: float, frozen_seconds: float) -> Engine:
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    limits = {
        "lock_timeout": round(busy_seconds * 1000),
        "idle_in_transaction_session_timeout": _IDLE_READER_SECONDS * 1000,
        # The server's side of the line: a writer frozen halfway through reading an answer is not idle, its line is stuck.
        "tcp_user_timeout": round(frozen_seconds * 1000),
        "tcp_keepalives_idle": _SILENCE_SECONDS // 3,
        "tcp_keepalives_interval": _SILENCE_SECONDS // 3,
        "tcp_keepalives_count": 2,
    }
    connect = {
        "connect_timeout": _CONNECT_SECONDS,
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        "keepalives_idle": _SILENCE_SECONDS // 3,
        "keepalives_interval": _SILENCE_SECONDS // 3,
        "keepalives_count": 2,
        "tcp_user_timeout": _SILENCE_SECONDS * 1000,
    }
    writers = {FROZEN_MS: round(frozen_seconds * 1000)}
    try:
        return create_engine(address, pool_pre_ping=True, connect_args=connect, execution_options=writers)
    except (ImportError, NoSuchModuleError):
        raise Misconfigured(
            "the PostgreSQL driver is not installed", key="ledger.url", allowed="pip install 'psycopg[binary]'"
        ) from None


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing, one process at a time."""
    with engine.connect() as connection, connection.begin():
        if _version(connection) == HEAD:
            return
    with engine.connect().execution_options(ledger_writer=True) as connection, connection.begin():
        lock_writers(connection)
        if _version(connection) != HEAD:  # another process may have been first
            _migrate(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Misconfigured(
            f"this ledger's schema is unknown to this version of Kracken: {error}",
            key="ledger.url",
            allowed=f"schema versions up to {HEAD}",
            ledger=connection.engine.url.render_as_string(hide_password=True),
        ) from None

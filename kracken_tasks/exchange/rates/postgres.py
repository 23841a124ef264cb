"""Counters in a PostgreSQL table: shared by all pods that reach the server.

In: an SQLAlchemy URL.  Out: a ``CounterStore``.  Never: a password in an error, a second clock: seconds are the server's.

SQLAlchemy loads when the first counter is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kracken_tasks.domain.clock import monotonic_seconds, sleep
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.rates.counters import Level
from kracken_tasks.exchange.rates.store import Change, StoreUnreachable

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["PostgresCounters"]

T = TypeVar("T")
_CONNECT_SECONDS: Final = 5
_LOCK_MS: Final = 5_000
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS rate_counters (name TEXT PRIMARY KEY, count FLOAT8 NOT NULL, at FLOAT8 NOT NULL)"
)
# Two that create the same table at once trip over each other's catalogue row; any fixed number serves.
_CREATE_LOCK: Final = 0x6B72_6174
_SECONDS: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
# A row must be there to be locked: whoever comes first puts an empty one.
_ENSURE: Final = "INSERT INTO rate_counters SELECT unnest(CAST(:names AS text[])), 0, 0 ON CONFLICT (name) DO NOTHING"
# The clock may be read a little before the lock is held: too early is the safe side, the counter has fallen further by then.
_LOCKED: Final = (
    "SELECT name, count, at, extract(epoch FROM clock_timestamp())::float8 FROM rate_counters"
    " WHERE name = ANY(:names) ORDER BY name FOR UPDATE"
)
_WRITE: Final = "UPDATE rate_counters SET count = :count, at = :at WHERE name = :name"
_LANE: Final = "SELECT pg_try_advisory_lock(hashtextextended(:name, 0))"
_LEAVE_LANE: Final = "SELECT pg_advisory_unlock(hashtextextended(:name, 0))"
_LOOK_AGAIN: Final = 0.005
_ALL: Final = "SELECT name, count, at FROM rate_counters"


class PostgresCounters:
    """See the module docstring.  Rows are locked in the order of their names, so that two callers never wait for each other."""

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        """``clock`` stands in for the server's, for tests."""
        self._url, self._clock = url, clock
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._known: set[str] = set()

    def change(self, names: Sequence[str], make: Change[T]) -> T:
        def do(connection: Connection) -> T:
            rows = self._locked(connection, sorted(set(names)))
            now = max((row[3] for row in rows), default=0.0) if self._clock is None else self._clock()
            # A row that was put there only to be locked has never been counted on.
            written, result = make({name: Level(count, at) for name, count, at, _ in rows if count or at}, now)
            if written:
                values = [{"name": name, "count": level.count, "at": level.at} for name, level in written.items()]
                _run(connection, _WRITE, values)
            return result

        return self._within(do)

    def _locked(self, connection: Connection, names: list[str]) -> Sequence[Any]:
        if not self._known.issuperset(names):
            _run(connection, _ENSURE, {"names": names})
        rows: Sequence[Any] = _run(connection, _LOCKED, {"names": names}).all()
        if len(rows) == len(names):
            self._known.update(names)
            return rows
        self._known.clear()  # somebody has emptied the table
        _run(connection, _ENSURE, {"names": names})
        found: Sequence[Any] = _run(connection, _LOCKED, {"names": names}).all()
        return found

    def levels(self) -> dict[str, Level]:
        rows = self._within(lambda connection: _run(connection, _ALL).all())
        return {name: Level(count, at) for name, count, at in rows if count or at}

    def seconds(self) -> float:
        return self._within(self._now)

    @contextmanager
    def lane(self, name: str, seconds: float) -> Iterator[bool]:
        """A lock of the session's: the server lets go of it when the connection ends."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            connection = self._opened().connect().execution_options(isolation_level="AUTOCOMMIT")
        except SQLAlchemyError as error:
            raise StoreUnreachable(f"the shared rate counters: {type(error).__name__}") from None
        try:
            held = self._laned(connection, name, seconds)
            try:
                yield held
            finally:
                if held:
                    self._let_go(connection, name)
        finally:
            connection.close()

    def _laned(self, connection: Connection, name: str, seconds: float) -> bool:
        from sqlalchemy.exc import SQLAlchemyError

        give_up = monotonic_seconds() + seconds
        while True:
            try:
                held = bool(_run(connection, _LANE, {"name": name}).scalar_one())
            except SQLAlchemyError as error:
                connection.invalidate()
                raise StoreUnreachable(f"the shared rate counters: {type(error).__name__}") from None
            if held or monotonic_seconds() >= give_up:
                return held
            sleep(_LOOK_AGAIN)

    def _let_go(self, connection: Connection, name: str) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            _run(connection, _LEAVE_LANE, {"name": name})
        except SQLAlchemyError:
            connection.invalidate()  # the lock ends with the session

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None

    def _now(self, connection: Connection) -> float:
        return float(_run(connection, _SECONDS).scalar_one()) if self._clock is None else self._clock()

    def _within(self, do: Callable[[Connection], T]) -> T:
        from sqlalchemy.exc import OperationalError, SQLAlchemyError

        try:
            try:
                with self._opened().begin() as connection:
                    return do(connection)
            except OperationalError as error:
                if not error.connection_invalidated:
                    raise
            with (
                self._opened().begin() as connection
            ):  # the server was started anew, and the pool held a dead connection
                return do(connection)
        except SQLAlchemyError as error:
            self._known.clear()
            # Its text may hold the address with the password.
            raise StoreUnreachable(f"the shared rate counters: {type(error).__name__}") from None

    def _opened(self) -> Engine:
        from sqlalchemy import create_engine, make_url

        with self._lock:
            if self._engine is None:
                address = make_url(self._url)
                if address.drivername in ("postgresql", "postgres"):
                    address = address.set(drivername="postgresql+psycopg")
                # A frozen process must not hold the counters of the others.
                limits = f"-c lock_timeout={_LOCK_MS} -c idle_in_transaction_session_timeout={_LOCK_MS}"
                options = f"{limits} -c synchronous_commit=off"  # counts lost in a crash are forgotten by the venue too
                connect = {"connect_timeout": _CONNECT_SECONDS, "options": options}
                try:
                    engine = create_engine(address, pool_size=4, connect_args=connect)
                except ImportError:
                    raise Misconfigured(
                        "the PostgreSQL driver is not installed",
                        key="rates.url",
                        allowed="pip install 'psycopg[binary]'",
                    ) from None
                with engine.begin() as connection:
                    _run(connection, f"SELECT pg_advisory_xact_lock({_CREATE_LOCK})")
                    _run(connection, _TABLE)
                self._engine = engine
            return self._engine


def _run(connection: Connection, statement: str, values: Any = None) -> Any:
    from sqlalchemy import text

    return connection.execute(text(statement), values)

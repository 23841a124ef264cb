"""The lease: who may trade now.  The only mutable, wall-time part of the ledger, and no part of its dump.

In: a name, a holder, a duration, wall time.  Out: a Lease with a rising token, or LeaseHeld saying by whom and until when.
Never: waiting.  The token only rises, so that a process which slept through its expiry is recognised by its old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from kracken_tasks.errors import StateUnknown
from kracken_tasks.ledger.schema import LEASE
from kracken_tasks.ledger.store import Store

__all__ = ["FREE", "Lease", "LeaseHeld", "LeaseLost", "Leases"]

# The expiry of a lease nobody holds: long past, whatever the wall says.
FREE = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class LeaseLost(StateUnknown):
    """The lease shown is not the current one: another process may be trading.  Nothing was written."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to trade until ``expires`` (wall time)."""

    name: str
    holder: str
    token: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class LeaseHeld:
    """Somebody else has it."""

    name: str
    holder: str
    until: datetime


class Leases:
    """Acquire, renew, release; each call is one atomic step on the database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def acquire(self, name: str, holder: str, ttl: timedelta, now_wall: datetime) -> Lease | LeaseHeld:
        """Take the lease if it is free or expired.  A lease is not given twice, not even to the same holder."""
        with self._store.transaction() as connection:
            row = _row(connection, name)
            if row is not None and row.expires > now_wall:
                return LeaseHeld(name, row.holder, row.expires)
            return _give(connection, row, Lease(name, holder, _next_token(row), now_wall + ttl))

    def take_over(self, name: str, holder: str, ttl: timedelta, now_wall: datetime) -> Lease:
        """Take the lease whoever has it (emergency flatten); the former holder's token is stale from here on."""
        with self._store.transaction() as connection:
            row = _row(connection, name)
            return _give(connection, row, Lease(name, holder, _next_token(row), now_wall + ttl))

    def renew(self, lease: Lease, ttl: timedelta, now_wall: datetime) -> Lease:
        """Extend it.  Raises: LeaseLost if another token was given since, or it has expired."""
        with self._store.transaction() as connection:
            row = _row(connection, lease.name)
            if row is None or row.token != lease.token or row.expires <= now_wall:
                raise _lost(lease, row)
            return _give(connection, row, Lease(lease.name, lease.holder, lease.token, now_wall + ttl))

    def release(self, lease: Lease) -> None:
        """Give it back; a lease that is not the current one is left alone."""
        ours = (LEASE.c.name == lease.name) & (LEASE.c.token == lease.token)
        with self._store.transaction() as connection:
            connection.execute(update(LEASE).where(ours).values(expires=FREE))

    def still_held(self, lease: Lease, now_wall: datetime) -> bool:
        """Whether this very lease is the current one and has not run out."""
        with self._store.reading() as connection:
            row = _row(connection, lease.name)
        return row is not None and row.token == lease.token and row.expires > now_wall

    def current(self, name: str, now_wall: datetime) -> LeaseHeld | None:
        """Who holds it now, for status pages."""
        with self._store.reading() as connection:
            row = _row(connection, name)
        return LeaseHeld(name, row.holder, row.expires) if row is not None and row.expires > now_wall else None

    def require(self, lease: Lease) -> None:
        """Fence: inside the caller's transaction, refuse a token that is not the newest, or was given back.

        Raises: LeaseLost.
        """
        with self._store.reading() as connection:
            row = _row(connection, lease.name)
        if row is None or row.token != lease.token or row.expires == FREE:
            raise _lost(lease, row)


def _row(connection: Connection, name: str) -> Any:
    return connection.execute(select(LEASE).where(LEASE.c.name == name)).one_or_none()


def _next_token(row: Any) -> int:
    return 1 if row is None else int(row.token) + 1


def _give(connection: Connection, row: Any, lease: Lease) -> Lease:
    values = {"holder": lease.holder, "token": lease.token, "expires": lease.expires}
    if row is None:
        connection.execute(insert(LEASE).values(name=lease.name, **values))
    else:
        connection.execute(update(LEASE).where(LEASE.c.name == lease.name).values(**values))
    return lease


def _lost(lease: Lease, row: Any) -> LeaseLost:
    current = None if row is None else row.token
    return LeaseLost(
        f"lease {lease.name!r} is no longer held by {lease.holder}",
        lease=lease.name, holder=lease.holder, token=lease.token, current_token=current,
    )  # fmt: skip

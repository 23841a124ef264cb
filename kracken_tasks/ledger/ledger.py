"""The ledger's face: open it, write facts, read them and their folds.

In: a database URL, an account and an exchange.  Out: a Ledger.  Never: a ledger whose schema is not this code's.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Self

from kracken_tasks.errors import Misconfigured
from kracken_tasks.ledger.backup import Backup, read_backup, restore, same_beginning, write_backup
from kracken_tasks.ledger.checking import Verification, verify
from kracken_tasks.ledger.lease import Leases
from kracken_tasks.ledger.opening import open_engine
from kracken_tasks.ledger.recording import Recording
from kracken_tasks.ledger.store import Store

__all__ = ["Ledger"]


class Ledger(Recording):
    """One account on one exchange in an append-only book.

    A database may hold several books; they share the running ``seq`` and the leases, and nothing else.  Writes and leases may be used
    from several threads; folds are for one thread at a time.
    """

    def __init__(self, store: Store, account: str, exchange: str) -> None:
        super().__init__(store)
        self.account = account
        self.exchange = exchange
        self.leases = Leases(store)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        account: str,
        exchange: str,
        several_writers: bool = False,
        busy_seconds: float = 30.0,
        frozen_seconds: float = 20.0,
    ) -> Self:
        """Open, create or migrate a ledger.

        ``several_writers``: pods on more than one machine may write, which SQLite is refused for.  ``busy_seconds``: how long a
        write waits for its turn before it ends as RetryLater.  ``frozen_seconds``: after so long without a word from a process inside a
        transaction PostgreSQL ends that transaction and lets the next writer have its turn; shorter than ``busy_seconds``, so that one
        who waits lives to see it.  On SQLite a frozen writer keeps its turn until it wakes or is killed.
        Raises: Misconfigured for what cannot be right, RetryLater if the database cannot be reached.
        """
        if not account or not exchange:
            raise Misconfigured("a ledger needs an account and an exchange", account=account, exchange=exchange)
        engine = open_engine(
            url, several_writers=several_writers, busy_seconds=busy_seconds, frozen_seconds=frozen_seconds
        )
        return cls(Store(engine, f"{account}@{exchange}"), account, exchange)

    def verify(self) -> Verification:
        """Check the whole database, all its books: numbering, guards, references, and that every asset sums to zero."""
        return verify(self._store)

    def backup(self, path: Path) -> Backup:
        """Write the whole database to a new file, of one moment, while others may go on writing.

        Raises: Misconfigured if the file exists, RetryLater if the database cannot be read.
        """
        return write_backup(self._store, path)

    def restore(self, path: Path, *, ts: datetime) -> Verification:
        """Fill this empty database from a backup; every account then only reduces until a person releases it.

        ``ts``: market time.  Raises: Misconfigured if there are entries; BadData if the file is not whole; nothing is written then.
        """
        return restore(self._store, path, ts=ts)

    def begins_with(self, backup: Path) -> bool:
        """Whether every entry of a backup file still stands here unchanged.

        Raises: BadData if the file is not whole.
        """
        return same_beginning(self._store, read_backup(backup))

    @property
    def shown(self) -> str:
        """The database's address without its password."""
        return self._store.shown

    def close(self) -> None:
        """Give the database connections back."""
        self._store.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

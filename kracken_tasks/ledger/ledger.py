"""The ledger's face: open it, write facts, read them and their folds.

In: a database URL, an account and an exchange.  Out: a Ledger.  Never: a ledger whose schema is not this code's.
"""

from __future__ import annotations

from typing import Self

from kracken_tasks.errors import Misconfigured
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
        cls, url: str, *, account: str, exchange: str, several_writers: bool = False, busy_seconds: float = 30.0
    ) -> Self:
        """Open, create or migrate a ledger.

        ``several_writers``: pods on more than one machine may write, which SQLite is refused for.  ``busy_seconds``: how long a
        write waits for its turn before it ends as RetryLater.
        Raises: Misconfigured for what cannot be right, RetryLater if the database cannot be reached.
        """
        if not account or not exchange:
            raise Misconfigured("a ledger needs an account and an exchange", account=account, exchange=exchange)
        engine = open_engine(url, several_writers=several_writers, busy_seconds=busy_seconds)
        return cls(Store(engine, f"{account}@{exchange}"), account, exchange)

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

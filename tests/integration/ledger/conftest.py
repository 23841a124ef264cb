"""Every test here runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from kracken_tasks.ledger import Ledger
from tests.support.ledger import fresh_postgres, postgres_server, sqlite_url

_NUMBER = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    with fresh_postgres(request.getfixturevalue("postgres"), f"ledger_{next(_NUMBER)}") as address:
        yield address


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url, account="main", exchange="kraken") as book:
        yield book

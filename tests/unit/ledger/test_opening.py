"""What may be opened as a ledger, and what is refused with a reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.ledger import Ledger
from kracken_tasks.ledger.schema import HEAD
from tests.support.ledger import NOON, deposit, sqlite_url, temporary_ledger


def test_sqlite_is_refused_where_several_pods_would_write(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="one writer"):
        Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken", several_writers=True)


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "no url at all", "postgresql+nodriver://u:hunter2@h/d"])
def test_an_impossible_address_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Ledger.open(url, account="main", exchange="kraken")
    assert "hunter2" not in str(caught.value) + repr(caught.value.fields)
    assert caught.value.fields["key"] == "ledger.url"


def test_a_server_that_is_away_is_worth_another_try_and_keeps_its_password_to_itself() -> None:
    with pytest.raises(RetryLater) as caught:
        Ledger.open("postgresql://u:hunter2@127.0.0.1:1/d", account="main", exchange="kraken")
    assert "hunter2" not in str(caught.value) + repr(caught.value.fields)


def test_a_ledger_without_an_account_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        Ledger.open(sqlite_url(tmp_path), account="", exchange="kraken")


def test_a_ledger_of_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path):
        pass
    engine = create_engine(sqlite_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(Misconfigured, match="unknown to this version") as caught:
        Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken")
    assert HEAD in str(caught.value.fields["allowed"])


def test_the_folder_of_a_new_ledger_is_made(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path / "not" / "yet"):
        assert (tmp_path / "not" / "yet" / "ledger.db").exists()


def test_a_ledger_in_memory_works_like_one_in_a_file() -> None:
    with Ledger.open("sqlite://", account="main", exchange="kraken") as ledger:
        ledger.book_cash([deposit("m1", "USD", "10")])
        assert ledger.cash()
        assert ledger.leases.current("ticks", NOON) is None


def test_the_words_of_the_ledger_load_without_the_database_library() -> None:
    code = "import sys, kracken_tasks.ledger; kracken_tasks.ledger.Booking; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_up_to_date_ledger_opens_without_the_migration_library(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path):
        pass
    code = (
        "import sys; from kracken_tasks.ledger import Ledger; "
        f"Ledger.open({sqlite_url(tmp_path)!r}, account='main', exchange='kraken'); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""A process stopped inside a ledger transaction: who waits for it goes on, and it writes nothing when it wakes.

A stopped process is not a dead one: its connection stays open, and with it the lock that writers take turns by.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.errors import RetryLater
from kracken_tasks.ledger import LeaseHeld, Ledger
from tests.support.ledger import at, deposit, fresh_postgres, postgres_server, sqlite_url
from tests.support.ledger_process import start

MINUTE = at(1) - at(0)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@contextmanager
def frozen(url: str, frozen_seconds: float, when: str) -> Iterator[subprocess.Popen[str]]:
    """A process that stands still inside a transaction; it is woken at the end, and waited for."""
    process = start("freeze", url, str(frozen_seconds), when)
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it ended before it could be frozen"
        yield process
    finally:
        process.kill()
        process.wait()


def woken(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGCONT)
    return process.communicate(timeout=60)[0].strip()


@pytest.mark.parametrize("when", ["writing", "committing"])
def test_successor_of_a_process_frozen_in_its_transaction_goes_on_and_the_frozen_one_wakes_to_nothing_written(
    postgres: str, when: str
) -> None:
    with fresh_postgres(postgres, f"frozen_{when}") as url, Ledger.open(url, account="main", exchange="kraken") as heir:
        with frozen(url, 0.5, when) as process:
            lease = heir.leases.acquire("ticks", "heir", MINUTE, at(0))
            assert not isinstance(lease, LeaseHeld)
            heir.book_cash([deposit("m1", "USD", "100")])
            told = woken(process)
        assert told.startswith("RetryLater: this process was silent for too long inside a ledger transaction")
        assert heir.cash() == {"USD": Decimal(100)}
        assert heir.verify().problems == ()


def test_who_waits_less_long_than_a_frozen_process_is_given_is_told_to_come_back(postgres: str) -> None:
    with fresh_postgres(postgres, "frozen_long") as url, frozen(url, 60, "committing") as process:
        with Ledger.open(url, account="main", exchange="kraken", busy_seconds=0.2) as heir:
            with pytest.raises(RetryLater, match="lock timeout"):
                heir.book_cash([deposit("m1", "USD", "100")])
            assert heir.cash() == {}, "readers do not wait"
        assert woken(process) == "committed"


def test_a_writer_is_given_less_time_to_be_silent_than_its_successors_wait_and_a_reader_more(postgres: str) -> None:
    with fresh_postgres(postgres, "limits") as url, Ledger.open(url, account="main", exchange="kraken") as ledger:
        store = ledger._store
        with store.transaction() as connection:
            waits = connection.exec_driver_sql("SHOW lock_timeout").scalar()
            writer = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
        with store.reading() as connection:
            reader = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    assert (writer, waits, reader) == ("20s", "30s", "10min")


def test_sqlite_successor_of_a_frozen_process_is_told_by_whom_it_is_held_up_until_it_wakes_or_is_killed(
    tmp_path: Path,
) -> None:
    url = sqlite_url(tmp_path)
    with Ledger.open(url, account="main", exchange="kraken", busy_seconds=0.2) as heir:
        with frozen(url, 0.1, "committing") as process:
            with pytest.raises(RetryLater, match=f"locked.*held by process {process.pid}, which is stopped"):
                heir.book_cash([deposit("m1", "USD", "100")])
            assert heir.cash() == {}, "readers do not wait"
            process.kill()
            process.wait()
            heir.book_cash([deposit("m1", "USD", "100")])
        assert heir.cash() == {"USD": Decimal(100)}

"""Killed, raced, opened by many at once: on both databases."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest

from kracken_tasks.errors import RetryLater
from kracken_tasks.ledger import Ledger
from tests.support.ledger import deposit, fresh_postgres
from tests.support.ledger_process import book_everything, start

ROWS = 5


@pytest.mark.parametrize("rows_before_the_kill", [1, 3, ROWS])
def test_a_kill_inside_a_transaction_leaves_all_or_nothing(ledger: Ledger, url: str, rows_before_the_kill: int) -> None:
    ledger.book_cash([deposit("m1", "USD", "1000")])
    before = ledger.dump()
    process = start("die", url, str(rows_before_the_kill))
    process.communicate(timeout=60)
    assert process.returncode == -9
    if rows_before_the_kill < ROWS:
        assert ledger.dump() == before
        assert ledger.cash() == {"USD": Decimal(1000)}
    else:
        assert len(ledger.entries()) == 1 + ROWS
    book_everything(ledger)
    assert [entry.seq for entry in ledger.entries()] == list(range(1, 2 + ROWS))
    assert ledger.cash() == {"USD": Decimal(1400), "BTC": Decimal("0.1")}


def test_of_many_processes_that_want_a_lease_exactly_one_gets_it(url: str) -> None:
    rounds = 20
    racers = [start("grab", url, f"run-{name}", str(rounds)) for name in "abcd"]
    won = [int(line) for racer in racers for line in racer.communicate(timeout=120)[0].split()]
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert sorted(won) == list(range(rounds))


def test_writers_at_once_lose_nothing_and_number_without_holes(url: str) -> None:
    count = 15
    writers = [start("write", url, name, str(count)) for name in "abc"]
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with Ledger.open(url, account="main", exchange="kraken") as ledger:
        assert ledger.cash() == {"USD": Decimal(3 * count), "EUR": Decimal(count)}
        assert [entry.seq for entry in ledger.entries()] == list(range(1, 4 * count + 1))


def test_a_writer_that_cannot_get_its_turn_is_told_to_come_back(ledger: Ledger, url: str) -> None:
    with Ledger.open(url, account="main", exchange="kraken", busy_seconds=0.1) as late:
        with ledger.transaction():
            ledger.book_cash([deposit("m1", "USD", "1")])
            assert late.cash() == {}, "readers do not wait"
            with pytest.raises(RetryLater):
                late.book_cash([deposit("m2", "USD", "1")])
        late.book_cash([deposit("m2", "USD", "1")])
        assert ledger.cash() == late.cash() == {"USD": Decimal(2)}


def test_a_server_that_goes_away_mid_transaction_leaves_nothing_and_the_next_write_works(postgres: str) -> None:
    with fresh_postgres(postgres, "going_away") as url, Ledger.open(url, account="main", exchange="kraken") as ledger:
        _lose_the_server(ledger, url)


def _lose_the_server(ledger: Ledger, url: str) -> None:
    ledger.book_cash([deposit("m1", "USD", "1000")])

    def booking_while_the_server_drops_us() -> None:
        with ledger.transaction():
            ledger.book_cash([deposit("m2", "USD", "1")])
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            ledger.book_cash([deposit("m3", "USD", "1")])

    with pytest.raises(RetryLater) as caught:
        booking_while_the_server_drops_us()
    assert "INSERT" not in caught.value.message
    assert ledger.cash() == {"USD": Decimal(1000)}
    ledger.book_cash([deposit("m2", "USD", "1")])
    assert ledger.cash() == {"USD": Decimal(1001)}

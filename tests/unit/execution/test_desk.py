"""A desk is had under the account's lease by one at a time, and gives it back however its run ends."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import copy_context
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import CashMovement
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.rates.counters import Priority, current_priority
from kracken_tasks.execution.desk import AccountInUse, Desk, ExecutionConfig, lease_name, trading_desk
from kracken_tasks.ledger import LeaseLost, Source
from tests.support.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def desk_of(bench: Bench, holder: str, *, take_over: bool = False) -> AbstractContextManager[Desk]:
    return trading_desk(
        bench.venue, bench.ledger, bench.wall, holder=holder, tick_id=f"run of {holder}", source=Source.PERSON,
        config=ExecutionConfig(), take_over=take_over,
    )  # fmt: skip


def holder_of(bench: Bench) -> str | None:
    held = bench.ledger.leases.current(lease_name(bench.ledger), bench.wall.now())
    return None if held is None else held.holder


def test_a_run_that_breaks_leaves_the_account_free_for_the_next(bench: Bench) -> None:
    def run() -> None:
        with desk_of(bench, "ada"):
            assert holder_of(bench) == "ada"
            raise ZeroDivisionError("a bug in a run")

    with pytest.raises(ZeroDivisionError):
        run()
    assert holder_of(bench) is None


def test_a_second_run_is_told_who_has_the_account_and_takes_nothing_from_it(bench: Bench) -> None:
    with desk_of(bench, "ada") as desk:
        with pytest.raises(RetryLater, match="in use by ada until 2026-01-01T00:02:00Z") as told, desk_of(bench, "bob"):
            pass
        desk.require_lease()
    assert isinstance(told.value, AccountInUse)
    assert pickle.loads(pickle.dumps(told.value)).held == told.value.held  # errors cross processes


def test_a_run_that_takes_over_keeps_the_lease_when_the_other_ends(bench: Bench) -> None:
    elsewhere, emergency = copy_context(), desk_of(bench, "flatten", take_over=True)  # two processes sign on their own
    with desk_of(bench, "ada") as slow:
        late = elsewhere.run(emergency.__enter__)
        with pytest.raises(LeaseLost):
            slow.require_lease()
    late.require_lease()
    elsewhere.run(emergency.__exit__, None, None, None)
    assert holder_of(bench) is None


def test_a_lease_that_was_renewed_meanwhile_is_given_back_as_well(bench: Bench) -> None:
    with desk_of(bench, "ada") as desk:
        bench.wall.advance(timedelta(seconds=100))
        desk.require_lease()
    assert holder_of(bench) is None


def test_what_is_written_at_a_desk_is_signed_and_what_is_asked_goes_before_exports(bench: Bench) -> None:
    with desk_of(bench, "ada"):
        assert current_priority(Priority.EXPORT) is Priority.PROTECT
        opening = CashMovement("1", "deposit", "deposit", "USD", Decimal(5), Decimal(0), bench.market.now())
        bench.ledger.book_cash([opening])
    assert [(one.source, one.cause) for one in bench.ledger.cash_entries()] == [(Source.PERSON, "run of ada")]

"""A burst passes, an export slows down, an exit finds its room: the budget by priorities, on a clock that only waiting moves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest

from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.rates import Charge, Limit, Priority, RateBudget, calls_at
from kracken_tasks.exchange.rates.counters import Level, current_priority
from kracken_tasks.exchange.rates.store import StoreUnreachable
from tests.support.rates import HeldClock, held_budget, starter

T = TypeVar("T")
READ, EXPORT, PROTECT, ENTER = Priority.READ, Priority.EXPORT, Priority.PROTECT, Priority.ENTER


def call(path: str) -> tuple[Charge, ...]:
    return starter().charges(path, True, {}, 0.0)


def test_the_calls_of_one_tick_go_out_without_a_wait() -> None:
    budget, clock = held_budget()
    for path in ("OpenOrders", "TradesHistory", "Ledgers", "BalanceEx", "QueryOrders", "TradesHistory"):
        budget.spend(call(path), READ)
    assert clock.at == 1000


def test_a_long_export_falls_to_the_rate_at_which_the_venue_forgets() -> None:
    budget, clock = held_budget()
    for _ in range(100):
        budget.spend(call("Ledgers"), EXPORT)
    assert clock.at - 1000 == pytest.approx((200 - 3) / 0.33, rel=0.01)


def test_an_export_leaves_room_for_the_calls_an_exit_needs() -> None:
    budget, clock = held_budget()
    for _ in range(50):
        budget.spend(call("Ledgers"), EXPORT)
    before = clock.at
    for path in ("OpenOrders", "TradesHistory", "BalanceEx"):
        budget.spend(call(path), READ)
    for path in ("OpenOrders", "TradesHistory", "Ledgers"):
        budget.spend(call(path), PROTECT)
    assert clock.at == before


def test_an_order_does_not_wait_for_the_counter_of_questions() -> None:
    budget, clock = held_budget()
    for _ in range(20):
        budget.spend(call("Ledgers"), EXPORT)
    before = clock.at
    budget.spend(starter().charges("AddOrder", True, {"pair": "XXBTZUSD"}, 0.0), PROTECT)
    assert clock.at == before


def test_entries_stop_before_they_take_the_room_of_exits() -> None:
    budget, clock = held_budget()
    order = starter().charges("AddOrder", True, {"pair": "XXBTZUSD"}, 0.0)
    for _ in range(33):
        budget.spend(order, ENTER)
    assert clock.at == 1000
    for _ in range(26):
        budget.spend(order, PROTECT)
    assert clock.at == 1000


def test_an_entry_that_would_come_too_late_is_told_to_come_back_and_costs_nothing() -> None:
    budget, clock = held_budget()
    order = starter().charges("AddOrder", True, {"pair": "XXBTZUSD"}, 0.0)
    for _ in range(59):
        budget.spend(order, PROTECT)
    with pytest.raises(RetryLater) as refused:
        budget.spend(order, ENTER, "submit abc")
    assert refused.value.fields["wait_seconds"] == pytest.approx(27.0)
    assert "submit abc" in refused.value.message
    assert (clock.at, budget.counts(order)) == (1000, {order[0].counter: 59})


def test_pairs_do_not_count_together() -> None:
    budget, clock = held_budget()
    for pair in ("XXBTZUSD", "XETHZUSD"):
        for _ in range(33):
            budget.spend(starter().charges("AddOrder", True, {"pair": pair}, 0.0), ENTER)
    assert clock.at == 1000


def test_public_calls_do_not_eat_the_budget_of_the_key() -> None:
    budget, clock = held_budget()
    ticker = starter().charges("Ticker", False, {}, 1.0)
    for _ in range(10):
        budget.spend(ticker, READ)
    assert clock.at - 1000 == pytest.approx(6.0)  # four at once, then one a second
    before = clock.at
    budget.spend(call("BalanceEx"), READ)
    assert clock.at == before


def test_two_keys_share_their_address_and_nothing_else() -> None:
    budget, clock = held_budget()
    for key in ("one", "two"):
        for _ in range(5):
            budget.spend(starter(key).charges("Ledgers", True, {}, 0.0), READ)
    assert clock.at == 1000
    for key in ("one", "two"):
        for _ in range(2):
            budget.spend(starter(key).charges("Ticker", False, {}, 1.0), READ)
    assert clock.at == 1000
    budget.spend(starter("one").charges("Ticker", False, {}, 1.0), READ)
    assert clock.at == pytest.approx(1001)


def test_what_the_venue_says_is_full_is_full() -> None:
    budget, clock = held_budget()
    charges = call("BalanceEx")
    budget.spend(charges, READ)
    budget.drain(charges)
    assert budget.counts(charges) == {charges[0].counter: 15}
    assert budget.spend(charges, PROTECT) == pytest.approx(2 / 0.33, rel=1e-3)
    budget.drain(charges, seconds=60)
    with pytest.raises(RetryLater):
        budget.spend(charges, PROTECT)
    clock.wait(60)
    assert budget.spend(charges, PROTECT) > 0


def test_draining_never_lowers_a_counter() -> None:
    budget, _ = held_budget()
    charges = call("BalanceEx")
    budget.drain(charges, seconds=60)
    high = budget.counts(charges)
    budget.drain(charges)
    assert budget.counts(charges) == high


def test_a_call_dearer_than_its_ceiling_passes_when_the_counter_is_empty() -> None:
    budget, clock = held_budget()
    heavy = [Charge("one", 8.0, Limit(10.0, 1.0, (0.0, 0.0, 0.0, 5.0)))]
    assert budget.spend(heavy, EXPORT) == 0
    assert budget.spend(heavy, EXPORT) == pytest.approx(8.0)
    assert clock.at == pytest.approx(1008)


def test_a_call_without_a_price_is_free() -> None:
    budget, clock = held_budget()
    for _ in range(1000):
        assert budget.spend([], READ) == 0
    assert (clock.at, budget.store.levels()) == (1000, {})


def test_the_priority_said_around_a_call_holds_inside_and_nowhere_else() -> None:
    with calls_at(EXPORT):
        assert current_priority(READ) is EXPORT
        with calls_at(PROTECT):
            assert current_priority(READ) is PROTECT
        assert current_priority(READ) is EXPORT
    assert current_priority(READ) is READ


async def test_waiting_for_a_turn_leaves_the_loop_free() -> None:
    budget, clock = held_budget()
    turns = [budget.turn(call("BalanceEx"), READ) for _ in range(12)]
    waited = await asyncio.wait_for(asyncio.gather(*turns), 10)
    assert (sum(1 for seconds in waited if seconds == 0), clock.at > 1000) == (10, True)


class LostStore:
    """Shared counters that cannot be reached until somebody mends them."""

    def __init__(self, clock: HeldClock) -> None:
        from kracken_tasks.exchange.rates.store import MemoryCounters

        self.lost = True
        self._inner = MemoryCounters(clock.now)

    def change(
        self, names: Sequence[str], make: Callable[[Mapping[str, Level], float], tuple[Mapping[str, Level], T]]
    ) -> T:
        if self.lost:
            raise StoreUnreachable("the disk is gone")
        return self._inner.change(names, make)

    def lane(self, name: str, seconds: float) -> AbstractContextManager[bool]:
        if self.lost:
            raise StoreUnreachable("the disk is gone")
        return self._inner.lane(name, seconds)

    def levels(self) -> dict[str, Level]:
        return self._inner.levels()

    def seconds(self) -> float:
        return self._inner.seconds()

    def close(self) -> None:
        self._inner.close()


def test_counters_that_cannot_be_reached_stop_nobody_and_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = HeldClock()
    store = LostStore(clock)
    budget = RateBudget(store, pause=clock.wait)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert budget.spend(call("BalanceEx"), PROTECT) == 0
        assert [record.message.count("the disk is gone") for record in caplog.records] == [1]
        store.lost = False
        budget.spend(call("BalanceEx"), PROTECT)
    assert [level.count for level in store.levels().values()] == [1.0]
    assert "back" in caplog.records[-1].message


@pytest.mark.parametrize(
    ("maximum", "decay", "kept"),
    [(0, 1, (0, 0, 0, 0)), (5, 0, (0, 0, 0, 0)), (5, 1, (0, 2, 1, 3)), (5, 1, (0, 0, 0, 5))],
)
def test_a_limit_that_could_never_let_a_call_through_is_refused(
    maximum: float, decay: float, kept: tuple[float, float, float, float]
) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Limit(maximum, decay, kept)


def test_counters_of_its_own_begin_where_the_shared_ones_were_last_seen() -> None:
    clock = HeldClock()
    store = LostStore(clock)
    store.lost = False
    budget, other = (RateBudget(store, pause=clock.wait, patience=dict.fromkeys(Priority, 0.0)) for _ in range(2))
    for _ in range(4):
        other.spend(call("Ledgers"), READ)
    budget.spend(call("BalanceEx"), READ)
    store.lost = True
    with pytest.raises(RetryLater):
        budget.spend([*call("Ledgers"), *call("Ledgers")], EXPORT)
    assert budget.counts(call("BalanceEx"))[call("BalanceEx")[0].counter] > 0


def test_numbers_still_rise_where_the_shared_ones_cannot_be_reached() -> None:
    store = LostStore(HeldClock())
    store.lost = False
    budget = RateBudget(store)
    assert budget.next_number("nonce", 700) == 700
    store.lost = True
    assert [budget.next_number("nonce", 500), budget.next_number("nonce", 500)] == [701, 702]
    with budget.lane("nonce", 0.0) as held:
        assert not held

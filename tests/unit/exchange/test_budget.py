"""A burst passes, an export slows down, an order never waits."""

from __future__ import annotations

import pytest

from kracken_tasks.exchange.budget import CallBudget


class HeldClock:
    """A clock that stands still unless somebody waits."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += seconds


def budget() -> tuple[CallBudget, HeldClock]:
    clock = HeldClock()
    return CallBudget(clock.now, clock.wait), clock


def test_the_calls_of_one_tick_go_out_without_a_wait() -> None:
    spender, clock = budget()
    for price in (3, 6, 6, 3):  # open orders, fills, ledger, balances
        spender.spend(price, 1.0)
    assert clock.at == 0


def test_an_order_never_waits_however_empty_the_purse() -> None:
    spender, _ = budget()
    for _ in range(20):
        spender.spend(6, 1.0)
    assert spender.spend(0, 1.0) == 0


def test_a_long_export_falls_to_the_rate_at_which_the_venue_forgets() -> None:
    spender, clock = budget()
    for _ in range(100):
        spender.spend(6, 1.0)
    # 100 pages of 6 units, less what the purse held above its reserve.
    assert clock.at == pytest.approx(600 - (30 - 9), abs=1e-6)


def test_an_export_leaves_room_for_the_calls_an_exit_needs() -> None:
    spender, _ = budget()
    for _ in range(50):
        spender.spend(6, 1.0)
    assert [spender.spend(3, 1.0) for _ in range(3)] == [0, 0, 0]


def test_the_count_never_passes_what_the_slowest_tier_allows() -> None:
    spender, clock = budget()
    spent = [(0.0, 0.0)]
    for step in range(400):
        price = 6 if step % 3 else 3
        spender.spend(price, 1.0)
        level = max(0.0, spent[-1][1] - (clock.at - spent[-1][0])) + price
        spent.append((clock.at, level))
        if step == 150:
            clock.wait(20)
    assert max(level for _, level in spent) <= 45


def test_public_calls_do_not_eat_the_private_budget() -> None:
    spender, clock = budget()
    for _ in range(10):
        spender.spend(1, 1.0)
    waited = clock.at
    assert waited == pytest.approx(5.0)
    assert spender.spend(3, 1.0) == 0

"""A Starter account on an exchange that counts for real: exports slow down, exits do not, and nobody is ever turned away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Action, OrderKind, OrderRequest, Side
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.rates import Charge, Priority, RateBudget, calls_at
from kracken_tasks.exchange.rates.kraken import TIERS, KrakenRates
from kracken_tasks.exchange.rates.store import MemoryCounters
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.ledger import Ledger
from tests.support import sandbox as support
from tests.support.ledger import sqlite_url
from tests.support.rates import HeldClock
from tests.support.sandbox import RunningSandbox, running_sandbox
from tests.support.sandbox_tick import tick_of

BTC = "BTC/USD"
START = utc(2025, 1, 6)


class SharedClock(HeldClock):
    """The budget's seconds are the exchange's: whoever waits moves the exchange's clock."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.naps = 0

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        self.naps += 1
        self.sandbox.control.advance(round(seconds + 1e-6, 6))


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    opening = {"USD": "50000", "BTC": "10"}
    with running_sandbox(config=support.sandbox_config(opening_balances=opening, fill_share_percent=100)) as running:
        yield running


@pytest.fixture
def clock(sandbox: RunningSandbox) -> SharedClock:
    return SharedClock(sandbox)


@pytest.fixture
def budget(clock: SharedClock) -> RateBudget:
    return RateBudget(MemoryCounters(clock.now), pause=clock.wait)


def on_starter(sandbox: RunningSandbox, budget: RateBudget) -> CcxtVenue:
    options = {name: value for name, value in sandbox.ccxt_options().items() if name != "rateLimit"}
    return CcxtVenue("kraken", options, clock_keeps_seconds=3600, budget=budget, tier="starter")


def sale(number: int, price: str = "1000") -> OrderRequest:
    return OrderRequest(
        f"{number:032x}", BTC, Side.SELL, OrderKind.LIMIT, Decimal("0.01"), Decimal(price), time_in_force="IOC"
    )


def with_a_long_past(sandbox: RunningSandbox) -> None:
    venue = CcxtVenue("kraken", {**sandbox.ccxt_options(), "rateLimit": 1}, clock_keeps_seconds=0)
    for number in range(1, 131):
        venue.submit(sale(number))
    sandbox.control.advance(120)
    sandbox.control.settings(tier="starter")


def test_an_exit_goes_out_at_once_during_a_full_ledger_export_and_nobody_is_turned_away(
    sandbox: RunningSandbox, clock: SharedClock, budget: RateBudget
) -> None:
    with_a_long_past(sandbox)
    venue = on_starter(sandbox, budget)
    venue.now()
    exits: list[float] = []

    class ExitsMeanwhile(SharedClock):
        """Each time the export has to wait, a stop-out happens first."""

        def wait(self, seconds: float) -> None:
            if len(exits) < 8:
                before = clock.at
                number = 10_000 + len(exits)
                exits.append(0.0)
                with calls_at(Priority.PROTECT):
                    venue.open_orders()
                    order_id = venue.submit(sale(number))
                    assert venue.orders([order_id])[order_id].filled == Decimal("0.01")
                exits[-1] = clock.at - before
            clock.wait(seconds)

    exporting = on_starter(sandbox, RateBudget(budget.store, pause=ExitsMeanwhile(sandbox).wait))
    with calls_at(Priority.EXPORT):
        lines = exporting.ledger_lines(START - timedelta(days=1))
        lines = exporting.ledger_lines(START - timedelta(days=1))
    assert len(lines) > 260
    assert len(exits) >= 4
    assert max(exits) == 0  # not one of them waited
    assert clock.naps >= 4  # and the export did


def test_a_venue_that_says_stop_is_left_alone_until_it_has_forgotten(
    sandbox: RunningSandbox, clock: SharedClock, budget: RateBudget
) -> None:
    sandbox.control.settings(tier="starter")
    venue = on_starter(sandbox, budget)
    venue.balances()
    sandbox.control.fault("BalanceEx", error="EAPI:Rate limit exceeded")
    with pytest.raises(RetryLater, match="Rate limit"):
        venue.balances()
    before = clock.at
    venue.balances()
    assert clock.at - before == pytest.approx((15 + 1 - 10) / 0.33, rel=0.01)


def test_a_burst_of_cancels_and_orders_on_one_pair_is_never_turned_away(
    sandbox: RunningSandbox, clock: SharedClock, budget: RateBudget
) -> None:
    sandbox.control.settings(tier="starter")
    venue = on_starter(sandbox, budget)
    venue.now()
    for number in range(25):
        order = OrderRequest(f"{number:032x}", BTC, Side.SELL, OrderKind.LIMIT, Decimal("0.01"), Decimal("900000"))
        venue.cancel(venue.submit(order))
    assert clock.naps > 0  # 25 orders cancelled young count 225, and 60 are allowed


def test_entries_wait_before_exits_are_in_want_of_room(
    sandbox: RunningSandbox, clock: SharedClock, budget: RateBudget
) -> None:
    sandbox.control.settings(tier="starter")
    venue = on_starter(sandbox, budget)
    for number in range(40):
        venue.submit(
            OrderRequest(f"{number:032x}", BTC, Side.BUY, OrderKind.LIMIT, Decimal("0.001"), Decimal("1000.0"))
        )
    assert clock.naps > 0
    naps = clock.naps
    for number in range(20):
        venue.submit(sale(1000 + number))
    assert clock.naps == naps


def test_a_whole_tick_that_sells_does_not_wait_while_an_export_takes_all_it_may(
    sandbox: RunningSandbox, clock: SharedClock, budget: RateBudget, tmp_path: Path
) -> None:
    # Public calls at the pace of a local server: here it is the key's counter that matters.
    options = {**sandbox.ccxt_options(), "rateLimit": 1}
    venue = CcxtVenue("kraken", options, clock_keeps_seconds=0, budget=budget, tier="starter")
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as ledger:
        for number, says in enumerate((Action.HOLD, Action.BUY, Action.HOLD)):
            tick_of(venue, ledger, str(number), {BTC: says}, number)
            clock.wait(3600)
        assert len(ledger.positions()) == 1
        sandbox.control.settings(tier="starter")
        exporting = RateBudget(budget.store, pause=clock.wait, patience=dict.fromkeys(Priority, 0.0))
        page = KrakenRates(*key_and_address(budget), TIERS["starter"], 1000.0).charges("Ledgers", True, {}, 0.0)
        while room_left(exporting, page):
            pass
        before = clock.at
        report = tick_of(venue, ledger, "out", {BTC: Action.SELL}, 10)
        assert [left.problem for left in report.exits] == [""]
        assert (report.problems, ledger.positions()) == ({}, {})
    assert clock.at - before < 0.1


def key_and_address(budget: RateBudget) -> tuple[str, str]:
    """The names under which the client of the demo key counts, as the shared counters show them."""
    names = sorted(budget.store.levels())
    [key] = [name for name in names if " key " in name and " engine " not in name]
    [address] = [name for name in names if name.endswith("public")]
    return key, address


def room_left(budget: RateBudget, page: Sequence[Charge]) -> bool:
    try:
        budget.spend(page, Priority.EXPORT)
    except RetryLater:
        return False
    return True

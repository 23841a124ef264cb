"""Advanced orders through the real ccxt at the local Kraken: native kinds trigger at the venue, the target is watched from here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import FixedClock, utc
from kracken_tasks.domain.trading import OrderKind, Purpose
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.advanced import AdvancedOrders, Bracket
from kracken_tasks.ledger import Ledger
from tests.support.ledger import sqlite_url
from tests.support.sandbox import ControlClient, running_sandbox, sandbox_config
from tests.support.sandbox_tick import tick
from tests.support.scripted_market import ScriptedMarket, Step, quiet

D = Decimal
BTC = "BTC/USD"


@dataclass
class Account:
    """An account at the sandbox, its ledger, and a hand on the market's clock."""

    venue: CcxtVenue
    ledger: Ledger
    wall: FixedClock
    control: ControlClient

    def opened(self) -> AdvancedOrders:
        """As a new process opens it."""
        return AdvancedOrders(self.venue, self.ledger, wall=self.wall)

    def bought(self, amount: str = "1", **terms: str) -> Bracket:
        return self.opened().bracket(BTC, amount, key="first", **({"stop_price": "95"} | terms))

    def advance(self, seconds: float) -> None:
        self.control.advance(seconds)
        self.wall.advance(timedelta(seconds=seconds))

    def require_kept(self) -> None:
        held = self.ledger.positions().get(BTC)
        resting = [order for order in self.venue.open_orders() if order.trigger_price is not None]
        assert sum((order.remaining for order in resting), D(0)) == (D(0) if held is None else held.amount)
        assert self.ledger.check_balances(self.venue.balances()) == ()


@contextmanager
def account(folder: Path, *path: Step, depth: str = "50") -> Iterator[Account]:
    market = ScriptedMarket({BTC: [*quiet(hours=0), (0.5, "100.0", "1"), *path]}, depth=depth)
    with running_sandbox(market, sandbox_config(opening_balances={"USD": "100000"})) as running:
        options = {**running.ccxt_options(), "rateLimit": 1}
        venue = CcxtVenue("kraken", options, timeout_seconds=10, clock_keeps_seconds=0)
        ledger = Ledger.open(sqlite_url(folder), account="main", exchange="kraken")
        running.control.advance(1)
        tick(venue, venue, ledger, "opens the book", "HOLD")
        yield Account(venue, ledger, FixedClock(utc(2026, 1, 1, 12)), running.control)
        ledger.close()
        venue.close()


@pytest.fixture
def steps() -> Callable[..., list[Step]]:
    """A path of prices, ten seconds apart, from the tenth second on."""
    return lambda *prices: [(10.0 * place, price, "1") for place, price in enumerate(prices, 1)]


def test_a_bracket_is_stopped_out_by_the_venue_alone(tmp_path: Path, steps: Callable[..., list[Step]]) -> None:
    with account(tmp_path, *steps("98.0", "94.0")) as one:
        bracket = one.bought(take_profit_price="110")
        assert bracket.exits.covered
        assert bracket.exits.native
        one.require_kept()
        one.advance(60)
        assert [order for order in one.venue.open_orders() if order.trigger_price is not None] == []
        watch = one.opened().watch()
        assert (watch.sold, watch.exits) == ((), ())
        assert one.ledger.round_trips()[0].exit_purpose is Purpose.STOP
        one.require_kept()


def test_a_target_is_sold_by_the_very_order_that_was_the_stop(tmp_path: Path, steps: Callable[..., list[Step]]) -> None:
    with account(tmp_path, *steps("104.0", "112.0")) as one:
        bracket = one.bought(take_profit_price="110")
        (stop,) = bracket.exits.orders
        one.advance(15)
        one.opened().watch()
        one.require_kept()
        one.advance(10)
        one.opened().watch()
        assert one.ledger.positions() == {}
        (trip,) = one.ledger.round_trips()
        assert trip.exit_purpose is Purpose.TAKE_PROFIT
        assert stop.order_id in trip.order_ids
        assert trip.exit_price >= 110
        one.require_kept()


def test_a_target_behind_a_stop_limit_is_sold_too(tmp_path: Path, steps: Callable[..., list[Step]]) -> None:
    with account(tmp_path, *steps("112.0")) as one:
        bracket = one.bought(take_profit_price="110", stop_limit_price="94")
        assert bracket.exits.kind is OrderKind.STOP_LOSS_LIMIT
        one.advance(15)
        one.opened().watch()
        assert one.ledger.positions() == {}
        one.require_kept()


@pytest.mark.parametrize(
    ("wish", "kind", "sold_at"),
    [
        (
            {"percent": "4"},
            OrderKind.TRAILING_STOP,
            D("106.9"),
        ),  # best 112, less 4 % is 107.52: passed on the way to 107
        ({"distance": 4}, OrderKind.TRAILING_STOP, D("106.9")),
        ({"distance": 4, "limit_offset": "2"}, OrderKind.TRAILING_STOP_LIMIT, D("106.9")),
    ],
)
def test_a_trailing_stop_follows_and_sells_at_the_venue_while_nobody_watches(
    tmp_path: Path, steps: Callable[..., list[Step]], wish: dict[str, str], kind: OrderKind, sold_at: Decimal
) -> None:
    with account(tmp_path, *steps("104.0", "112.0", "110.0", "107.0", "120.0")) as one:
        one.bought()
        one.advance(8)
        exits = one.opened().trailing_stop(BTC, **wish)
        assert exits.problem == ""
        assert (exits.kind, exits.native, exits.covered) == (kind, True, True)
        assert one.opened().trailing_stop(BTC, **wish).actions == ()
        one.require_kept()
        one.advance(120)
        one.opened().watch()
        assert [fill.price for fill in one.ledger.fills()][-1] == sold_at
        assert one.ledger.positions() == {}
        one.require_kept()


def test_a_tick_and_a_look_leave_a_trailing_stop_where_the_venue_has_carried_it(
    tmp_path: Path, steps: Callable[..., list[Step]]
) -> None:
    with account(tmp_path, *steps("104.0", "112.0")) as one:
        one.bought()
        one.advance(8)
        (before,) = one.opened().trailing_stop(BTC, percent=5).orders
        one.advance(30)
        report = tick(one.venue, one.venue, one.ledger, "between", "HOLD", minutes=30)
        assert report.problems == {}
        assert report.unprotected == ()
        (exits,) = one.opened().watch().exits
        assert [order.order_id for order in exits.orders] == [before.order_id]
        assert exits.stop_price == D("106.4")  # 112 less 5 %
        one.require_kept()


def test_a_stop_is_moved_by_amend_and_grows_with_a_resting_entry(
    tmp_path: Path, steps: Callable[..., list[Step]]
) -> None:
    with account(tmp_path, (10.0, "98.9", "0.6"), (20.0, "98.9", "0.6"), (30.0, "98.9", "5")) as one:
        bracket = one.bought(entry_price="99", take_profit_price="110")
        assert bracket.remaining == 1
        seen: list[Decimal] = []
        for _ in range(3):
            one.advance(10)
            (exits,) = one.opened().watch().exits
            assert exits.covered
            seen.append(exits.amount)
            one.require_kept()
        assert seen == [D("0.3"), D("0.6"), D("1")]
        ids = {order.order_id for order in exits.orders}
        moved = one.opened().oco(BTC, stop_price="96", take_profit_price="111")
        assert {order.order_id for order in moved.orders} == ids
        assert {order.trigger_price for order in moved.orders} == {D("96")}
        one.require_kept()


def test_a_lone_target_with_a_limit_rests_at_the_venue(tmp_path: Path, steps: Callable[..., list[Step]]) -> None:
    with account(tmp_path, *steps("106.0", "112.0")) as one:
        one.bought()
        one.advance(8)
        exits = one.opened().take_profit(BTC, "105", limit_price="105", without_stop=True)
        assert (exits.kind, exits.covered, exits.problem) == (OrderKind.TAKE_PROFIT_LIMIT, True, "")
        one.advance(60)
        one.opened().watch()
        assert one.ledger.positions() == {}
        one.require_kept()

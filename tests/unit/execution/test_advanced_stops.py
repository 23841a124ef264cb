"""Stops of the kind that was asked for: changed in place or in turn, trailing, and by one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import OrderKind, Purpose
from kracken_tasks.errors import RetryLater, StateUnknown
from kracken_tasks.execution.desk import lease_name
from tests.support.advanced import AdvancedBench
from tests.support.market_data import BTC

D = Decimal


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[AdvancedBench]:
    made = AdvancedBench(tmp_path)
    yield made
    made.ledger.close()


def test_a_stop_is_moved_in_place_up_and_down(bench: AdvancedBench) -> None:
    bench.bought()
    (stop,) = bench.resting()
    for price in (49500, 48000):
        assert bench.orders.stop_loss(BTC, price).stop_price == price
        assert [order.order_id for order in bench.resting()] == [stop.order_id]
    bench.require_kept()


def test_a_stop_limit_takes_the_place_of_a_stop_and_sells_no_lower(bench: AdvancedBench) -> None:
    bench.bought()
    exits = bench.orders.stop_limit(BTC, 49000, 48900)
    assert exits.kind is OrderKind.STOP_LOSS_LIMIT
    assert [order.limit_price for order in exits.orders] == [48900]
    assert bench.orders.stop_limit(BTC, 49000, 48900).actions == ()
    bench.require_kept()


def test_a_new_kind_that_the_venue_refuses_leaves_a_plain_stop_and_is_not_tried_for_ever(bench: AdvancedBench) -> None:
    bench.bought()
    bench.venue.submit_faults = ["refused"]
    exits = bench.orders.stop_limit(BTC, 49000, 48900)
    assert "not placed" in exits.problem
    assert exits.covered
    assert exits.kind is OrderKind.STOP_LOSS
    sent = len(bench.venue.submitted)
    bench.orders.watch()
    assert len(bench.venue.submitted) == sent
    bench.require_kept()


def test_a_stop_that_could_not_be_canceled_is_not_replaced(bench: AdvancedBench) -> None:
    bench.bought()
    bench.venue.cancel_faults = ["timeout"]
    exits = bench.orders.stop_limit(BTC, 49000, 48900)
    assert "could not be canceled" in exits.problem
    assert len(bench.venue.submitted) == 1
    bench.pass_time(60)
    bench.orders.watch()
    assert [order.kind for order in bench.resting()] == [OrderKind.STOP_LOSS_LIMIT]
    bench.require_kept()


def test_a_lone_target_rests_instead_of_the_stop_when_it_is_asked_to(bench: AdvancedBench) -> None:
    bench.bought()
    exits = bench.orders.take_profit(BTC, 52000, limit_price=52000, without_stop=True)
    assert exits.kind is OrderKind.TAKE_PROFIT_LIMIT
    assert exits.stop_price is None
    bench.require_kept()
    bench.moved(52100.0)
    bench.orders.watch()
    assert bench.held == 0
    bench.require_kept()


def test_forgetting_a_lone_target_puts_a_stop_in_its_place(bench: AdvancedBench) -> None:
    bench.bought()
    bench.orders.take_profit(BTC, 52000, without_stop=True)
    exits = bench.orders.cancel_target(BTC)
    assert (exits.kind, exits.target) == (OrderKind.STOP_LOSS, None)
    assert exits.covered
    bench.require_kept()


@pytest.mark.parametrize("wish", [{"percent": 2}, {"distance": 1000}])
def test_a_trailing_stop_follows_the_best_price_and_never_goes_back(tmp_path: Path, wish: dict[str, float]) -> None:
    bench = AdvancedBench(tmp_path)
    bench.bought(take_profit_price=None)
    exits = bench.orders.trailing_stop(BTC, **wish)
    assert exits.kind is OrderKind.STOP_LOSS
    assert not exits.native
    stops = [exits.stop_price]
    for price in (51000.0, 53000.0, 52500.0, 52000.5):
        bench.moved(price)
        stops.append(bench.orders.watch().exits[0].stop_price)
    assert stops == sorted(stops, key=lambda stop: stop or D(0))
    assert stops[-1] is not None
    assert stops[-1] > 51900
    assert "cancel" not in bench.venue.calls
    bench.moved(float(stops[-1]) - 50)
    bench.orders.watch()
    assert bench.held == 0
    bench.require_kept()
    bench.ledger.close()


def test_on_paper_a_trailing_stop_is_the_paper_venues_own(bench: AdvancedBench) -> None:
    orders = bench.opened(bench.venue.inner)
    orders.bracket(BTC, "0.1", key="first", stop_price=49000)
    bench.pass_time(10)
    exits = orders.trailing_stop(BTC, percent=2)
    assert (exits.kind, exits.native, exits.problem) == (OrderKind.TRAILING_STOP, True, "")
    bench.moved(52000.0)
    bench.venue.inner.balances()  # the venue moves on; nobody watches
    bench.moved(50900.0)
    orders.watch()
    assert bench.held == 0
    (trip,) = bench.ledger.round_trips()
    assert trip.exit_purpose is Purpose.STOP


def test_while_a_tick_holds_the_lease_nothing_is_changed(bench: AdvancedBench) -> None:
    bench.bought()
    bench.ledger.leases.acquire(lease_name(bench.ledger), "a tick", timedelta(minutes=1), bench.wall.now())
    with pytest.raises(RetryLater, match="in use by a tick"):
        bench.orders.stop_loss(BTC, 49500)


def test_a_symbol_in_doubt_is_left_alone(bench: AdvancedBench) -> None:
    bench.bought()
    bench.venue.fill_lag = timedelta(minutes=5)
    bench.moved(48000.0)
    with pytest.raises(StateUnknown, match="left alone"):
        bench.orders.stop_loss(BTC, 47000)


def test_a_tick_between_two_looks_disturbs_nothing(bench: AdvancedBench) -> None:
    bench.bought()
    bench.orders.stop_limit(BTC, 49000, 48900)
    (before,) = bench.resting()
    bench.tick()
    (after,) = bench.resting()
    assert (before.order_id, before.kind, before.trigger_price) == (after.order_id, after.kind, after.trigger_price)
    assert bench.orders.watch().exits[0].actions == ()
    bench.require_kept()

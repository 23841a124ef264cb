"""Stops add up to the position, are changed in place, and never leave it bare on the way."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, IntentKey, OrderKind, OrderRequest, Purpose, Side
from kracken_tasks.execution.advanced.keeping import trail
from kracken_tasks.execution.protect import protect
from kracken_tasks.execution.reconcile import reconcile
from kracken_tasks.ledger import AlertKind
from tests.support.advanced import AdvancedBench
from tests.support.bench import Bench
from tests.support.market_data import BTC

D = Decimal


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.tick({BTC: Action.BUY})
    yield made
    made.ledger.close()


def stop(bench: Bench) -> str:
    (order,) = bench.venue.inner.open_orders()
    return order.order_id


def test_stop_that_is_too_small_is_extended_in_place(bench: Bench) -> None:
    order_id = stop(bench)
    bench.venue.inner.amend(order_id, amount=D("0.01"))
    (protection,) = bench.tick().protections
    assert protection.actions[0].startswith(f"extended {order_id}")
    assert stop(bench) == order_id
    bench.require_truth()


def test_stop_that_cannot_be_amended_gets_a_second_one_beside_it(bench: Bench) -> None:
    bench.venue.inner.amend(stop(bench), amount=D("0.01"))
    bench.venue.amend_faults = ["refused"]
    bench.tick()
    assert len(bench.venue.inner.open_orders()) == 2
    bench.require_truth()
    assert bench.tick().protections[0].actions == ()


def test_amend_of_a_process_frozen_after_its_look_at_the_lease_is_refused_by_the_venue_when_it_wakes(
    bench: Bench,
) -> None:
    order_id = stop(bench)
    bench.venue.inner.amend(order_id, trigger_price=D("40000"))
    bench.venue.amend_faults = ["frozen"]
    bench.tick()
    assert bench.venue.inner.orders([order_id])[order_id].trigger_price == D("40000"), "changed by one who slept"
    bench.tick()
    assert bench.venue.inner.orders([order_id])[order_id].trigger_price == bench.ledger.positions()[BTC].stop_price
    bench.require_truth()


def test_several_stops_that_add_up_are_left_alone(bench: Bench) -> None:
    bench.venue.inner.amend(stop(bench), amount=D("0.01"))
    bench.venue.amend_faults = ["refused"]
    bench.tick()
    bench.venue.calls.clear()
    bench.tick()
    assert not {"amend", "cancel", "submit"} & set(bench.venue.calls)


def test_stops_beyond_the_position_are_cut_back_without_uncovering_it(bench: Bench) -> None:
    """The venue let somebody add coins and the stop grew with them; ours is only what we bought."""
    order_id = stop(bench)
    bench.venue.inner.deposit("BTC", D("0.005"))
    bench.venue.inner.amend(order_id, amount=bench.ledger.positions()[BTC].amount + D("0.005"))
    (protection,) = bench.tick().protections
    assert protection.actions[0].startswith(f"shrank {order_id}")
    bench.require_protected()


def test_trigger_below_the_plan_is_raised_and_one_above_is_never_lowered(bench: Bench) -> None:
    order_id = stop(bench)
    planned = bench.ledger.positions()[BTC].stop_price
    bench.venue.inner.amend(order_id, trigger_price=D("40000"))
    bench.tick()
    assert bench.venue.inner.open_orders()[0].trigger_price == planned
    bench.venue.inner.amend(order_id, trigger_price=D("49000"))
    bench.tick()
    assert bench.venue.inner.open_orders()[0].trigger_price == D("49000")


def test_stop_without_a_position_is_canceled(bench: Bench) -> None:
    """A sale by an earlier process whose stop did not go before it died."""
    order_id = stop(bench)
    bench.venue.inner.amend(order_id, amount=D("0.001"))
    held = bench.ledger.positions()[BTC].amount - D("0.001")
    key = IntentKey("main", "earlier", BTC, Purpose.EXIT)
    request = OrderRequest(key.client_order_id, BTC, Side.SELL, OrderKind.MARKET, held)
    bench.ledger.record_intent(key, request, ts=bench.market.now())
    bench.venue.submit(request)
    bench.tick({BTC: Action.SELL})
    assert bench.ledger.positions() == {}
    assert bench.venue.inner.open_orders() == []
    bench.require_truth()


def test_stop_that_cannot_be_placed_is_shouted_about_and_tried_again_next_tick(bench: Bench) -> None:
    bench.venue.inner.cancel(stop(bench))
    bench.venue.submit_faults = ["refused", "refused"]
    report = bench.tick()
    assert [item.symbol for item in report.unprotected] == [BTC]
    assert AlertKind.UNPROTECTED in [alert.kind for alert in bench.ledger.alerts()]
    bench.venue.submit_faults = []
    assert bench.tick().unprotected == ()
    bench.require_truth()


def test_stop_in_doubt_is_not_placed_twice(bench: Bench) -> None:
    bench.venue.inner.cancel(stop(bench))
    bench.venue.submit_faults = ["late"]
    bench.tick()
    bench.tick(seconds=4)
    assert len(bench.venue.inner.open_orders()) == 1
    bench.require_truth()


def test_sale_withdrawn_because_the_stop_would_not_go_leaves_the_stop_standing(bench: Bench) -> None:
    bench.venue.cancel_faults = ["no_connection"]
    report = bench.tick({BTC: Action.SELL})
    assert report.exits[0].problem
    assert bench.ledger.open_intents() == ()
    bench.require_truth()


def test_stop_that_fills_while_it_is_canceled_is_not_sold_again(bench: Bench) -> None:
    real = bench.venue.inner.cancel

    def crash_first(order_id: str) -> None:
        bench.market.prices[BTC] *= 0.9  # the stop triggers as the cancel is on its way
        real(order_id)

    bench.venue.inner.cancel = crash_first  # type: ignore[method-assign]  # the race itself
    bench.tick({BTC: Action.SELL})
    assert bench.ledger.positions() == {}
    assert len([fill for fill in bench.ledger.fills() if fill.side is Side.SELL]) == 1
    bench.require_truth()


def test_a_stop_that_trails_by_a_distance_stood_still_where_only_ticks_look_after_it(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path)
    bench.bought(take_profit_price=None)
    bench.orders.trailing_stop(BTC, distance="500")
    (before,) = bench.resting()
    assert before.kind is OrderKind.STOP_LOSS  # this venue has no trailing stops
    bench.moved(51_000.0)
    bench.tick()
    (after,) = bench.resting()
    assert after.trigger_price is not None
    assert after.trigger_price > 50_400
    bench.require_truth()
    bench.ledger.close()


def test_a_trigger_that_could_not_be_raised_kept_what_was_bought_since_without_its_stop(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True, conditional_close=False)
    bench.bought("0.1", entry_price="49900", stop_price="49000", take_profit_price=None, trail_percent="1")
    bench.traded("49890", "0.04")
    bench.tick()
    bench.traded("49890", "0.03")
    bench.moved(51_000.0)
    bench.venue.amend_faults = ["refused"]
    look = reconcile(bench.desk())
    position = bench.ledger.positions()[BTC]
    trail(bench.desk(), position, bench.venue.quotes([BTC])[BTC], look.now)
    (kept,) = protect(bench.desk(), look)
    assert bench.held == D("0.07")
    assert sum(order.remaining for order in bench.resting()) == D("0.07")
    assert "not raised" in kept.problem
    bench.ledger.close()

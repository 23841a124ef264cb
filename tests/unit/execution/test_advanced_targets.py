"""Target and stop of one position: whichever comes first sells, once, and a wish without sense changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Purpose
from kracken_tasks.errors import TradeRefused
from tests.support.advanced import AdvancedBench
from tests.support.market_data import BTC

D = Decimal


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[AdvancedBench]:
    made = AdvancedBench(tmp_path)
    yield made
    made.ledger.close()


def test_at_the_target_the_stop_itself_becomes_the_sale(bench: AdvancedBench) -> None:
    bench.bought()
    (stop,) = bench.resting()
    bench.moved(52100.0)
    bench.orders.watch()
    bench.orders.watch()
    assert bench.held == 0
    assert "cancel" not in bench.venue.calls
    sold = [fill for fill in bench.ledger.fills() if fill.purpose is Purpose.TAKE_PROFIT]
    assert [fill.order_id for fill in sold] == [stop.order_id]
    (trip,) = bench.ledger.round_trips()
    assert trip.exit_purpose is Purpose.TAKE_PROFIT
    bench.require_kept()


def test_where_the_venue_does_not_amend_the_target_cancels_and_sells(bench: AdvancedBench) -> None:
    bench.bought()
    bench.venue.amend_faults = ["refused"]
    bench.moved(52100.0)
    watch = bench.orders.watch()
    assert [left.purpose for left in watch.sold] == [Purpose.TAKE_PROFIT]
    assert bench.held == 0
    bench.require_kept()


def test_a_target_whose_raise_was_not_answered_is_raised_by_the_next_look(bench: AdvancedBench) -> None:
    bench.bought()
    bench.venue.amend_faults = ["no_connection"]
    bench.moved(52100.0)
    assert bench.orders.watch().problems
    bench.moved(51900.0)  # below the target again: what was decided is carried out
    bench.orders.watch()
    bench.orders.watch()
    assert bench.held == 0
    bench.require_kept()


def test_a_tick_carries_out_a_target_that_a_dead_process_had_decided(bench: AdvancedBench) -> None:
    bench.bought()
    position = bench.ledger.positions()[BTC]
    plan = bench.ledger.plan(position.position_id)
    assert plan is not None
    bench.moved(52100.0)
    bench.ledger.set_plan(position.position_id, replace(plan, stop_price=D("52100")), ts=bench.market.now())
    bench.tick()
    bench.tick()
    assert bench.held == 0
    bench.require_kept()


def test_at_the_stop_only_the_stop_sells(bench: AdvancedBench) -> None:
    bench.bought()
    bench.moved(48000.0)
    watch = bench.orders.watch()
    assert watch.sold == ()
    assert bench.held == 0
    assert [fill.purpose for fill in bench.ledger.fills()][-1] is Purpose.STOP
    bench.require_kept()


def test_oco_gives_a_held_position_both_exits(bench: AdvancedBench) -> None:
    bench.bought(take_profit_price=None)
    exits = bench.orders.oco(BTC, stop_price=48500, take_profit_price="53000.04")
    assert (exits.stop_price, exits.target) == (D("48500"), D("53000.1"))
    assert exits.covered
    assert "cancel" not in bench.venue.calls  # moved, and down at that
    assert bench.orders.oco(BTC, stop_price=48500, take_profit_price="53000.04").actions == ()
    bench.require_kept()


def test_exits_of_what_is_not_held_are_refused(bench: AdvancedBench) -> None:
    with pytest.raises(TradeRefused, match="not held"):
        bench.orders.stop_loss(BTC, 40000)


@pytest.mark.parametrize(
    "wish",
    [
        lambda orders: orders.stop_loss(BTC, 50100),
        lambda orders: orders.stop_loss(BTC, 0),
        lambda orders: orders.stop_limit(BTC, 49000, 49100),
        lambda orders: orders.take_profit(BTC, 49000),
        lambda orders: orders.take_profit(BTC, 53000, limit_price=53100),
        lambda orders: orders.oco(BTC, stop_price=49000, take_profit_price=49500),
        lambda orders: orders.trailing_stop(BTC),
        lambda orders: orders.trailing_stop(BTC, percent=2, distance=100),
        lambda orders: orders.trailing_stop(BTC, percent=0.001),
        lambda orders: orders.trailing_stop(BTC, distance="0.01"),
    ],
)
def test_a_wish_without_sense_leaves_everything_as_it_was(bench: AdvancedBench, wish) -> None:  # type: ignore[no-untyped-def]  # one lambda a case
    bench.bought()
    before = (bench.resting(), bench.ledger.plan(bench.ledger.positions()[BTC].position_id))
    with pytest.raises(TradeRefused):
        wish(bench.orders)
    assert (bench.resting(), bench.ledger.plan(bench.ledger.positions()[BTC].position_id)) == before

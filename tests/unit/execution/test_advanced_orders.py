"""Stops, targets and brackets are what was asked for, rest in the right kind, and are asked for twice without harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import OrderKind, Purpose, TradingState
from kracken_tasks.errors import RetryLater, StateUnknown, TradeRefused
from kracken_tasks.execution.desk import lease_name
from kracken_tasks.ledger import IntentResult
from tests.support.advanced import AdvancedBench
from tests.support.market_data import BTC

D = Decimal


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[AdvancedBench]:
    made = AdvancedBench(tmp_path)
    yield made
    made.ledger.close()


# -- brackets ----------------------------------------------------------------------------------------------------------------


def test_a_bracket_buys_and_its_stop_rests_from_the_first_moment(bench: AdvancedBench) -> None:
    bracket = bench.bought("0.1")
    assert bracket.result is IntentResult.ACCEPTED
    assert (bracket.filled, bracket.remaining) == (D("0.1"), D(0))
    exits = bracket.exits
    assert (exits.amount, exits.resting, exits.stop_price, exits.target) == (D("0.1"), D("0.1"), D("49000"), D("52000"))
    assert exits.covered
    assert exits.kind is OrderKind.STOP_LOSS
    bench.require_kept()


def test_a_bracket_asked_for_twice_is_one_bracket(bench: AdvancedBench) -> None:
    first = bench.bought()
    again = bench.opened().bracket(BTC, 0.1, key="first", stop_price=49000.0, take_profit_price=52000)
    assert again.order_id == first.order_id
    assert len(bench.venue.submitted) == 1
    bench.require_kept()


def test_a_bracket_under_a_key_that_means_another_one_is_refused(bench: AdvancedBench) -> None:
    bench.bought("0.1")
    with pytest.raises(TradeRefused, match="other terms"):
        bench.bought("0.2")
    assert len(bench.venue.submitted) == 1


def test_a_second_bracket_of_a_held_symbol_is_refused(bench: AdvancedBench) -> None:
    bench.bought()
    with pytest.raises(TradeRefused, match="held already"):
        bench.bought(key="second")


@pytest.mark.parametrize(
    "terms",
    [
        {"stop_price": "51000"},
        {"take_profit_price": "49500"},
        {"stop_limit_price": "49500"},
        {"entry_price": "48000"},
        {"stop_price": "nonsense"},
        {"trail_percent": 0},
        {"trail_percent": 60},
    ],
)
def test_a_bracket_without_sense_sends_nothing(bench: AdvancedBench, terms: dict[str, Any]) -> None:
    with pytest.raises(TradeRefused):
        bench.bought(**terms)
    assert bench.venue.submitted == []
    assert bench.ledger.intents() == ()


@pytest.mark.parametrize("amount", ["0", "-1", "0.000000001", "0.00001", "1000"])
def test_an_amount_that_cannot_be_bought_is_refused_with_its_reason(bench: AdvancedBench, amount: str) -> None:
    try:
        reason = bench.bought(amount).reason
    except TradeRefused as refused:
        reason = str(refused)
    assert reason
    assert bench.held == 0


def test_what_a_bracket_was_refused_may_be_asked_for_again(bench: AdvancedBench) -> None:
    bench.venue.submit_faults = ["refused"]
    refused = bench.bought()
    assert refused.result is IntentResult.REFUSED
    assert refused.exits.amount == 0
    assert bench.bought().result is IntentResult.ACCEPTED
    bench.require_kept()


def test_a_lost_answer_is_not_asked_for_again_until_it_is_known(bench: AdvancedBench) -> None:
    bench.venue.submit_faults = ["lost_after"]
    bench.venue.listing_lag = bench.venue.fill_lag = timedelta(seconds=4)
    assert bench.bought(wait=1).result is IntentResult.UNKNOWN
    assert bench.bought(wait=4).result is IntentResult.UNKNOWN
    found = bench.bought()
    assert found.result is IntentResult.ACCEPTED
    assert len(bench.venue.submitted) == 1
    bench.orders.watch()
    bench.require_kept()


def test_a_halted_account_opens_no_bracket(bench: AdvancedBench) -> None:
    bench.ledger.set_state(TradingState.HALTED, "enough", ts=bench.market.now())
    bracket = bench.bought()
    assert bracket.result is IntentResult.WITHDRAWN
    assert "halted" in bracket.reason
    assert bench.venue.submitted == []


def test_a_resting_entry_grows_its_stop_with_every_fill(bench: AdvancedBench) -> None:
    bench.bought("0.1", entry_price="49900")
    assert [order.kind for order in bench.entries_open()] == [OrderKind.LIMIT]
    bench.moved(49890)
    bench.orders.watch()
    assert bench.held == D("0.1")
    bench.require_kept()


def test_without_conditional_close_the_stop_is_placed_in_the_same_call(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, conditional_close=False)
    bracket = bench.bought()
    assert bracket.exits.covered
    assert bracket.exits.stop_price == 49000
    bench.require_kept()
    bench.ledger.close()


def test_the_rest_of_an_entry_is_taken_back_once_its_position_is_gone(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bracket = bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.04")
    assert bench.orders.watch().exits[0].resting == D("0.04")
    bench.moved(48900.0)  # through the stop
    assert bench.orders.watch().withdrawn == (bracket.order_id,)
    assert bench.held == 0
    assert bench.entries_open() == ()
    bench.require_kept()
    bench.ledger.close()


def test_a_halt_takes_resting_entries_back(bench: AdvancedBench) -> None:
    bracket = bench.bought("0.1", entry_price="49900")
    bench.ledger.set_state(TradingState.REDUCE_ONLY, "a person's wish", ts=bench.market.now())
    assert bench.orders.watch().withdrawn == (bracket.order_id,)
    assert bench.entries_open() == ()


def test_an_entry_can_be_canceled_and_what_filled_keeps_its_stop(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.04")
    bracket = bench.orders.cancel_entry(BTC, "first")
    assert (bracket.filled, bracket.remaining) == (D("0.04"), D(0))
    assert bracket.exits.covered
    bench.require_kept()
    bench.ledger.close()


def test_an_entry_that_fills_bit_by_bit_is_under_its_stop_to_the_last_digit(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    for amount in ("0.01", "0.023", "0.00700001"):
        bench.traded("49890", amount)
        (exits,) = bench.orders.watch().exits
        assert exits.covered
        bench.require_kept()
    exits = bench.orders.oco(BTC, stop_price=49100, take_profit_price=53000)
    assert {order.trigger_price for order in exits.orders} == {D("49100")}
    bench.traded("49890", "5")
    bench.pass_time(10)
    bench.orders.watch()
    assert bench.held == D("0.1")
    bench.require_kept()
    bench.ledger.close()


def test_cancelling_an_entry_nobody_made_is_refused(bench: AdvancedBench) -> None:
    with pytest.raises(TradeRefused, match="no bracket"):
        bench.orders.cancel_entry(BTC, "unheard of")


def test_a_first_fill_too_small_to_protect_is_no_trouble_and_grows_into_a_position(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.00005")
    watch = bench.orders.watch()
    assert watch.problems == {}
    assert bench.resting() == ()
    with pytest.raises(TradeRefused, match="too small"):
        bench.orders.stop_loss(BTC, 49500)
    bench.traded("49890", "5")
    bench.pass_time(10)
    bench.orders.watch()
    assert bench.held == D("0.1")
    bench.require_kept()
    bench.ledger.close()


# -- one cancels the other ---------------------------------------------------------------------------------------------------


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


# -- kinds -------------------------------------------------------------------------------------------------------------------


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


# -- the account is used by one at a time ------------------------------------------------------------------------------------


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

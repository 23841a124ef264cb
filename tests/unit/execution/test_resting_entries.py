"""Entries that rest do not outlive the account's leave to buy, nor the wish they came from, also where only ticks look after them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, TradingState
from kracken_tasks.execution import trading_state
from kracken_tasks.execution.advanced import AdvancedOrders
from kracken_tasks.execution.by_hand import close_by_hand
from kracken_tasks.execution.desk import ExecutionConfig
from kracken_tasks.execution.kill_switch import KillSwitch
from tests.support.advanced import AdvancedBench
from tests.support.bench import Bench
from tests.support.market_data import BTC, ETH
from tests.unit.execution.test_paper_broker import buy

D = Decimal


@pytest.fixture
def partly(tmp_path: Path) -> Iterator[AdvancedBench]:
    """0.04 of a bracket's 0.1 is bought, nobody has looked since, and the rest of the entry rests."""
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.04")
    yield bench
    bench.ledger.close()


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCE_ONLY])
def test_a_limit_went_on_resting_in_a_halted_account_and_bought(tmp_path: Path, state: TradingState) -> None:
    bench = AdvancedBench(tmp_path)
    bench.bought("0.1", entry_price="49900")
    trading_state.order(bench.ledger, state, by="ada", reason="enough", now=bench.market.now())
    report = bench.tick()
    assert report.problems == {}
    assert bench.entries_open() == ()
    bench.moved(49_800.0)
    bench.tick()
    assert bench.held == 0
    bench.require_truth()
    bench.ledger.close()


def test_what_an_entry_bought_until_it_was_taken_back_is_sold_in_the_same_tick_of_a_halted_account(
    tmp_path: Path,
) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    trading_state.order(bench.ledger, TradingState.HALTED, by="ada", reason="enough", now=bench.market.now())
    bench.traded("49890", "0.04")
    report = bench.tick()
    assert report.problems == {}
    assert (bench.held, bench.entries_open()) == (0, ())
    bench.require_truth()
    bench.ledger.close()


def test_an_adopted_purchase_rests_no_longer_than_the_account_may_buy(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path)
    bench.venue.inner.submit(buy("f" * 32, limit_price=D("49000"), time_in_force="GTC"))
    adopting = ExecutionConfig(adopt_unknown_orders=True)
    bench.tick(config=adopting)
    assert len(bench.entries_open()) == 1
    trading_state.order(bench.ledger, TradingState.REDUCE_ONLY, by="ada", reason="enough", now=bench.market.now())
    bench.tick(config=adopting)
    assert bench.entries_open() == ()
    bench.ledger.close()


def test_a_strangers_purchase_is_left_alone_whatever_the_account_may_do(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path)
    order_id = bench.venue.inner.submit(buy("f" * 32, limit_price=D("49000"), time_in_force="GTC"))
    trading_state.order(bench.ledger, TradingState.HALTED, by="ada", reason="enough", now=bench.market.now())
    bench.tick()
    assert [order.order_id for order in bench.entries_open()] == [order_id]
    bench.ledger.close()


def test_the_rest_of_an_entry_is_taken_back_by_a_tick_once_its_position_is_gone(partly: AdvancedBench) -> None:
    partly.tick()
    assert partly.held == D("0.04")
    partly.moved(48_900.0)  # through the stop
    partly.tick()
    assert (partly.held, partly.entries_open()) == (0, ())
    partly.require_truth()


def test_a_resting_entry_that_would_not_go_costs_no_position_its_exit(partly: AdvancedBench) -> None:
    partly.tick()
    trading_state.order(partly.ledger, TradingState.HALTED, by="ada", reason="enough", now=partly.market.now())
    partly.venue.cancel_faults = ["timeout"]
    report = partly.tick()
    assert set(report.problems) == {"entries"}
    assert partly.held == 0
    partly.tick()
    assert partly.entries_open() == ()
    partly.require_truth()


def test_a_limit_went_on_resting_under_a_held_kill_switch_and_bought(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path)
    bench.bought(entry_price="49900")
    switch = KillSwitch(tmp_path / "KILL")
    switch.hold("ada", "odd prices", bench.market.now())
    bench.tick(seconds=60, kill_switch=switch.holder)
    assert bench.entries_open() == ()
    bench.moved(49800)
    bench.tick(seconds=60, kill_switch=switch.holder)
    assert bench.held == 0
    bench.require_truth()
    bench.ledger.close()


def test_one_entry_that_would_not_go_kept_the_others_resting_in_a_halted_account(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tick()
    orders = AdvancedOrders(bench.venue, bench.ledger, wall=bench.wall, holder="the bench")
    orders.bracket(BTC, "0.05", key="first", stop_price="49000", entry_price="49900")
    orders.bracket(ETH, "1", key="second", stop_price="2000", entry_price="2400")
    bench.pass_time(10)
    trading_state.order(bench.ledger, TradingState.HALTED, by="ada", reason="enough", now=bench.market.now())
    bench.venue.cancel_faults = ["timeout"]
    report = bench.tick()
    assert [order.symbol for order in bench.venue.inner.open_orders()] == [BTC]
    assert "time-out" in report.problems["entries"]
    bench.ledger.close()


def test_the_rest_of_an_entry_rested_for_an_hour_after_its_position_was_sold(partly: AdvancedBench) -> None:
    partly.tick()
    partly.moved(52_500.0)  # the target
    partly.tick()
    assert partly.held == 0
    assert partly.entries_open() == ()
    partly.require_truth()


def test_the_rest_of_an_entry_does_not_outlive_a_signal_to_sell(partly: AdvancedBench) -> None:
    partly.tick()
    partly.tick({BTC: Action.SELL})
    assert (partly.held, partly.entries_open()) == (0, ())
    partly.require_truth()


def test_the_rest_of_an_entry_does_not_outlive_a_watch_that_sold(partly: AdvancedBench) -> None:
    partly.orders.watch()
    partly.moved(52_500.0)  # the target
    partly.orders.watch()
    assert (partly.held, partly.entries_open()) == (0, ())


def test_a_position_closed_by_hand_is_not_bought_again_by_the_rest_of_its_entry(partly: AdvancedBench) -> None:
    partly.tick()
    position = partly.ledger.positions()[BTC]
    close_by_hand(partly.deps(), partly.slot(), position.position_id, reason="ada: enough")
    assert (partly.held, partly.entries_open()) == (0, ())
    partly.require_truth()

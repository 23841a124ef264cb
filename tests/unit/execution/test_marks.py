"""Equity, the trading day and the trading state, as the ledger keeps them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Action, TradingState
from kracken_tasks.execution.desk import lease_name
from kracken_tasks.execution.marks import account_state, state_text, value_of
from kracken_tasks.execution.reconcile import check_balances
from kracken_tasks.ledger import LeaseHeld, StateEntry
from kracken_tasks.risk.state import AccountState, Cause
from tests.support.bench import Bench
from tests.support.market_data import BTC, ETH, HandMovedMarket

D = Decimal


def test_equity_values_coins_at_the_bid_and_other_money_at_its_stated_rate() -> None:
    market = HandMovedMarket()
    worth = value_of(
        {"USD": D(100), "EUR": D(50), "BTC": D("0.1"), "KFEE": D(7)}, market.quotes([BTC]), "USD", {"EUR": D("1.08")}
    )
    assert worth.cash == pytest.approx(154.0)
    assert worth.equity == pytest.approx(154.0 + 0.1 * market.quote(BTC).bid)
    assert worth.unpriced == ("KFEE",)


@pytest.mark.parametrize(
    "state",
    [
        AccountState(),
        AccountState(TradingState.REDUCE_ONLY, Cause.DAILY_LOSS, "day -5.10 % of at most 5.00 %", date(2024, 3, 31)),
        AccountState(TradingState.HALTED, Cause.DRAWDOWN, "drawdown: too deep"),
    ],
)
def test_state_survives_being_written_as_text(state: AccountState) -> None:
    assert account_state(StateEntry(utc(2024, 3, 1), state.state, state_text(state))) == state


@pytest.mark.parametrize("kind", ["deposit", "deposit/airdrop", "transfer/spotfromfutures", "withdrawal"])
def test_money_from_outside_is_no_profit_whatever_subtype_the_venue_gives_it(tmp_path: Path, kind: str) -> None:
    bench = Bench(tmp_path)
    bench.tick()
    bench.venue.inner.deposit("USD", D(5000), kind)
    report = bench.tick()
    assert report.unit_value == pytest.approx(1.0)
    assert report.equity == pytest.approx(15_000)
    bench.ledger.close()


def test_coins_moved_into_earn_are_no_loss_although_they_have_no_price_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.inner.deposit("BTC", D("0.1"))
    bench.tick()
    bench.venue.inner.deposit("BTC", D("-0.1"), "earn/allocation")
    bench.venue.inner.deposit("BTC.F", D("0.1"), "earn/allocation")
    report = bench.tick()
    assert report.unit_value == pytest.approx(1.0)
    assert report.unpriced == ("BTC.F",)
    bench.ledger.close()


def test_a_pair_that_is_traded_no_more_keeps_the_value_of_the_coins_that_are_held(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.inner.deposit("ETH", D("2"))  # somebody's own, no position
    before = bench.tick()
    bench.symbols = (BTC,)
    after = bench.tick()
    assert after.equity == pytest.approx(before.equity)
    assert after.unit_value == pytest.approx(1.0)
    assert after.state is TradingState.NORMAL
    bench.ledger.close()


def test_an_account_with_coins_that_have_no_price_right_now_is_not_judged_and_nothing_is_bought(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.venue.inner.deposit("ETH", D("2"))
    bench.tick()
    bench.market.prices[ETH] = float("nan")
    report = bench.tick({BTC: Action.BUY})
    assert report.problems["account"] == "the account cannot be judged without a price of ETH/USD"
    assert report.sent == ()
    assert report.state is TradingState.NORMAL  # no loss was made up
    bench.ledger.close()


def test_reward_is_a_profit(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tick()
    bench.venue.inner.deposit("USD", D(100), "earn/reward")
    assert bench.tick().unit_value == pytest.approx(1.01)
    bench.ledger.close()


def test_halt_written_by_hand_counts_as_the_operators() -> None:
    read = account_state(StateEntry(utc(2024, 3, 1), TradingState.HALTED, "going on holiday"))
    assert (read.cause, read.close_everything) == (Cause.OPERATOR, True)


@pytest.mark.parametrize("kind", ["withdrawal", "earn/allocation"])
def test_a_coin_that_left_whole_is_no_loss_although_the_run_that_booked_it_was_killed(
    tmp_path: Path, kind: str
) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.venue.inner.deposit("ETH", D("2"))  # somebody's own, in a pair nobody trades: a third of the account
    bench.tick()
    bench.tick({BTC: Action.BUY})
    bench.venue.inner.deposit("ETH", D("-2"), kind)
    bench.pass_time(3600)
    desk = bench.desk()
    check_balances(desk, bench.venue.now())  # what a tick does before it marks the account; then it is killed
    bench.ledger.leases.release(desk.lease)
    report = bench.tick()
    assert report.unit_value == pytest.approx(1.0, rel=0.002)
    assert report.state is TradingState.NORMAL
    assert list(bench.ledger.positions()) == [BTC]
    bench.ledger.close()


def test_lease_outlives_the_reading_of_a_long_history_of_deposits(tmp_path: Path) -> None:
    """Every page waits for the venue's budget; together they take many times as long as a lease lasts, and another is due meanwhile."""
    bench = Bench(tmp_path)
    for _ in range(300):
        bench.venue.inner.deposit("USD", D(1))
    ttl, newcomers = bench.deps().config.lease_ttl, []

    def a_page_is_waited_for() -> None:
        bench.wall.advance(ttl * 0.8)
        newcomers.append(bench.ledger.leases.acquire(lease_name(bench.ledger), "another", ttl, bench.wall.now()))

    bench.venue.between_pages = a_page_is_waited_for
    assert bench.tick().done
    assert len(newcomers) == 7
    assert all(isinstance(answer, LeaseHeld) for answer in newcomers), "who took the lease would begin the history anew"
    assert bench.ledger.cash()["USD"] == D(10_300)
    bench.ledger.close()

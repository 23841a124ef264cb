"""Equity, the trading day and the trading state, as the ledger keeps them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Action, Purpose, TradingState
from kracken_tasks.execution.account import account_facts
from kracken_tasks.execution.desk import lease_name
from kracken_tasks.execution.marks import account_state, last_mark, profits_since_release, state_text, value_of
from kracken_tasks.execution.news import trade_alerts
from kracken_tasks.execution.reconcile import check_balances
from kracken_tasks.ledger import Booking, LeaseHeld, StateEntry
from kracken_tasks.risk.state import AccountState, Cause
from tests.support.bench import Bench
from tests.support.ledger import fill
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


@pytest.mark.parametrize(("coin", "judged"), [("BNB", 0.1 - 0.004 * 10_000.1), ("KFEE", 0.1)])
def test_a_fee_paid_in_a_third_coin_made_losses_look_like_wins_to_kelly_and_to_the_streak(
    tmp_path: Path, coin: str, judged: float
) -> None:
    bench = Bench(tmp_path)
    bench.tick()
    for number in range(3):
        bought = fill(f"B{number}", "buy", "0.1", "50000", fee="0.04", fee_currency=coin, ts=bench.market.now())
        sold = fill(f"S{number}", "sell", "0.1", "50001", fee="0.04", fee_currency=coin, ts=bench.market.now())
        bench.ledger.book_fills([Booking(bought, Purpose.ENTRY), Booking(sold, Purpose.EXIT)])
    desk, mark = bench.desk(), last_mark(bench.ledger, bench.limits)
    assert mark is not None
    profits = profits_since_release(bench.ledger, desk.broker.instruments(), desk.config.costs)
    assert profits == pytest.approx([judged] * 3)
    assert profits_since_release(bench.ledger, {}, desk.config.costs) == pytest.approx(
        [0.1 if coin == "KFEE" else 0] * 3
    )
    account = account_facts(desk, mark, bench.limits, {}, bench.market.now())
    assert account.losing_streak == (3 if judged < 0 else 0)
    assert account.kelly is not None
    assert (account.kelly.win_rate == 0) == (judged < 0)
    bench.ledger.close()


def test_the_news_of_a_sale_named_its_fees_coin_as_the_currency_of_the_result(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bought = fill("B1", "buy", "0.1", "50000", fee="0.04", fee_currency="BNB", ts=bench.market.now())
    sold = fill("S1", "sell", "0.1", "50100", fee="0.04", fee_currency="BNB", ts=bench.market.now())
    bench.ledger.book_fills([Booking(bought, Purpose.ENTRY)])
    (alert,) = trade_alerts(bench.ledger, bench.ledger.book_fills([Booking(sold, Purpose.EXIT)]))
    told = [alert.payload[name] for name in ("net", "currency", "fees_elsewhere")]
    assert told == ["10.00", "USD", "less 0.08 BNB"]
    bench.ledger.close()


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

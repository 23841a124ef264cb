"""A tick from the outside: what it decides, sends, books, and what it refuses to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.receipts import receipt_line
from kracken_tasks.domain.trading import Action, Purpose, TradingState
from kracken_tasks.errors import RetryLater
from kracken_tasks.execution.desk import ExecutionConfig
from kracken_tasks.execution.marks import release
from kracken_tasks.execution.paper_matching import PaperBook
from kracken_tasks.execution.tick_deps import lease_name
from kracken_tasks.ledger import AlertKind, IntentResult, Lease
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules
from tests.support.bench import Bench, MadeCandles
from tests.support.market_data import BTC, ETH, instrument
from tests.unit.execution.test_paper_broker import buy

BUY_BOTH = {BTC: Action.BUY, ETH: Action.BUY}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def test_entry_is_filled_booked_and_protected_within_its_tick(bench: Bench) -> None:
    report = bench.tick({BTC: Action.BUY})
    assert report.done
    assert [fill.purpose for fill in report.fills] == [Purpose.ENTRY]
    assert report.unprotected == ()
    position = bench.ledger.positions()[BTC]
    assert position.strategy == "telling"
    assert position.stop_price is not None
    assert position.take_profit_price is not None
    bench.require_truth()


def test_news_of_an_entry_say_how_its_size_came_about(bench: Bench) -> None:
    report = bench.tick({BTC: Action.BUY})
    (news,) = [alert for alert in bench.ledger.alerts() if alert.kind is AlertKind.TRADE_OPENED]
    receipt = report.decisions[0].receipt
    assert receipt is not None
    assert news.payload["receipt"] == receipt_line(receipt)


def test_bad_start_keeps_an_account_out_for_a_while_and_not_for_ever(bench: Bench) -> None:
    bench.limits = RiskLimits(
        cooldown_minutes=0, max_consecutive_losses=50, max_drawdown_limit=0.5, daily_loss_limit=0.5,
        kelly_min_trades=3, kelly_window_days=2.0,
    )  # fmt: skip
    for _ in range(3):
        bench.tick({BTC: Action.BUY})
        bench.market.prices[BTC] *= 0.99
        bench.tick({BTC: Action.SELL})
    blocked = bench.tick({BTC: Action.BUY}).decisions[0].blocked_by
    assert blocked is not None
    assert blocked.guard == "size_above_zero"
    assert len(bench.tick({BTC: Action.BUY}, seconds=3 * 86_400).sent) == 1


def test_second_entry_of_a_tick_counts_the_first_as_open_before_its_fill_is_known(bench: Bench) -> None:
    bench.limits = RiskLimits(cooldown_minutes=0, max_open_positions=1)
    first, second = bench.tick(BUY_BOTH).decisions
    assert first.blocked_by is None
    assert second.blocked_by is not None
    assert second.blocked_by.guard == "position_cap"


def test_second_entry_of_a_tick_leaves_the_first_its_cash_at_the_worst_price(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cash="1000")
    bench.limits = RiskLimits(
        cooldown_minutes=0, max_position_size=0.6, max_order_fraction=0.6, max_risk_per_trade=0.05, max_total_exposure=1.0,
        correlation_threshold=0.99,
    )  # fmt: skip
    report = bench.tick(BUY_BOTH)
    first, second = (sent.request for sent in report.sent)
    assert first.limit_price is not None
    reserved = float(first.amount * first.limit_price) * 1.004
    receipt = report.decisions[1].receipt
    assert receipt is not None
    (cash,) = [cut for cut in receipt.cuts if cut.rule == "cash"]
    assert cash.reason.startswith(f"cash {1000 - reserved:.2f} ")
    assert cash.after < cash.before
    assert second.limit_price is not None
    assert reserved + float(second.amount * second.limit_price) * 1.004 <= 1000
    bench.require_truth()
    bench.ledger.close()


def test_second_entry_of_a_tick_counts_the_first_as_exposure_turnover_and_company(bench: Bench) -> None:
    bench.limits = RiskLimits(
        cooldown_minutes=0, max_total_exposure=0.15, max_daily_turnover=0.5, correlation_threshold=0.1
    )
    report = bench.tick(BUY_BOTH, snapshot=lambda: _Alike(bench.market))
    receipt = report.decisions[1].receipt
    assert receipt is not None
    cuts = {cut.rule: cut.reason for cut in receipt.cuts}
    worst = sum(float(sent.request.amount * (sent.request.limit_price or 0)) for sent in report.sent[:1])
    assert cuts["exposure"].startswith(f"exposure {worst:.2f} ")
    assert "BTC/USD" in cuts["correlation"]
    (turnover,) = [guard for guard in report.decisions[1].guards if guard.guard == "daily_turnover"]
    assert turnover.reason.startswith(f"turnover with this order {worst + float(receipt.notional):.2f}")


class _Alike(MadeCandles):
    """Every symbol moves as BTC does."""

    def candles(self, key: SeriesKey, *args: Any, **options: Any) -> pd.DataFrame:
        frame = super().candles(replace(key, symbol=BTC), *args, **options)
        prices = ["open", "high", "low", "close", "vwap"]
        frame[prices] *= self.market.prices[key.symbol] / self.market.prices[BTC]
        return frame


def test_entry_in_doubt_is_spent_money_for_the_next_ticks(bench: Bench) -> None:
    bench.limits = RiskLimits(cooldown_minutes=0, max_open_positions=1)
    bench.venue.submit_faults = ["lost_before"]
    assert BTC in bench.tick({BTC: Action.BUY}).unknown
    blocked = bench.tick({ETH: Action.BUY}, seconds=3).decisions[1].blocked_by
    assert blocked is not None
    assert blocked.guard == "position_cap"
    assert len(bench.tick({ETH: Action.BUY}, seconds=60).sent) == 1


def test_all_that_a_tick_sends_is_booked_by_one_look(bench: Bench) -> None:
    bench.tick(BUY_BOTH)
    assert bench.venue.calls == [
        "open_orders", "fills", "quotes", "balances", "cash_movements", "submit", "submit", "open_orders", "fills", "orders", "balances",
    ]  # fmt: skip
    bench.venue.calls.clear()
    bench.tick({BTC: Action.SELL, ETH: Action.SELL})
    sale = ["cancel", "orders_with_fills", "submit"]
    look = ["open_orders", "fills", "orders", "balances"]
    assert bench.venue.calls == ["open_orders", "fills", "quotes", "balances", *sale, *sale, *look]
    bench.require_truth()


def test_accepted_order_that_no_listing_shows_keeps_its_symbol_in_doubt_until_it_is_found(bench: Bench) -> None:
    real, bench.venue.fill_lag = bench.venue.orders, timedelta(seconds=30)
    bench.venue.listing_lag = timedelta(seconds=30)
    bench.venue.orders = lambda order_ids: {}  # type: ignore[method-assign]  # a listing that lags
    report = bench.tick({BTC: Action.BUY})
    assert "is in no listing" in report.unknown[BTC]
    assert report.differences == ()
    bench.venue.orders = real  # type: ignore[method-assign]  # it has caught up
    healed = bench.tick(seconds=60)
    assert healed.unknown == {}
    assert BTC in bench.ledger.positions()
    bench.require_truth()


def test_money_of_fills_still_owed_is_no_difference_but_everything_else_is(bench: Bench) -> None:
    bench.venue.fill_lag = timedelta(seconds=60)
    report = bench.tick({BTC: Action.BUY})
    assert (report.differences, report.state) == ((), TradingState.NORMAL)
    bench.venue.inner.submit(buy("e" * 32, symbol=ETH, limit_price=Decimal("2600")))  # a trade by hand
    report = bench.tick(seconds=10)
    assert [line.asset for line in report.differences] == ["ETH"]
    assert report.state is TradingState.REDUCE_ONLY


def test_fills_owed_for_too_long_are_a_difference_after_all(bench: Bench) -> None:
    bench.venue.fill_lag = timedelta(hours=5)
    assert bench.tick({BTC: Action.BUY}).differences == ()
    late = bench.tick(seconds=700)
    assert [line.asset for line in late.differences] == ["BTC", "USD"]
    assert late.state is TradingState.REDUCE_ONLY
    bench.venue.fill_lag = timedelta(0)
    assert bench.tick().state is TradingState.NORMAL
    bench.require_truth()


def test_quiet_tick_costs_a_handful_of_venue_calls(bench: Bench) -> None:
    bench.tick(BUY_BOTH)
    bench.venue.calls.clear()
    bench.tick()
    assert sorted(bench.venue.calls) == ["balances", "fills", "open_orders", "quotes"]


def test_repeated_slot_sends_nothing_new(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.venue.calls.clear()
    assert bench.again({BTC: Action.BUY, ETH: Action.BUY}).result == "repeated"
    assert bench.venue.calls == []


def test_newcomer_is_told_who_holds_the_lease_and_until_when(bench: Bench) -> None:
    held = bench.ledger.leases.acquire(lease_name(bench.ledger), "pod-7", timedelta(minutes=2), bench.wall.now())
    assert isinstance(held, Lease)
    report = bench.again()
    assert report.result.startswith("skipped: lease held by pod-7 until 2026-01-01T00:02:00Z")
    assert bench.venue.calls == []


def test_lease_is_given_back_so_that_the_next_tick_need_not_wait(bench: Bench) -> None:
    assert bench.tick().done
    assert bench.tick(seconds=1).done


def test_lease_outlives_a_slow_venue_and_a_long_wait_for_the_bar(bench: Bench) -> None:
    left: list[float] = []

    def look_at_lease() -> None:
        held = bench.ledger.leases.current(lease_name(bench.ledger), bench.wall.now())
        left.append(0.0 if held is None else (held.until - bench.wall.now()).total_seconds())

    def wait(keys: object, bar: object) -> None:
        look_at_lease()
        bench.wall.advance(timedelta(seconds=12))

    def snapshot() -> MadeCandles:
        look_at_lease()
        return bench.candles

    class SlowVenue(_FreezingBroker):
        def quotes(self, symbols: Any) -> Any:
            bench.wall.advance(timedelta(seconds=9))
            return bench.venue.quotes(symbols)

    report = bench.tick(
        {BTC: Action.BUY},
        broker=SlowVenue(bench, lambda: None),
        config=ExecutionConfig(lease_ttl=timedelta(seconds=20)),
        wait_for_bar=wait,
        snapshot=snapshot,
    )
    assert left == [20.0, 20.0]
    assert [sent.result for sent in report.sent] == [IntentResult.ACCEPTED]


def test_zombie_that_wakes_after_its_lease_was_given_away_sends_nothing(bench: Bench) -> None:
    """Frozen between committing the intent and sending it, while another process took over."""
    truth = bench.ledger.leases

    def freeze() -> None:
        bench.pass_time(600)
        other = truth.acquire(lease_name(bench.ledger), "other", timedelta(minutes=2), bench.wall.now())
        assert isinstance(other, Lease)

    bench.tick({BTC: Action.BUY}, broker=_FreezingBroker(bench, freeze))
    assert bench.venue.submitted == []
    assert bench.ledger.positions() == {}
    bench.pass_time(300)
    bench.tick()
    assert bench.ledger.open_intents() == ()
    bench.require_truth()


class _FreezingBroker:
    """Freezes after it has told the time for an entry's deadline: right before the send."""

    def __init__(self, bench: Bench, freeze: Callable[[], None]) -> None:
        self._bench, self._freeze, self._frozen = bench, freeze, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bench.venue, name)

    def now(self) -> datetime:
        moment = self._bench.venue.now()
        if self._bench.ledger.decisions() and not self._frozen:
            self._frozen = True
            self._freeze()
        return moment


def test_entry_judged_on_a_quote_that_grew_old_while_the_process_was_frozen_is_withdrawn(bench: Bench) -> None:
    class Sleepy(_FreezingBroker):
        def now(self) -> datetime:
            super().now()
            return bench.venue.now()  # asked again after it woke

    report = bench.tick({BTC: Action.BUY}, broker=Sleepy(bench, lambda: bench.market.pass_time(90)))
    assert [sent.result for sent in report.sent] == [IntentResult.WITHDRAWN]
    assert "90 s old" in report.sent[0].reason
    assert bench.venue.submitted == []
    bench.require_truth()


def test_process_frozen_until_after_the_deadline_is_refused_by_the_venue(bench: Bench) -> None:
    bench.venue.submit_faults = ["frozen"]
    report = bench.tick({BTC: Action.BUY})
    assert [sent.result for sent in report.sent] == [IntentResult.REFUSED]
    assert "Deadline" in report.sent[0].reason
    bench.require_truth()


def test_clear_refusal_is_recorded_and_not_tried_again(bench: Bench) -> None:
    bench.venue.submit_faults = ["refused"]
    report = bench.tick({BTC: Action.BUY})
    assert [sent.result for sent in report.sent] == [IntentResult.REFUSED]
    assert bench.venue.calls.count("submit") == 1


def test_request_that_surely_did_not_leave_is_not_tried_again_within_the_tick(bench: Bench) -> None:
    bench.venue.submit_faults = ["no_connection"]
    report = bench.tick({BTC: Action.BUY})
    assert [sent.result for sent in report.sent] == [IntentResult.NEVER_ARRIVED]
    assert bench.venue.calls.count("submit") == 1
    assert bench.ledger.open_intents() == ()


def test_lost_answer_of_an_accepted_order_is_found_in_the_same_tick_and_nothing_is_resent(bench: Bench) -> None:
    bench.venue.submit_faults = ["lost_after"]
    report = bench.tick(BUY_BOTH)
    assert [item.result for item in report.resolved] == [IntentResult.ACCEPTED]
    assert set(bench.ledger.positions()) == {BTC, ETH}
    bench.require_truth()


def test_lost_request_leaves_its_symbol_alone_while_the_others_trade(bench: Bench) -> None:
    bench.venue.submit_faults = ["lost_before"]
    report = bench.tick(BUY_BOTH)
    assert BTC in report.unknown
    assert set(bench.ledger.positions()) == {ETH}
    again = bench.tick({BTC: Action.BUY}, seconds=3)
    assert BTC in again.unknown
    assert again.decisions[0].blocked_by is not None
    later = bench.tick({BTC: Action.BUY}, seconds=60)
    assert [item.result for item in later.resolved] == [IntentResult.NEVER_ARRIVED]
    assert set(bench.ledger.positions()) == {BTC, ETH}
    bench.require_truth()


def test_order_that_arrives_late_is_found_and_not_doubled(bench: Bench) -> None:
    bench.venue.submit_faults = ["late"]
    bench.tick({BTC: Action.BUY})
    assert bench.ledger.positions() == {}
    report = bench.tick({BTC: Action.BUY}, seconds=4)
    assert [item.result for item in report.resolved] == [IntentResult.ACCEPTED]
    assert len(bench.venue.submitted) == 1
    bench.require_truth()


def test_order_hidden_by_the_listing_lag_is_not_declared_lost(bench: Bench) -> None:
    bench.venue.submit_faults = ["lost_after"]
    bench.venue.listing_lag = bench.venue.fill_lag = timedelta(seconds=4)
    assert BTC in bench.tick({BTC: Action.BUY}).unknown
    report = bench.tick({BTC: Action.BUY}, seconds=5)
    assert [item.result for item in report.resolved] == [IntentResult.ACCEPTED]
    assert len(bench.venue.submitted) == 1


def test_lost_answer_of_an_order_that_ended_unfilled_is_found_among_the_closed(bench: Bench) -> None:
    bench.venue.books[BTC] = PaperBook(bids=(), asks=())
    bench.venue.submit_faults = ["lost_after"]
    report = bench.tick({BTC: Action.BUY})
    assert [item.result for item in report.resolved] == [IntentResult.ACCEPTED]
    assert bench.ledger.positions() == {}
    bench.require_truth()


def test_fill_that_is_listed_before_its_order_gives_the_order_away(bench: Bench) -> None:
    bench.venue.submit_faults = ["lost_after"]
    bench.venue.listing_lag = timedelta(seconds=4)
    report = bench.tick({BTC: Action.BUY})
    assert [item.result for item in report.resolved] == [IntentResult.ACCEPTED]
    assert BTC in bench.ledger.positions()


def test_stale_symbol_is_not_entered_and_says_which_bar_it_saw(bench: Bench) -> None:
    bench.candles.bars_late = 3
    report = bench.tick({BTC: Action.BUY})
    blocked = report.decisions[0].blocked_by
    assert blocked is not None
    assert "stale, not entered" in blocked.reason
    assert report.sent == ()


def test_quarantined_symbol_is_not_entered_but_its_exit_still_runs(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.candles.quarantined = {BTC, ETH}
    bench.market.prices[BTC] *= 1.08
    report = bench.tick({ETH: Action.BUY})
    assert report.sent == ()
    assert [left.purpose for left in report.exits] == [Purpose.TAKE_PROFIT]
    bench.require_truth()


def test_row_finding_keeps_the_symbol_out(bench: Bench) -> None:
    bench.findings[BTC] = "negative_volume"
    report = bench.tick(BUY_BOTH)
    assert [sent.key.symbol for sent in report.sent] == [ETH]


def test_bug_in_one_strategy_costs_no_other_symbol_anything(bench: Bench) -> None:
    bench.strategy.breaks = {BTC}
    report = bench.tick(BUY_BOTH)
    assert "ZeroDivisionError" in report.problems[BTC]
    assert set(bench.ledger.positions()) == {ETH}
    bench.require_truth()


def test_exits_run_before_and_without_candles(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.market.prices[BTC] *= 1.08

    def no_lake() -> object:
        raise RetryLater("the lake cannot be read")

    with pytest.raises(RetryLater):
        bench.tick(snapshot=no_lake)
    assert bench.ledger.positions() == {}


def test_signal_to_sell_closes_the_long(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    report = bench.tick({BTC: Action.SELL})
    assert [left.purpose for left in report.exits] == [Purpose.EXIT]
    (trip,) = bench.ledger.round_trips()
    assert trip.exit_reason.startswith("signal")
    bench.require_truth()


def test_position_is_left_when_its_time_is_up(bench: Bench) -> None:
    bench.stops = StopRules(max_holding=timedelta(hours=2))
    bench.tick({BTC: Action.BUY})
    assert bench.tick(seconds=3600).exits == ()
    (left,) = bench.tick(seconds=3700).exits
    assert left.reason.startswith("max_holding")


def test_trailing_stop_rises_with_the_price_by_amend_and_never_falls(bench: Bench) -> None:
    bench.stops = StopRules(trailing_pct=0.03, take_profit_pct=1.0)
    bench.tick({BTC: Action.BUY})
    (before,) = bench.venue.inner.open_orders()
    for factor in (1.05, 1.10, 1.08):
        bench.market.prices[BTC] = 50_000.0 * factor
        bench.tick()
    (after,) = bench.venue.inner.open_orders()
    assert after.order_id == before.order_id
    assert after.trigger_price is not None
    assert float(after.trigger_price) == pytest.approx(50_000 * 1.10 * 0.97, rel=1e-3)
    bench.require_truth()


def test_stop_that_filled_between_ticks_is_booked_once_with_its_purpose(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.market.prices[BTC] *= 0.9
    report = bench.tick()
    assert [fill.purpose for fill in report.fills] == [Purpose.STOP]
    assert [alert.kind for alert in bench.ledger.alerts()].count(AlertKind.STOPPED) == 1
    bench.tick()
    bench.require_truth()


def test_repeated_fills_in_a_listing_are_booked_once(bench: Bench) -> None:
    bench.venue.repeat_fills = True
    bench.tick(BUY_BOTH)
    bench.tick()
    bench.require_truth()


def test_fills_listed_late_keep_the_symbol_in_doubt_until_they_come(bench: Bench) -> None:
    bench.venue.fill_lag = timedelta(seconds=30)
    report = bench.tick({BTC: Action.BUY})
    assert "not listed yet" in report.unknown[BTC]
    bench.venue.fill_lag = timedelta(0)
    bench.tick(seconds=60)
    assert BTC in bench.ledger.positions()
    bench.require_truth()


def test_partial_fill_is_protected_for_what_was_filled(bench: Bench) -> None:
    bench.venue.books[BTC] = PaperBook(bids=(), asks=((Decimal("50010"), Decimal("0.004")),))
    bench.tick({BTC: Action.BUY})
    assert bench.ledger.positions()[BTC].amount == Decimal("0.004")
    bench.require_truth()


def test_exit_into_a_thin_book_protects_the_rest_in_the_same_tick(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.venue.books[BTC] = PaperBook(bids=((Decimal("49990"), Decimal("0.01")),), asks=())
    report = bench.tick({BTC: Action.SELL})
    assert report.unprotected == ()
    assert 0 < bench.ledger.positions()[BTC].amount < Decimal("0.01")
    bench.require_truth()


def test_stop_canceled_by_somebody_is_placed_again(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    (stop,) = bench.venue.inner.open_orders()
    bench.venue.inner.cancel(stop.order_id)
    report = bench.tick()
    (protection,) = report.protections
    assert protection.naked_seconds > 0
    assert protection.protected
    bench.require_truth()


def test_venue_without_conditional_close_gets_its_stop_within_the_tick(tmp_path: Path) -> None:
    bench = Bench(tmp_path, conditional_close=False)
    report = bench.tick({BTC: Action.BUY})
    assert bench.venue.submitted[0].close is None
    assert report.unprotected == ()
    bench.require_truth()
    bench.ledger.close()


def test_strangers_order_is_reported_once_and_left_alone(bench: Bench) -> None:
    stranger = bench.venue.inner.submit(buy("f" * 32, limit_price=Decimal("40000"), time_in_force="GTC"))
    report = bench.tick({BTC: Action.BUY})
    bench.tick()
    assert [order.order_id for order in report.foreign_orders] == [stranger]
    assert stranger in [order.order_id for order in bench.venue.inner.open_orders()]
    assert [alert.kind for alert in bench.ledger.alerts()].count(AlertKind.UNKNOWN_ORDER) == 1


def test_coins_that_appear_by_themselves_stop_entries_and_name_asset_and_amount(bench: Bench) -> None:
    bench.tick()
    bench.venue.inner.submit(buy("e" * 32))  # a trade by hand
    report = bench.tick({ETH: Action.BUY})
    assert report.state is TradingState.REDUCE_ONLY
    assert "BTC by 0.01" in report.state_reason
    assert report.sent == ()


def test_deposit_is_no_profit_and_no_difference(bench: Bench) -> None:
    bench.tick()
    bench.venue.inner.deposit("USD", Decimal(5000))
    report = bench.tick()
    assert report.differences == ()
    assert report.unit_value == pytest.approx(1.0)
    assert report.equity == pytest.approx(15_000)


def test_drawdown_halts_sells_everything_and_stays_until_released(bench: Bench) -> None:
    bench.tick(BUY_BOTH)
    bench.venue.inner.deposit("USD", Decimal(0))
    last = bench.ledger.last_equity()
    assert last is not None
    bench.ledger.mark_equity(replace(last, ts=last.ts + timedelta(seconds=1), peak=Decimal(2), seq=0))
    report = bench.tick()
    assert report.state is TradingState.HALTED
    assert {left.purpose for left in report.exits} == {Purpose.FLATTEN}
    assert bench.ledger.positions() == {}
    assert bench.tick({BTC: Action.BUY}).sent == ()
    release(bench.ledger, "ada", now=bench.market.now())
    assert len(bench.tick({BTC: Action.BUY}).sent) == 1
    bench.require_truth()


def test_state_is_read_again_right_before_sending(bench: Bench) -> None:
    report = bench.tick(
        {BTC: Action.BUY},
        wait_for_bar=lambda keys, bar: bench.ledger.set_state(
            TradingState.HALTED, "operator: stop", ts=bench.market.now()
        ),
    )
    assert report.sent == ()
    assert bench.venue.submitted == []


def test_halted_pair_is_not_traded_by_the_venues_own_status(bench: Bench) -> None:
    bench.market.listed[BTC] = instrument(BTC, status="cancel_only")
    report = bench.tick(BUY_BOTH)
    assert [sent.key.symbol for sent in report.sent] == [ETH]


def test_unreadable_venue_ends_the_tick_with_nothing_sent(bench: Bench) -> None:
    bench.venue.read_faults = 1
    with pytest.raises(RetryLater):
        bench.tick({BTC: Action.BUY})
    assert bench.venue.submitted == []
    assert bench.tick({BTC: Action.BUY}).done  # the lease was given back


def test_unreadable_balances_stop_entries_but_not_exits(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.market.prices[BTC] *= 1.08
    real = bench.venue.balances
    bench.venue.balances = lambda: (_ for _ in ()).throw(RetryLater("time-out"))  # type: ignore[method-assign]  # a fault
    report = bench.tick({ETH: Action.BUY})
    bench.venue.balances = real  # type: ignore[method-assign]  # healed
    assert "time-out" in report.problems["account"]
    assert len(report.exits) == 1
    assert report.sent == ()


def test_two_runs_of_the_same_history_leave_identical_ledgers(tmp_path: Path) -> None:
    def life(folder: Path) -> str:
        folder.mkdir()
        bench = Bench(folder)
        bench.tick(BUY_BOTH)
        bench.market.prices[BTC] *= 1.08
        bench.tick()
        bench.tick({ETH: Action.SELL})
        dump = bench.ledger.dump()
        bench.ledger.close()
        return dump

    assert life(tmp_path / "one") == life(tmp_path / "two")


def test_report_shows_the_tick_on_one_page(bench: Bench) -> None:
    text = bench.tick(BUY_BOTH).to_markdown()
    for words in (
        "# Tick bench@1",
        "## Decisions",
        "PO000001",
        "## Fills",
        "## Stops",
        "protected",
        "## Receipts",
        "venue",
    ):
        assert words in text
    assert "| BTC/USD | BUY |" in text


def test_muted_stream_blocks_entries_within_its_bound_and_exits_still_run(bench: Bench) -> None:
    silent_since = {BTC: 0.0, ETH: 0.0}

    def feed(symbol: str, now: datetime) -> tuple[float, str]:
        return silent_since[symbol], f"ticker feed of kraken {symbol} was last whole {silent_since[symbol]:.1f} s ago"

    assert len(bench.tick({BTC: Action.BUY}, feed=feed).sent) == 1
    silent_since |= {BTC: 15.1, ETH: 15.1}
    report = bench.tick({BTC: Action.SELL, ETH: Action.BUY}, feed=feed)
    (refused,) = [decision for decision in report.decisions if decision.symbol == ETH]
    assert refused.blocked_by is not None
    assert refused.blocked_by.guard == "feed_live"
    assert "15.1 s ago, allowed 15 s" in refused.blocked_by.reason
    assert [left.symbol for left in report.exits] == [BTC]
    assert bench.ledger.positions() == {}
    silent_since[ETH] = 4.0
    assert len(bench.tick({ETH: Action.BUY}, feed=feed).sent) == 1
    bench.require_truth()


def test_stop_and_target_are_looked_after_while_the_stream_is_dead(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.market.prices[BTC] *= 1.10
    report = bench.tick({}, feed=lambda symbol, now: (float("inf"), "its recorder has died"))
    assert [left.symbol for left in report.exits] == [BTC]
    bench.require_truth()

"""A tick that leaves positions, keeps their stops, and meets what others do in its account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, Purpose, TradingState
from kracken_tasks.errors import RetryLater
from kracken_tasks.execution.paper_matching import PaperBook
from kracken_tasks.ledger import AlertKind
from kracken_tasks.risk.stops import StopRules
from tests.support.bench import Bench
from tests.support.market_data import BTC, ETH
from tests.unit.execution.test_paper_broker import buy

BUY_BOTH = {BTC: Action.BUY, ETH: Action.BUY}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def test_quarantined_symbol_is_not_entered_but_its_exit_still_runs(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.candles.quarantined = {BTC, ETH}
    bench.market.prices[BTC] *= 1.08
    report = bench.tick({ETH: Action.BUY})
    assert report.sent == ()
    assert [left.purpose for left in report.exits] == [Purpose.TAKE_PROFIT]
    bench.require_truth()


@pytest.mark.parametrize("held_against", ["quarantine", "row rules"])
def test_a_signal_made_from_rows_that_are_objected_to_sold_the_position(bench: Bench, held_against: str) -> None:
    bench.tick({BTC: Action.BUY})
    if held_against == "quarantine":
        bench.candles.quarantined = {BTC}
    else:
        bench.findings = {BTC: "misprint"}
    report = bench.tick({BTC: Action.SELL})
    (decision,) = [one for one in report.decisions if one.symbol == BTC]
    assert decision.action is Action.HOLD
    assert decision.reason.startswith("blocked by rows_clean: ")
    assert report.exits == ()
    bench.require_truth()
    bench.candles.quarantined, bench.findings = set(), {}
    assert [left.purpose for left in bench.tick({BTC: Action.SELL}).exits] == [Purpose.EXIT]
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


def test_state_is_read_again_right_before_sending(bench: Bench) -> None:
    report = bench.tick(
        {BTC: Action.BUY},
        wait_for_bar=lambda keys, bar: bench.ledger.set_state(
            TradingState.HALTED, "operator: stop", ts=bench.market.now()
        ),
    )
    assert report.sent == ()
    assert bench.venue.submitted == []


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

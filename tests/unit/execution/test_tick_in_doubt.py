"""A tick where answers are lost, late or repeated, leases run out and processes freeze: nothing twice, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import Action, Purpose, TradingState
from kracken_tasks.errors import RetryLater
from kracken_tasks.execution.desk import ExecutionConfig, lease_name
from kracken_tasks.execution.marks import release
from kracken_tasks.execution.paper_matching import PaperBook
from kracken_tasks.ledger import IntentResult, Lease
from kracken_tasks.risk.limits import RiskLimits
from tests.support.bench import Bench, MadeCandles
from tests.support.market_data import BTC, ETH
from tests.unit.execution.test_paper_broker import buy

BUY_BOTH = {BTC: Action.BUY, ETH: Action.BUY}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


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


def test_unreadable_venue_ends_the_tick_with_nothing_sent(bench: Bench) -> None:
    bench.venue.read_faults = 1
    with pytest.raises(RetryLater):
        bench.tick({BTC: Action.BUY})
    assert bench.venue.submitted == []
    assert bench.tick({BTC: Action.BUY}).done  # the lease was given back

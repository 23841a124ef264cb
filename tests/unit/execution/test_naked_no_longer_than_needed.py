"""What leaves a position without its stop for a moment: waited out, asked again, or not done; the next slot may be an hour away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import Action, VenueOrder
from kracken_tasks.errors import RetryLater
from kracken_tasks.execution.paper_matching import PaperBook
from kracken_tasks.ledger import AlertKind
from kracken_tasks.risk.stops import StopRules
from tests.support.bench import Bench
from tests.support.ledger import sqlite_url
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC, ETH
from tests.support.stopping import Stopped, Stopper, StoppingBroker, StoppingLedger

THIN = PaperBook(bids=((Decimal("49990"), Decimal("0.01")),), asks=())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def stops(bench: Bench, symbol: str = BTC) -> list[VenueOrder]:
    return [order for order in bench.venue.inner.open_orders() if order.symbol == symbol and order.trigger_price]


def die_after(bench: Bench, step: str, says: dict[str, Action]) -> None:
    """Run a tick in a process that dies right after the first step of this name."""

    class DiesAfter(Stopper):
        def step(self, name: str) -> None:
            super().step(name)
            if name == step:
                self.dead = True
                raise Stopped(name)

    dying = StoppingLedger.with_stopper(sqlite_url(bench.folder), DiesAfter())
    with pytest.raises(Stopped):
        bench.tick(says, broker=StoppingBroker(bench.venue, dying.stopper), ledger=dying)
    dying.close()
    name = bench.ledger.leases
    name.release(name.take_over("trading:kraken:main", "undertaker", timedelta(minutes=1), bench.wall.now()))


def test_stop_not_listed_yet_is_not_placed_twice_where_other_coins_lie(bench: Bench) -> None:
    bench.venue.inner.deposit("BTC", Decimal(1))
    bench.tick()
    bench.venue.listing_lag = timedelta(seconds=4)
    report = bench.tick({BTC: Action.BUY})
    (protection,) = report.unprotected
    assert protection.awaited
    assert len(stops(bench)) == 1
    assert not [alert for alert in bench.ledger.alerts() if alert.kind is AlertKind.UNPROTECTED]
    bench.tick()
    assert len(stops(bench)) == 1
    bench.require_protected()


def test_stop_not_listed_yet_is_seen_before_the_tick_ends_where_time_passes(bench: Bench) -> None:
    bench.venue.inner.deposit("BTC", Decimal(1))
    bench.tick()
    bench.venue.listing_lag = timedelta(seconds=4)
    report = bench.tick({BTC: Action.BUY}, pause=bench.pass_time)
    assert report.unprotected == ()
    assert len(stops(bench)) == 1
    bench.require_protected()


def test_stop_that_never_came_is_placed_as_soon_as_the_lag_is_over(bench: Bench) -> None:
    bench.venue.listing_lag = timedelta(seconds=4)
    report = bench.tick(
        {BTC: Action.BUY},
        broker=LyingVenue(bench.venue, submit=lambda honest, request: honest(replace(request, close=None))),
        pause=bench.pass_time,
    )
    assert [item.awaited for item in report.protections] == [False]
    assert len(stops(bench)) == 1
    bench.require_protected()


def test_listing_that_cannot_be_read_after_a_partial_exit_is_asked_again_and_the_rest_protected(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.venue.books[BTC] = THIN
    sold: list[Any] = []

    def listing(honest: Any) -> Any:
        if len(sold) == 1:
            sold.append("the look after the sale")
            raise RetryLater("time-out while reading")
        return honest()

    def submit(honest: Any, request: Any) -> Any:
        sold.append(request)
        return honest(request)

    report = bench.tick({BTC: Action.SELL}, broker=LyingVenue(bench.venue, open_orders=listing, submit=submit))
    assert sold[1] == "the look after the sale"
    assert report.done
    assert report.unprotected == ()
    assert bench.ledger.positions()[BTC].amount > 0
    bench.require_truth()


def test_rerun_of_an_exit_killed_between_cancel_and_sale_does_not_end_naked(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    die_after(bench, "after cancel", {BTC: Action.SELL})
    assert stops(bench) == []
    report = bench.again(pause=bench.pass_time)
    assert report.done
    assert report.unprotected == ()
    bench.require_truth()


def test_stop_whose_answer_was_lost_on_the_way_is_placed_before_the_tick_ends(bench: Bench) -> None:
    bench.venue.supports_conditional_close = False
    bench.venue.submit_faults = ["", "lost_before"]
    report = bench.tick({BTC: Action.BUY}, pause=bench.pass_time)
    assert report.unprotected == ()
    bench.require_truth()


def test_where_market_time_stands_still_nothing_is_waited_for_twice(bench: Bench) -> None:
    bench.venue.supports_conditional_close = False
    bench.venue.submit_faults = ["", "lost_before"]
    waited: list[float] = []
    report = bench.tick({BTC: Action.BUY}, pause=waited.append)
    assert [item.symbol for item in report.unprotected] == [BTC]
    assert sum(waited) <= 15
    bench.tick()
    bench.require_truth()


def test_signal_to_sell_in_the_tick_that_placed_the_stop_frees_that_stop_first(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    (stop,) = stops(bench)
    bench.venue.inner.cancel(stop.order_id)
    report = bench.tick({BTC: Action.SELL})
    assert [left.problem for left in report.exits] == [""]
    assert bench.ledger.positions() == {}
    bench.require_truth()


def test_rerun_acts_on_what_the_killed_run_wrote_and_not_on_a_new_opinion(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    die_after(bench, "after record_decision", {})
    report = bench.again({BTC: Action.SELL, ETH: Action.SELL})
    assert [(item.symbol, item.action) for item in report.decisions] == [(BTC, Action.HOLD), (ETH, Action.SELL)]
    assert [left.symbol for left in report.exits] == [ETH]
    bench.require_truth()


def test_rerun_carries_out_the_sale_that_the_killed_run_wrote(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    die_after(bench, "after record_decision", {BTC: Action.SELL})
    bench.again()
    assert bench.ledger.positions() == {}
    bench.require_truth()


def test_broken_lake_keeps_no_exit_from_being_booked_and_the_account_from_being_marked(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    bench.market.prices[BTC] *= 1.08
    marked = len(bench.ledger.equity())

    def no_lake() -> object:
        raise RetryLater("the lake cannot be read")

    with pytest.raises(RetryLater, match="the lake"):
        bench.tick(snapshot=no_lake)
    assert set(bench.ledger.positions()) == {ETH}
    assert len(bench.ledger.equity()) == marked + 1
    assert bench.ledger.tick(bench.slot().tick_id) is None
    bench.require_truth()
    assert bench.again().done


def test_run_that_was_frozen_does_not_lower_a_stop_that_was_raised_meanwhile(bench: Bench) -> None:
    bench.stops = StopRules(trailing_pct=0.03, take_profit_pct=1.0)
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    bench.market.prices.update({BTC: 52_000.0, ETH: 2_600.0})
    (other,) = stops(bench, ETH)

    def amend(honest: Any, order_id: str, **change: Any) -> None:
        honest(order_id, **change)
        if order_id != other.order_id:  # meanwhile a successor raises the other stop, and the plan with it
            position = bench.ledger.positions()[ETH]
            plan = bench.ledger.plan(position.position_id)
            assert plan is not None
            higher = replace(plan, stop_price=Decimal("2580"))
            bench.ledger.set_plan(position.position_id, higher, ts=bench.market.now())
            honest(other.order_id, trigger_price=Decimal("2580"))

    bench.tick(broker=LyingVenue(bench.venue, amend=amend))
    (after,) = stops(bench, ETH)
    assert after.trigger_price == Decimal("2580")

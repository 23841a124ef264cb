"""Orders on the venue that the ledger never recorded: left alone, or adopted with everything that belongs to a position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import Action, OrderKind, OrderRequest, Purpose, Side, TradingState
from kracken_tasks.execution.desk import ExecutionConfig
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.report import TickReport
from kracken_tasks.ledger import AlertKind, LeaseLost
from tests.support.bench import Bench
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC
from tests.unit.execution.test_paper_broker import buy

ADOPT = ExecutionConfig(adopt_unknown_orders=True)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, symbols=(BTC,))
    made.tick()
    yield made
    made.ledger.close()


def adopting(bench: Bench, says: Action = Action.HOLD, **changes: Any) -> TickReport:
    return bench.tick({BTC: says}, config=ADOPT, **changes)


def sale(amount: str, *, trigger: str | None = None, limit: str | None = None) -> OrderRequest:
    kind = OrderKind.STOP_LOSS if trigger else OrderKind.LIMIT if limit else OrderKind.MARKET
    return OrderRequest(
        "d" * 32, BTC, Side.SELL, kind, Decimal(amount),
        limit_price=Decimal(limit) if limit else None, trigger_price=Decimal(trigger) if trigger else None,
    )  # fmt: skip


def news(bench: Bench) -> list[str]:
    return [alert.payload["detail"] for alert in bench.ledger.alerts() if alert.kind is AlertKind.UNKNOWN_ORDER]


def test_reported_stranger_is_told_once_and_its_fill_is_a_difference(bench: Bench) -> None:
    bench.venue.inner.submit(buy("f" * 32))
    report = bench.tick()
    bench.tick()
    assert bench.ledger.positions() == {}
    assert report.state is TradingState.REDUCE_ONLY
    assert len(news(bench)) == 1
    assert "left alone" in news(bench)[0]


def test_adopted_purchase_that_has_filled_is_a_position_with_its_stop(bench: Bench) -> None:
    order_id = bench.venue.inner.submit(buy("f" * 32))
    report = adopting(bench)
    assert bench.ledger.positions()[BTC].amount == Decimal("0.01")
    intent = bench.ledger.intent_of_order(order_id)
    assert intent is not None
    assert (intent.tick_id, intent.purpose) == (f"adopted@{order_id}", Purpose.ENTRY)
    assert report.state is TradingState.NORMAL
    assert (report.differences, report.unprotected, report.foreign_fills) == ((), (), ())
    assert ["adopted" in text for text in news(bench)] == [True]
    bench.require_protected()


def test_adopted_purchase_that_rests_becomes_a_position_when_it_fills(bench: Bench) -> None:
    bench.venue.inner.submit(buy("f" * 32, limit_price=Decimal("49000"), time_in_force="GTC"))
    adopting(bench)
    assert bench.ledger.positions() == {}
    bench.market.prices[BTC] = 48_900.0
    report = adopting(bench)
    assert bench.ledger.positions()[BTC].amount == Decimal("0.01")
    assert report.unprotected == ()
    assert len(news(bench)) == 1
    bench.require_protected()
    assert bench.ledger.check_balances(bench.venue.inner.balances()) == ()


def test_adopted_sale_by_hand_closes_the_position_and_its_stop_goes(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    held = bench.ledger.positions()[BTC].amount
    (stop,) = bench.venue.inner.open_orders()
    bench.venue.inner.cancel(stop.order_id)
    bench.venue.inner.submit(sale(str(held)))
    adopting(bench)
    assert bench.ledger.positions() == {}
    assert bench.ledger.check_balances(bench.venue.inner.balances()) == ()
    bench.require_protected()


def test_adopted_stop_beside_ours_is_merged_to_the_size_of_the_position(bench: Bench) -> None:
    bench.venue.inner.deposit("BTC", Decimal(1))
    bench.tick({BTC: Action.BUY})
    bench.venue.inner.submit(sale("0.005", trigger="45000"))
    report = adopting(bench)
    assert report.unprotected == ()
    bench.require_protected()


def test_sale_of_coins_nobody_counted_is_left_alone_whatever_the_setting_says(bench: Bench) -> None:
    bench.venue.inner.deposit("BTC", Decimal(1))
    bench.tick()
    order_id = bench.venue.inner.submit(sale("1", trigger="45000"))
    adopting(bench)
    assert [order.order_id for order in bench.venue.inner.open_orders()] == [order_id]
    assert "left alone" in news(bench)[0]


def test_adoption_told_again_adopts_once(bench: Bench) -> None:
    bench.venue.inner.submit(buy("f" * 32))
    for _ in range(3):
        adopting(bench)
    assert len([intent for intent in bench.ledger.intents() if intent.tick_id.startswith("adopted@")]) == 1
    assert len(bench.ledger.fills()) == 1


def test_look_in_an_account_where_others_trade_goes_back_to_the_last_tick_that_agreed(bench: Bench) -> None:
    asked: list[Any] = []

    def fills(honest: Any, start: Any, known: Any = ()) -> Any:
        asked.append(start)
        return honest(start, known)

    spying = LyingVenue(bench.venue, fills=fills)
    bench.tick({BTC: Action.BUY})
    for _ in range(3):
        bench.tick(broker=spying)
    assert asked[-1] == bench.market.now() - timedelta(hours=1) - ExecutionConfig().fill_overlap
    bench.venue.inner.submit(buy("f" * 32))
    bench.tick(broker=spying)
    agreed = bench.market.now() - timedelta(hours=1)
    for _ in range(3):  # while they differ the look goes back to where they last agreed
        bench.tick(broker=spying)
    assert asked[-1] == agreed - ExecutionConfig().fill_overlap
    for _ in range(30):  # for a day at most
        bench.tick(broker=spying)
    assert asked[-1] == bench.market.now() - timedelta(hours=25) - ExecutionConfig().fill_overlap


def test_look_that_outlasts_the_lease_goes_on_if_nobody_else_came(bench: Bench) -> None:
    def slow(honest: Any, *arguments: Any) -> Any:
        bench.wall.advance(timedelta(minutes=30))
        return honest(*arguments)

    report = bench.tick({BTC: Action.BUY}, broker=LyingVenue(bench.venue, fills=slow))
    assert report.done
    assert len(report.sent) == 1
    bench.require_truth()


def test_look_that_outlasts_the_lease_ends_where_somebody_else_has_traded_meanwhile(bench: Bench) -> None:
    def slow(honest: Any, *arguments: Any) -> Any:
        bench.wall.advance(timedelta(minutes=30))
        if not bench.ledger.tick("bench@other"):
            other = replace(bench.slot(), key="other")
            bench.run_other(other)
        return honest(*arguments)

    report = bench.tick({BTC: Action.BUY}, broker=LyingVenue(bench.venue, fills=slow))
    assert report.result == "lease lost"
    assert report.sent == ()


def test_lease_that_was_used_meanwhile_is_not_taken_again(bench: Bench) -> None:
    desk = bench.desk()
    bench.wall.advance(timedelta(minutes=30))
    bench.tick()
    with pytest.raises(LeaseLost, match="somebody has traded"):
        desk.keep_lease()


def purchase_that_waits(amount: str, trigger: str) -> OrderRequest:
    return OrderRequest("e" * 32, BTC, Side.BUY, OrderKind.STOP_LOSS, Decimal(amount), trigger_price=Decimal(trigger))


def test_adopted_buy_stop_was_counted_as_the_stop_of_the_position_and_left_it_bare(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    held = bench.ledger.positions()[BTC].amount
    (stop,) = bench.venue.inner.open_orders()
    bench.venue.inner.cancel(stop.order_id)
    bench.venue.inner.submit(purchase_that_waits(str(held), "55000"))
    report = adopting(bench)
    assert report.unprotected == ()
    resting = {order.side: order.remaining for order in bench.venue.inner.open_orders()}
    assert resting == {Side.BUY: held, Side.SELL: held}


def test_adopted_buy_stop_without_a_position_is_no_stop_to_be_taken_away(bench: Bench) -> None:
    order_id = bench.venue.inner.submit(purchase_that_waits("0.01", "55000"))
    adopting(bench)
    assert [order.order_id for order in bench.venue.inner.open_orders()] == [order_id]


def test_adopted_buy_stop_does_not_outlast_a_flatten(bench: Bench) -> None:
    bench.venue.inner.submit(purchase_that_waits("0.01", "55000"))
    adopting(bench)
    assert flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada").flat
    assert bench.venue.inner.open_orders() == []

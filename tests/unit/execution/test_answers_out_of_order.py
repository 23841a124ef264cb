"""A venue whose listings disagree for a moment: what one of them tells already is not undone because another does not tell it yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from kracken_tasks.domain.trading import Action, OrderStatus, Side, VenueOrder
from kracken_tasks.execution.flatten_direct import flatten_direct
from tests.support.bench import Bench
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC

D = Decimal


def _entry_untold(bench: Bench) -> LyingVenue:
    """The stop that came with a purchase is listed; the purchase itself still looks open and unfilled, and its fills are not told."""

    def orders(honest: Any, order_ids: Any) -> Any:
        return {order_id: _unfilled(order) for order_id, order in honest(order_ids).items()}

    def fills(honest: Any, *args: Any) -> Any:
        return []

    def asked(honest: Any, order_ids: Any, *args: Any) -> Any:
        return {order_id: _unfilled(order) for order_id, order in honest(order_ids, *args)[0].items()}, []

    return LyingVenue(bench.venue, orders=orders, fills=fills, orders_with_fills=asked)


def _unfilled(order: VenueOrder) -> VenueOrder:
    if order.side is Side.SELL:
        return order
    return replace(order, status=OrderStatus.OPEN, filled=D(0), average_price=None, closed_at=None)


def test_the_stop_of_a_purchase_that_is_not_told_yet_was_canceled_for_having_no_position(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick()
    report = bench.tick({BTC: Action.BUY}, broker=_entry_untold(bench))
    bench.require_nothing_naked_on_the_venue()
    assert "not listed yet" in report.unknown[BTC]
    bench.tick(seconds=60)
    bench.require_truth()
    bench.ledger.close()


def _cancels_late(bench: Bench, before_it: Callable[[], None]) -> LyingVenue:
    """A cancel is taken and carried out a little later, as Kraken's ``pending``: until the third look at it the order rests, and trades."""
    waiting: dict[str, int] = {}

    def cancel(honest: Any, order_id: str) -> None:
        waiting.setdefault(order_id, 0)

    def asked(honest: Any, order_ids: Any, *args: Any) -> Any:
        ids = list(order_ids)
        for order_id in ids:
            if order_id in waiting:
                waiting[order_id] += 1
                if waiting[order_id] == 3:
                    before_it()
                    bench.venue.inner.cancel(order_id)
        return honest(ids, *args)

    return LyingVenue(bench.venue, cancel=cancel, orders_with_fills=asked)


def _dip(bench: Bench) -> None:
    price = bench.market.prices[BTC]
    bench.market.prices[BTC] = price * 0.9
    bench.venue.inner.open_orders()
    bench.market.prices[BTC] = price


def test_a_stop_whose_cancel_was_pending_sold_beside_the_exit_out_of_coins_of_the_accounts_owner(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.venue.inner.deposit("BTC", D(1))
    bench.tick()
    bench.tick({BTC: Action.BUY})
    venue = _cancels_late(bench, lambda: _dip(bench))
    bench.tick({BTC: Action.SELL}, broker=venue)
    bench.tick(broker=venue)
    assert bench.venue.inner.balances()["BTC"].total == 1
    assert bench.ledger.positions() == {}
    bench.require_books_agree()
    bench.ledger.close()


def test_an_exit_waits_for_a_pending_cancel_and_sells(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    report = bench.tick({BTC: Action.SELL}, broker=_cancels_late(bench, lambda: None), pause=bench.pass_time)
    assert bench.ledger.positions() == {}
    assert [left.problem for left in report.exits] == [""]
    bench.require_truth()
    bench.ledger.close()


def test_a_direct_flatten_sold_before_the_pending_cancel_let_go_of_the_coins(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    waiting: set[str] = set()

    def cancel(honest: Any, order_id: str) -> None:
        waiting.add(order_id)

    def pause(seconds: float) -> None:
        bench.pass_time(seconds)
        while waiting:
            bench.venue.inner.cancel(waiting.pop())

    report = flatten_direct(
        LyingVenue(bench.venue, cancel=cancel), tmp_path / "flatten.jsonl", account="main", by="ada", pause=pause
    )
    assert report.problems == {}
    assert bench.venue.inner.balances()["BTC"].total == 0
    bench.ledger.close()

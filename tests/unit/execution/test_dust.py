"""Amounts the venue lets nobody sell: they close a sale, lock no symbol, and are sold with what is bought next."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, Purpose
from kracken_tasks.execution.paper_matching import PaperBook
from kracken_tasks.ledger import AlertKind
from tests.support.bench import Bench
from tests.support.market_data import BTC

CRUMB = Decimal("0.00002")  # the venue's minimum is 0.0001


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, symbols=(BTC,))
    yield made
    made.ledger.close()


def take_only(bench: Bench, amount: Decimal) -> None:
    price = Decimal(str(bench.market.prices[BTC]))
    side = ((price + 5, amount),)
    bench.venue.books[BTC] = PaperBook(bids=((price - 5, amount),), asks=side)


def full_book(bench: Bench) -> None:
    bench.venue.books.clear()


def buy_a_crumb(bench: Bench) -> None:
    take_only(bench, CRUMB)
    bench.tick({BTC: Action.BUY})
    full_book(bench)
    assert bench.ledger.positions()[BTC].amount == CRUMB
    for order in bench.venue.inner.open_orders():
        bench.venue.inner.cancel(order.order_id)


def test_sale_that_leaves_less_than_can_be_sold_ends_its_position(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    take_only(bench, bench.ledger.positions()[BTC].amount - CRUMB)
    bench.tick({BTC: Action.SELL})
    assert bench.ledger.positions() == {}
    (trip,) = bench.ledger.round_trips()
    assert trip.dust == CRUMB
    assert bench.ledger.cash()["BTC"] == CRUMB
    full_book(bench)
    assert len(bench.tick({BTC: Action.BUY}).sent) == 1
    bench.require_books_agree()


def test_sale_in_several_fills_ends_with_the_last_of_them(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    whole = bench.ledger.positions()[BTC].amount
    price = Decimal(str(bench.market.prices[BTC]))
    bench.venue.books[BTC] = PaperBook(bids=((price - 5, whole - CRUMB), (price - 6, CRUMB)), asks=())
    report = bench.tick({BTC: Action.SELL})
    assert len(report.fills) == 2
    assert len({fill.position_id for fill in bench.ledger.fills()}) == 1
    assert [trip.dust for trip in bench.ledger.round_trips()] == [0]
    bench.require_truth()


def test_sale_that_leaves_what_can_be_sold_leaves_the_position_open(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    take_only(bench, bench.ledger.positions()[BTC].amount - Decimal("0.0002"))
    bench.tick({BTC: Action.SELL})
    assert bench.ledger.positions()[BTC].amount == Decimal("0.0002")
    bench.require_truth()


def test_crumb_of_an_entry_raises_no_alarm_and_is_not_tried_to_be_sold(bench: Bench) -> None:
    buy_a_crumb(bench)
    bench.market.prices[BTC] *= 0.8
    report = bench.tick()
    assert (report.exits, report.unprotected, report.problems) == ((), (), {})
    assert not [alert for alert in bench.ledger.alerts() if alert.kind is AlertKind.UNPROTECTED]


def test_symbol_with_a_crumb_is_entered_again_under_the_new_plan_and_sold_whole(bench: Bench) -> None:
    buy_a_crumb(bench)
    bench.market.prices[BTC] *= 0.8  # far below the crumb's own stop
    report = bench.tick({BTC: Action.BUY})
    assert [fill.purpose for fill in report.fills] == [Purpose.ENTRY]
    position = bench.ledger.positions()[BTC]
    assert position.stop_price is not None
    assert position.stop_price < Decimal("40000")
    assert report.unprotected == ()
    bench.require_truth()
    assert bench.tick().exits == ()
    bench.tick({BTC: Action.SELL})
    assert bench.ledger.positions() == {}
    assert "BTC" not in {asset for asset, amount in bench.ledger.cash().items() if amount}

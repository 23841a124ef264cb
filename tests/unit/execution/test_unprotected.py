"""Unprotected seconds are counted from the venue's own times, and there are none but those somebody else has made."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, CashMovement
from kracken_tasks.execution.paper_matching import PaperBook
from kracken_tasks.execution.unprotected import Exposure, exposure_of
from kracken_tasks.risk.stops import StopRules
from tests.support.bench import Bench
from tests.support.market_data import BTC


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, symbols=(BTC,))
    yield made
    made.ledger.close()


def measured(bench: Bench) -> Exposure:
    (position_id,) = {fill.position_id for fill in bench.ledger.fills() if fill.position_id}
    return exposure_of(bench.ledger, position_id, bench.market.now())


def test_position_whose_entry_carried_its_stop_was_bare_for_no_second(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    for _ in range(3):
        bench.tick()
    assert (measured(bench).unprotected, measured(bench).exiting) == (0.0, 0.0)


def test_coins_that_went_as_a_fee_before_anybody_told_counted_as_bare_for_ever(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    (bought,) = bench.ledger.fills()
    step = bench.venue.instruments()[BTC].lot_step
    line = f"correction:{bought.trade_id}:BTC:0"
    moved = CashMovement(line, bought.trade_id, "correction/fee", "BTC", -1000 * step, Decimal(0), bought.ts)
    bench.ledger.book_cash([moved])
    bench.venue.inner.deposit("BTC", -1000 * step)
    report = bench.tick()
    assert [item.wanted for item in report.protections] == [bought.amount - 1000 * step]
    bench.tick()
    assert measured(bench).unprotected == 0.0
    bench.tick({BTC: Action.SELL})
    assert bench.ledger.positions() == {}
    assert bench.venue.inner.balances()["BTC"].total == 0


def test_ten_trail_steps_by_amend_leave_no_second_bare(bench: Bench) -> None:
    bench.stops = StopRules(trailing_pct=0.03, take_profit_pct=1.0)
    bench.tick({BTC: Action.BUY})
    for step in range(10):
        bench.market.prices[BTC] = 50_000.0 * (1.01 + step / 100)
        bench.tick()
    assert measured(bench).unprotected == 0.0


def test_partly_filled_exit_is_exiting_and_its_rest_is_bare_for_no_second(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.venue.books[BTC] = PaperBook(bids=((Decimal("49990"), Decimal("0.01")),), asks=())
    bench.tick({BTC: Action.SELL})
    bench.venue.books.clear()
    bench.tick()
    assert measured(bench).unprotected == 0.0


def test_stop_that_filled_ends_the_count_with_the_position(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    bench.market.prices[BTC] *= 0.9
    bench.tick()
    bench.tick()
    assert (measured(bench).unprotected, measured(bench).exiting) == (0.0, 0.0)


def test_time_from_a_cancel_by_somebody_else_to_the_next_tick_is_counted(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    (stop,) = bench.venue.inner.open_orders()
    bench.pass_time(600)
    bench.venue.inner.cancel(stop.order_id)
    bench.tick(seconds=1200)
    bench.tick()
    assert measured(bench).unprotected == pytest.approx(1200.0, abs=1.0)


def test_report_and_ledger_say_for_how_long_each_position_was_bare(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    (stop,) = bench.venue.inner.open_orders()
    bench.venue.inner.cancel(stop.order_id)
    report = bench.tick(seconds=300)
    (exposure,) = report.exposures
    assert f"{exposure.position_id}: 300 s without a stop of its size" in report.to_markdown()
    entry = bench.ledger.tick(report.tick_id)
    assert entry is not None
    assert entry.detail["unprotected_seconds"] == f"{exposure.position_id}=300"

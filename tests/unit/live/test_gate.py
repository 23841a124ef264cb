"""The gate: nothing is bought unarmed, and nothing that makes risk smaller is ever held back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, IntentKey, OrderKind, OrderRequest, Purpose, Side
from kracken_tasks.errors import RetryLater, TradeRefused
from kracken_tasks.live import ArmedBroker, FirstOrders
from tests.support.bench import Bench
from tests.support.market_data import BTC, ETH

UNARMED = "armed by ada until noon, which is over"


def request(bench: Bench, side: Side, *, kind: OrderKind = OrderKind.MARKET, **fields: Decimal) -> OrderRequest:
    key = IntentKey("main", f"by hand {side} {len(bench.venue.submitted)}", BTC, Purpose.ENTRY)
    return OrderRequest(key.client_order_id, BTC, side, kind, Decimal("0.01"), **fields)


def gated(bench: Bench, why: str = UNARMED) -> ArmedBroker:
    return ArmedBroker(bench.venue, lambda now: why)


def test_unarmed_nothing_is_bought_and_the_reason_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(TradeRefused, match="nothing is bought: armed by ada until noon"):
        gated(bench).submit(request(bench, Side.BUY))
    assert bench.venue.submitted == []


def test_armed_it_is_the_inner_broker(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    order_id = gated(bench, why="").submit(request(bench, Side.BUY))
    assert gated(bench).orders([order_id])[order_id].filled == Decimal("0.01")


def test_unarmed_a_position_is_sold_and_its_stop_moved_and_canceled(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.submit(request(bench, Side.BUY))
    gate = gated(bench)
    stop = gate.submit(request(bench, Side.SELL, kind=OrderKind.STOP_LOSS, trigger_price=Decimal(30_000)))
    gate.amend(stop, trigger_price=Decimal(31_000))
    assert gate.orders([stop])[stop].trigger_price == Decimal(31_000)
    gate.cancel(stop)
    gate.submit(request(bench, Side.SELL))
    assert gate.balances()["BTC"].total == 0


def test_unarmed_a_resting_purchase_is_not_made_larger_or_dearer_and_can_be_canceled(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    resting = bench.venue.submit(request(bench, Side.BUY, kind=OrderKind.LIMIT, limit_price=Decimal(20_000)))
    with pytest.raises(TradeRefused, match="no purchase is changed"):
        gated(bench).amend(resting, amount=Decimal("0.02"))
    gated(bench).cancel(resting)
    assert gated(bench).open_orders() == []


def test_a_ledger_that_is_away_buys_nothing_and_sells_everything(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.venue.submit(request(bench, Side.BUY))

    def away(now: datetime) -> str:
        raise RetryLater("the ledger cannot be reached")

    gate = ArmedBroker(bench.venue, away)
    with pytest.raises(RetryLater):
        gate.submit(request(bench, Side.BUY))
    gate.submit(request(bench, Side.SELL))
    assert gate.balances()["BTC"].total == 0


def test_a_tick_that_is_not_armed_enters_nothing_and_goes_on_looking_after_what_is_held(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.tick({BTC: Action.BUY}).sent
    report = bench.tick({ETH: Action.BUY}, not_armed=lambda now: UNARMED)
    assert report.sent == ()
    blocked = next(decision.blocked_by for decision in report.decisions if decision.symbol == ETH)
    assert blocked is not None
    assert (blocked.guard, blocked.reason) == ("armed", UNARMED)
    bench.require_truth()
    bench.market.prices[BTC] *= 1.2
    left = bench.tick(not_armed=lambda now: UNARMED).exits
    assert [exit_.symbol for exit_ in left] == [BTC]


def test_an_arming_that_runs_out_between_decision_and_send_buys_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    report = bench.tick({BTC: Action.BUY}, broker=gated(bench))
    assert bench.venue.submitted == []
    assert bench.ledger.positions() == {}
    assert [sent.result for sent in report.sent] == ["refused"]
    bench.require_truth()


def test_first_orders_are_capped_until_the_days_after_the_first_fill_have_passed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first = FirstOrders(most=100.0, days=2)
    cap = {"first_orders": lambda now: first.cap(bench.ledger, now)}
    bench.tick({BTC: Action.BUY}, **cap)
    (bought,) = bench.ledger.fills()
    assert Decimal(95) < bought.cost <= Decimal(101)
    told = first.cap(bench.ledger, bench.market.now())
    assert told is not None
    assert told[1].startswith("first orders: at most 100.00 an order until ")
    bench.tick({ETH: Action.BUY}, seconds=2 * 86_400, **cap)
    assert bench.ledger.fills()[-1].cost > Decimal(200)


def test_days_without_an_entry_do_not_use_the_cap_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tick()
    bench.tick(seconds=30 * 86_400)
    told = FirstOrders(most=100.0, days=2).cap(bench.ledger, bench.market.now())
    assert told == (100.0, "before its first entry: at most 100.00 an order, and so for 2 days after it")

"""What execution relies on, asked of every broker: the paper one, the scripted one, and ccxt against the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kracken_tasks.domain.money import floor_to_step, price_of, ticks_at_or_below
from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, OrderStatus, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.broker import Broker, has_conditional_close
from kracken_tasks.execution.paper import PaperBroker
from tests.support.market_data import HandMovedMarket
from tests.support.sandbox import running_sandbox, sandbox_config
from tests.support.scripted_market import ScriptedMarket, quiet
from tests.support.venue import ScriptedVenue

BTC = "BTC/USD"
D = Decimal


@dataclass
class Ground:
    """A broker, and a hand on its market: ``fall`` lets the price drop by a third a minute later."""

    broker: Broker
    fall: Callable[[], None]


@contextmanager
def paper() -> Iterator[Ground]:
    market = HandMovedMarket({BTC: 100.0})
    broker = PaperBroker(
        exchange="kraken", clock=market.now, instruments=market.instruments, quotes=market.quotes, deposit={"USD": D(10_000)}
    )  # fmt: skip
    yield Ground(broker, lambda: _fall(market))
    broker.close()


@contextmanager
def scripted() -> Iterator[Ground]:
    market = HandMovedMarket({BTC: 100.0})
    yield Ground(ScriptedVenue(market), lambda: _fall(market))


def _fall(market: HandMovedMarket) -> None:
    market.pass_time(120)
    market.prices[BTC] *= 0.66


@contextmanager
def sandboxed() -> Iterator[Ground]:
    steps = [(at, "100.0", "5") for at, _, _ in quiet(hours=0)] + [(at, "66.0", "5") for at in (60.0, 120.0, 180.0)]
    market = ScriptedMarket({BTC: steps}, depth="5")
    config = sandbox_config(opening_balances={"USD": "10000"}, fill_share_percent=100)
    with running_sandbox(market, config) as running:
        venue = CcxtVenue(
            "kraken", {**running.ccxt_options(), "rateLimit": 1}, timeout_seconds=10, clock_keeps_seconds=0
        )
        yield Ground(venue, lambda: running.control.advance(120) and None)


@pytest.fixture(params=[paper, scripted, sandboxed], ids=["paper", "scripted", "ccxt on the sandbox"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with request.param() as made:
        yield made


def order(ground: Ground, number: int = 1, side: Side = Side.BUY, **changes: Any) -> OrderRequest:
    instrument, quote = ground.broker.instruments()[BTC], ground.broker.quotes([BTC])[BTC]
    price = quote.ask * 1.02 if side is Side.BUY else quote.bid * 0.98
    values: dict[str, Any] = {
        "client_order_id": f"{number:032x}",
        "symbol": BTC,
        "side": side,
        "kind": OrderKind.LIMIT,
        "amount": D("0.5"),
        "limit_price": price_of(ticks_at_or_below(price, instrument), instrument),
        "time_in_force": "IOC",
        "deadline": ground.broker.now() + timedelta(seconds=30),
    }
    return OrderRequest(**(values | changes))


def with_stop(ground: Ground, number: int = 1, **changes: Any) -> OrderRequest:
    return order(ground, number, close=ConditionalClose(OrderKind.STOP_LOSS, D("90.0")), **changes)


def test_bought_is_what_the_fills_say_and_the_balances_follow(ground: Ground) -> None:
    broker = ground.broker
    before = broker.balances()["USD"].total
    order_id = broker.submit(order(ground))
    orders, fills = broker.orders_with_fills([order_id])
    assert orders == broker.orders([order_id])
    done = orders[order_id]
    assert (done.status, done.filled, done.client_order_id) == (OrderStatus.CLOSED, D("0.5"), f"{1:032x}")
    assert sum(fill.amount for fill in fills) == D("0.5")
    assert {fill.trade_id for fill in broker.fills(done.opened_at - timedelta(minutes=1))} == {
        fill.trade_id for fill in fills
    }
    known = {fills[0].trade_id}
    assert {fill.trade_id for fill in broker.orders_with_fills([order_id], known)[1]} == {
        fill.trade_id for fill in fills[1:]
    }
    assert {fill.trade_id for fill in broker.fills(done.opened_at, known)} >= {fill.trade_id for fill in fills[1:]}
    spent = sum((fill.cost + fill.fee for fill in fills), D(0))
    after = broker.balances()
    assert after["BTC"].total == D("0.5")
    assert abs(before - spent - after["USD"].total) <= D("0.0001") * len(fills)  # venues round what they book


def test_stop_of_a_filled_entry_rests_as_its_child_and_holds_the_coins(ground: Ground) -> None:
    assert has_conditional_close(ground.broker)
    order_id = ground.broker.submit(with_stop(ground))
    stops = ground.broker.open_orders()
    assert {stop.parent_id for stop in stops} == {order_id}
    assert {stop.client_order_id for stop in stops} == {None}
    assert sum(stop.remaining for stop in stops) == D("0.5")
    assert all(stop.kind is OrderKind.STOP_LOSS and stop.trigger_price == D("90.0") for stop in stops)
    assert ground.broker.balances()["BTC"].free == 0


def test_triggered_stop_sells_and_is_listed_closed(ground: Ground) -> None:
    order_id = ground.broker.submit(with_stop(ground))
    stop_ids = {stop.order_id for stop in ground.broker.open_orders()}
    ground.fall()
    assert ground.broker.open_orders() == []
    closed = {item.order_id: item for item in ground.broker.closed_orders(ground.broker.now() - timedelta(days=1))}
    assert stop_ids | {order_id} <= closed.keys()
    _, sold = ground.broker.orders_with_fills(sorted(stop_ids))
    assert sum(fill.amount for fill in sold) == D("0.5")
    assert {fill.side for fill in sold} == {Side.SELL}


def test_stop_is_amended_in_place(ground: Ground) -> None:
    ground.broker.submit(with_stop(ground))
    stop = ground.broker.open_orders()[0]
    ground.broker.amend(stop.order_id, amount=D("0.2"), trigger_price=D("95.0"))
    changed = ground.broker.orders([stop.order_id])[stop.order_id]
    assert (changed.amount, changed.trigger_price, changed.status) == (D("0.2"), D("95.0"), OrderStatus.OPEN)
    assert ground.broker.balances()["BTC"].free == D("0.3")


def test_amend_that_arrives_after_its_deadline_changes_nothing(ground: Ground) -> None:
    ground.broker.submit(with_stop(ground))
    stop = ground.broker.open_orders()[0]
    late = ground.broker.now() - timedelta(seconds=1)
    with pytest.raises(TradeRefused, match="Deadline elapsed"):
        ground.broker.amend(stop.order_id, amount=D("0.2"), deadline=late)
    assert ground.broker.orders([stop.order_id])[stop.order_id].amount == stop.amount
    ground.broker.amend(stop.order_id, amount=D("0.2"), deadline=ground.broker.now() + timedelta(seconds=5))
    assert ground.broker.orders([stop.order_id])[stop.order_id].amount == D("0.2")


def test_canceled_stop_gives_the_coins_back_and_canceling_again_is_no_error(ground: Ground) -> None:
    ground.broker.submit(with_stop(ground))
    (stop,) = ground.broker.open_orders()
    ground.broker.cancel(stop.order_id)
    ground.broker.cancel(stop.order_id)
    assert ground.broker.balances()["BTC"].free == D("0.5")
    ground.broker.submit(order(ground, 2, Side.SELL))
    assert ground.broker.balances().get("BTC", None) is None or ground.broker.balances()["BTC"].total == 0


def test_amend_of_an_order_that_is_gone_is_refused(ground: Ground) -> None:
    order_id = ground.broker.submit(order(ground))
    with pytest.raises(TradeRefused):
        ground.broker.amend(order_id, amount=D("0.6"))


def test_coins_under_a_stop_cannot_be_sold(ground: Ground) -> None:
    ground.broker.submit(with_stop(ground))
    with pytest.raises(TradeRefused):
        ground.broker.submit(order(ground, 2, Side.SELL))


@pytest.mark.parametrize("changes", [{"amount": D("0.00001")}, {"amount": D("1000")}, {"limit_price": D("100.123")}])
def test_refused_order_does_not_exist(ground: Ground, changes: dict[str, Any]) -> None:
    with pytest.raises(TradeRefused):
        ground.broker.submit(order(ground, **changes))
    assert ground.broker.open_orders() == []
    assert ground.broker.fills(ground.broker.now() - timedelta(days=1)) == []


def test_order_past_its_deadline_is_refused(ground: Ground) -> None:
    with pytest.raises(TradeRefused):
        ground.broker.submit(order(ground, deadline=ground.broker.now() - timedelta(seconds=30)))
    assert ground.broker.fills(ground.broker.now() - timedelta(days=1)) == []


def test_unfillable_ioc_ends_canceled_without_a_fill(ground: Ground) -> None:
    order_id = ground.broker.submit(order(ground, limit_price=D("50.0")))
    ended = ground.broker.orders([order_id])[order_id]
    assert (ended.status.resting, ended.filled) == (False, 0)


def test_resting_order_is_found_by_its_client_id(ground: Ground) -> None:
    order_id = ground.broker.submit(order(ground, limit_price=D("50.0"), time_in_force="GTC"))
    (found,) = [item for item in ground.broker.open_orders() if item.client_order_id == f"{1:032x}"]
    assert found.order_id == order_id
    ground.broker.cancel(order_id)
    closed = ground.broker.closed_orders(ground.broker.now() - timedelta(minutes=1))
    assert [item.client_order_id for item in closed] == [f"{1:032x}"]


def test_opening_money_is_a_booked_movement(ground: Ground) -> None:
    movements = ground.broker.cash_movements(ground.broker.now() - timedelta(days=3650))
    assert [(item.kind, item.asset, item.amount) for item in movements] == [("deposit", "USD", D(10_000))]


def test_unknown_ids_are_absent_not_an_error(ground: Ground) -> None:
    assert ground.broker.orders([]) == {}
    assert ground.broker.orders_with_fills([]) == ({}, [])


def test_instruments_floor_what_execution_floors(ground: Ground) -> None:
    listed = ground.broker.instruments()[BTC]
    assert floor_to_step(D("0.123456789"), listed.lot_step) == D("0.12345678")

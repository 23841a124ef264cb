"""Trailing stops of the paper account follow the best price and never go back, through a restart too."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, OrderStatus, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_matching import FillRules
from tests.support.market_data import BTC, START, HandMovedMarket

D = Decimal


def account(market: HandMovedMarket, path: Path | None = None) -> PaperBroker:
    return PaperBroker(
        exchange="kraken", clock=market.now, instruments=market.instruments, quotes=market.quotes,
        deposit={"USD": D(100_000), "BTC": D(1)}, path=path, work_every=timedelta(0),
        rules=FillRules(latency=timedelta(0), slippage_bps=0.0),
    )  # fmt: skip


def trailing(**changes: object) -> OrderRequest:
    values: dict[str, object] = {"kind": OrderKind.TRAILING_STOP, "trail_percent": D(2), **changes}
    return OrderRequest("1" * 32, BTC, Side.SELL, amount=D("0.1"), **values)  # type: ignore[arg-type]  # fields by name


def stands(broker: PaperBroker) -> Decimal | None:
    (order,) = broker.open_orders()
    return order.trigger_price


@pytest.mark.parametrize(
    ("wish", "levels"),
    [
        ({}, ["49000", "50960", "50960"]),
        ({"trail_percent": None, "trigger_price": D(1500)}, ["48500", "50500", "50500"]),
    ],
)
def test_it_follows_up_and_stays_when_the_price_falls(wish: dict[str, object], levels: list[str]) -> None:
    market = HandMovedMarket()
    broker = account(market)
    broker.submit(trailing(**wish))
    seen = []
    for price in (50_000.0, 52_000.0, 51_200.0):
        market.prices[BTC] = price
        seen.append(stands(broker))
    assert seen == [D(level) for level in levels]


def test_it_sells_once_the_last_trade_falls_back_to_it(tmp_path: Path) -> None:
    market = HandMovedMarket()
    first = account(market, tmp_path / "paper.db")
    order_id = first.submit(trailing())
    market.prices[BTC] = 52_000.0
    first.balances()
    first.close()
    again = account(market, tmp_path / "paper.db")
    market.prices[BTC] = 50_950.0  # above where it stood at first
    order, fills = again.orders_with_fills([order_id])
    assert order[order_id].status is OrderStatus.CLOSED
    assert [fill.price for fill in fills] == [D(str(market.quote().bid))]
    assert again.fills(START) == fills


def test_its_limit_goes_with_it_and_holds() -> None:
    market = HandMovedMarket()
    broker = account(market)
    broker.submit(trailing(kind=OrderKind.TRAILING_STOP_LIMIT, limit_price=D(100)))
    market.prices[BTC] = 52_000.0
    (order,) = broker.open_orders()
    assert (order.trigger_price, order.limit_price) == (D(50_960), D(50_860))
    market.prices[BTC] = 50_000.0  # through the limit in one step
    assert broker.fills(START) == []
    market.prices[BTC] = 50_900.0
    assert [fill.price >= D(50_860) for fill in broker.fills(START)] == [True]


@pytest.mark.parametrize(
    "wish",
    [
        {"trail_percent": None},
        {"trail_percent": D(0)},
        {"trail_percent": D(100)},
        {"kind": OrderKind.TRAILING_STOP_LIMIT},
        {"limit_price": D(10)},
    ],
)
def test_a_trail_without_sense_is_refused(wish: dict[str, object]) -> None:
    with pytest.raises(TradeRefused, match="Invalid arguments:price"):
        account(HandMovedMarket()).submit(trailing(**wish))


def test_its_size_can_be_amended_and_its_distance_not() -> None:
    broker = account(HandMovedMarket())
    order_id = broker.submit(trailing())
    broker.amend(order_id, amount=D("0.2"))
    with pytest.raises(TradeRefused):
        broker.amend(order_id, trigger_price=D(49_500))
    assert [order.amount for order in broker.open_orders()] == [D("0.2")]


def test_a_conditional_close_does_not_trail() -> None:
    close = ConditionalClose(OrderKind.TRAILING_STOP, D(100))
    with pytest.raises(TradeRefused, match="close"):
        account(HandMovedMarket()).submit(
            OrderRequest("2" * 32, BTC, Side.BUY, OrderKind.MARKET, D("0.1"), close=close)
        )


def test_an_answer_without_prices_carries_no_trailing_stop_and_sets_none_off() -> None:
    market = HandMovedMarket()
    broker = account(market)
    spread, market.spread = market.spread, -0.5  # crossed: no prices at all
    broker.submit(trailing())
    market.prices[BTC] = 500_000.0
    assert stands(broker) is None
    market.spread, market.prices[BTC] = spread, 50_000.0
    assert stands(broker) == D(49_000)

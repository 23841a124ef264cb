"""A paper order meets the market of its arrival, and depth that it took is gone while the snapshot stands."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Fill, OrderKind, OrderRequest, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_matching import FillRules, PaperBook
from tests.support.market_data import BTC, START, HandMovedMarket

D = Decimal
BOOK = PaperBook(
    bids=((D("49990"), D("0.5")), (D("49980"), D("2"))), asks=((D("50010"), D("0.5")), (D("50020"), D("2")))
)


class MovingMarket(HandMovedMarket):
    """Its price changes by ``drift`` while an order is on its way."""

    drift = 0.0

    def wait(self, span: timedelta) -> None:
        self.pass_time(span.total_seconds())
        self.prices[BTC] += self.drift


def account(market: MovingMarket, books: list[PaperBook] | None = None, **rules: object) -> PaperBroker:
    return PaperBroker(
        exchange="kraken", clock=market.now, instruments=market.instruments, quotes=market.quotes,
        deposit={"USD": D(500_000), "BTC": D(5)}, rules=FillRules(**({"latency": timedelta(milliseconds=250)} | rules)),  # type: ignore[arg-type]  # rules by name
        book=None if books is None else lambda _: books[-1], wait=market.wait,
    )  # fmt: skip


def market_order(number: int, amount: str, side: Side = Side.BUY, **changes: object) -> OrderRequest:
    values: dict[str, object] = {"kind": OrderKind.MARKET, **changes}
    return OrderRequest(f"{number:032d}", BTC, side, amount=D(amount), **values)  # type: ignore[arg-type]  # fields by name


def fills(broker: PaperBroker) -> list[Fill]:
    return sorted(broker.fills(START - timedelta(days=1)), key=lambda fill: fill.trade_id)


def test_an_order_pays_the_price_that_holds_when_it_arrives() -> None:
    market = MovingMarket()
    market.drift = 100.0
    broker = account(market, slippage_bps=0.0)
    broker.submit(market_order(1, "0.1"))
    (fill,) = fills(broker)
    assert fill.price == D(str(market.quote().ask))
    assert fill.price > D("50100")
    assert fill.ts == START + timedelta(milliseconds=250)


def test_a_limit_that_the_market_has_left_behind_does_not_fill() -> None:
    market = MovingMarket()
    market.drift = 100.0
    broker = account(market)
    capped = {"kind": OrderKind.LIMIT, "limit_price": D("50050"), "time_in_force": "IOC"}
    broker.submit(market_order(1, "0.1", **capped))
    assert fills(broker) == []


def test_an_order_whose_deadline_passes_on_the_way_is_refused() -> None:
    market = MovingMarket()
    broker = account(market)
    late = market.now() + timedelta(milliseconds=100)
    with pytest.raises(TradeRefused, match="Deadline elapsed"):
        broker.submit(market_order(1, "0.1", deadline=late))
    assert fills(broker) == []


def test_the_second_order_walks_on_where_the_first_stopped() -> None:
    market, books = MovingMarket(), [BOOK]
    broker = account(market, books)
    broker.submit(market_order(1, "0.4"))
    broker.submit(market_order(2, "0.4"))
    assert [(fill.price, fill.amount) for fill in fills(broker)] == [
        (D("50010"), D("0.4")),
        (D("50010"), D("0.1")),
        (D("50020"), D("0.3")),
    ]


def test_selling_takes_nothing_from_those_who_buy() -> None:
    market, books = MovingMarket(), [BOOK]
    broker = account(market, books)
    broker.submit(market_order(1, "0.5"))
    broker.submit(market_order(2, "0.5", Side.SELL))
    assert [fill.price for fill in fills(broker)] == [D("50010"), D("49990")]


def test_a_snapshot_that_has_changed_is_whole_again() -> None:
    market, books = MovingMarket(), [BOOK]
    broker = account(market, books)
    broker.submit(market_order(1, "0.5"))
    books.append(PaperBook(BOOK.bids, BOOK.asks, epoch=1))
    broker.submit(market_order(2, "0.5"))
    assert [fill.price for fill in fills(broker)] == [D("50010"), D("50010")]


AMOUNTS = st.lists(st.decimals("0.0001", "1.5", places=4), min_size=1, max_size=6)


@given(AMOUNTS, st.sampled_from([D("0.1"), D("0.5"), D(1)]))
def test_a_snapshot_gives_each_level_once_however_the_orders_are_cut(amounts: list[Decimal], share: Decimal) -> None:
    broker = account(MovingMarket(), [BOOK], depth_share=share)
    for number, amount in enumerate(amounts):
        broker.submit(market_order(number, str(amount)))
    had = fills(broker)
    for price, depth in BOOK.asks:
        assert sum((fill.amount for fill in had if fill.price == price), D(0)) <= depth * share
    assert all(one.price <= two.price for one, two in pairwise(had))


@pytest.mark.parametrize("stop", [False, True])
def test_a_market_purchase_into_a_thin_book_buys_what_the_account_can_pay_and_no_more(stop: bool) -> None:
    market = MovingMarket()
    thin = PaperBook(bids=BOOK.bids, asks=((D("50010"), D("0.5")), (D("90000"), D("20"))))
    broker = account(market, [thin])
    if stop:  # held at its trigger, filled at the market
        broker.submit(market_order(1, "9", kind=OrderKind.STOP_LOSS, trigger_price=D("51000")))
        market.prices[BTC] = 51000.0
        market.pass_time(5)
    else:
        broker.submit(market_order(1, "9"))
    left = broker.balances()["USD"].total
    assert 0 <= left < 1
    assert sum(fill.amount for fill in fills(broker)) < 9
    (order,) = broker.closed_orders(START - timedelta(days=1))
    assert order.remaining > 0

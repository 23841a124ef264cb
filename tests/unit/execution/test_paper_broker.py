"""The paper broker: fills cost what they should, resting orders work, answers survive a kill."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, OrderStatus, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_matching import FillRules, PaperBook
from tests.support.market_data import BTC, START, HandMovedMarket, instrument

D = Decimal


def broker(market: HandMovedMarket, path: Path | None = None, **options: object) -> PaperBroker:
    return PaperBroker(
        exchange="kraken",
        clock=market.now,
        instruments=market.instruments,
        quotes=market.quotes,
        deposit={"USD": D(10_000)},
        path=path,
        **options,  # type: ignore[arg-type]  # the test names the broker's own options
    )


def buy(name: str = "a" * 32, **changes: object) -> OrderRequest:
    values: dict[str, object] = {
        "client_order_id": name,
        "symbol": BTC,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "amount": D("0.01"),
        "limit_price": D("50100"),
        "time_in_force": "IOC",
    }
    return OrderRequest(**(values | changes))  # type: ignore[arg-type]  # fields of the dataclass


def sell_stop(name: str, amount: str = "0.01", trigger: str = "48000") -> OrderRequest:
    return buy(
        name,
        side=Side.SELL,
        kind=OrderKind.STOP_LOSS,
        amount=D(amount),
        limit_price=None,
        trigger_price=D(trigger),
        time_in_force="GTC",
    )


def test_buy_pays_ask_slippage_and_fee_and_the_balance_adds_up() -> None:
    market = HandMovedMarket()
    venue = broker(market)
    order_id = venue.submit(buy())
    (fill,) = venue.orders_with_fills([order_id])[1]
    assert fill.price == D("50030.1")  # ask 50005.0, 5 bps up, rounded up to a tick
    assert fill.fee == D("2.001204")  # 0.4 % of 500.301
    assert fill.ts == START + timedelta(milliseconds=100)
    assert venue.orders([order_id])[order_id].status is OrderStatus.CLOSED
    balances = venue.balances()
    assert balances["BTC"].total == D("0.01")
    assert balances["USD"].total == D(10_000) - fill.cost - fill.fee


def test_capped_order_never_fills_beyond_its_cap() -> None:
    venue = broker(HandMovedMarket())
    (fill,) = venue.orders_with_fills([venue.submit(buy(limit_price=D("50010")))])[1]
    assert fill.price == D("50010")


def test_ioc_below_the_market_ends_without_a_fill() -> None:
    venue = broker(HandMovedMarket())
    order_id = venue.submit(buy(limit_price=D("49000")))
    assert venue.orders([order_id])[order_id].status is OrderStatus.CANCELED
    assert venue.orders_with_fills([order_id])[1] == []
    assert venue.open_orders() == []


def test_thin_book_fills_partly_level_by_level() -> None:
    book = PaperBook(bids=(), asks=((D("50005"), D("0.004")), (D("50050"), D("0.003")), (D("50200"), D("1"))))
    venue = broker(HandMovedMarket(), book=lambda symbol: book)
    order_id = venue.submit(buy())
    assert [(fill.price, fill.amount) for fill in venue.orders_with_fills([order_id])[1]] == [
        (D("50005"), D("0.004")),
        (D("50050"), D("0.003")),
    ]
    order = venue.orders([order_id])[order_id]
    assert (order.status, order.filled) == (OrderStatus.CANCELED, D("0.007"))


def test_conditional_close_rests_from_the_moment_of_the_fill_for_what_was_filled() -> None:
    book = PaperBook(bids=(), asks=((D("50005"), D("0.004")),))
    venue = broker(HandMovedMarket(), book=lambda symbol: book)
    order_id = venue.submit(buy(close=ConditionalClose(OrderKind.STOP_LOSS, D("48000"))))
    (stop,) = venue.open_orders()
    assert (stop.parent_id, stop.amount, stop.trigger_price) == (order_id, D("0.004"), D("48000"))
    assert venue.balances()["BTC"].free == 0


def test_stop_fills_at_the_market_through_a_gap_and_once() -> None:
    market = HandMovedMarket()
    venue = broker(market)
    venue.submit(buy(close=ConditionalClose(OrderKind.STOP_LOSS, D("48000"))))
    market.prices[BTC] = 45_000.0
    market.pass_time(60)
    assert venue.open_orders() == []
    newest = venue.fills(START)[0]
    assert newest.side is Side.SELL
    assert newest.price < D("45000")
    market.pass_time(60)
    assert len(venue.fills(START)) == 2
    assert venue.balances()["BTC"].total == 0


def test_resting_limit_waits_and_fills_at_its_own_price_as_maker() -> None:
    market = HandMovedMarket()
    venue = broker(market)
    order_id = venue.submit(buy(limit_price=D("49000"), time_in_force="GTC"))
    assert venue.balances()["USD"].held == D("0.01") * D("49000") * D("1.004")
    market.prices[BTC] = 48_500.0
    market.pass_time(5)
    (fill,) = venue.orders_with_fills([order_id])[1]
    assert (fill.price, fill.liquidity, fill.fee) == (D("49000"), "maker", D("1.225"))


def test_coins_held_by_a_stop_cannot_be_sold_twice() -> None:
    venue = broker(HandMovedMarket())
    venue.submit(buy(close=ConditionalClose(OrderKind.STOP_LOSS, D("48000"))))
    with pytest.raises(TradeRefused, match="Insufficient funds"):
        venue.submit(buy("b" * 32, side=Side.SELL, limit_price=D("49000")))


def test_amend_keeps_the_order_and_its_id() -> None:
    venue = broker(HandMovedMarket())
    venue.submit(buy(amount=D("0.02")))
    stop = venue.submit(sell_stop("b" * 32))
    venue.amend(stop, amount=D("0.02"), trigger_price=D("49000"))
    (resting,) = venue.open_orders()
    assert (resting.order_id, resting.amount, resting.trigger_price) == (stop, D("0.02"), D("49000"))
    with pytest.raises(TradeRefused, match="Insufficient funds"):
        venue.amend(stop, amount=D("0.03"))
    venue.amend(stop, amount=D("0.005"))
    assert venue.balances()["BTC"].free == D("0.015")


def test_cancel_of_an_unknown_order_is_no_error_but_amend_is() -> None:
    venue = broker(HandMovedMarket())
    venue.cancel("PO999999")
    with pytest.raises(TradeRefused, match="Unknown order"):
        venue.amend("PO999999", amount=D(1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": D("0.00001")}, "minimum not met"),
        ({"limit_price": D("400"), "amount": D("0.01")}, "Cost minimum"),
        ({"limit_price": D("50100.05")}, "Tick size"),
        ({"amount": D("0.010000001")}, "volume"),
        ({"amount": D("1")}, "Insufficient funds"),
        ({"symbol": "XYZ/USD"}, "Unknown asset pair"),
        ({"deadline": START}, "Deadline elapsed"),
        ({"kind": OrderKind.TRAILING_STOP}, "Invalid arguments:price"),
    ],
)
def test_what_a_venue_would_refuse_is_refused_and_leaves_no_trace(changes: dict[str, object], words: str) -> None:
    venue = broker(HandMovedMarket())
    instruments = venue.instruments()
    costly = {"BTC/USD": instrument(min_cost=D(5))}
    assert instruments["BTC/USD"] == costly["BTC/USD"]
    with pytest.raises(TradeRefused, match=words):
        venue.submit(buy(**changes))
    assert venue.open_orders() == []
    assert venue.closed_orders(START - timedelta(days=1)) == []


def test_halted_pair_takes_no_orders() -> None:
    market = HandMovedMarket()
    market.listed[BTC] = instrument(status="cancel_only")
    with pytest.raises(TradeRefused, match="cancel_only"):
        broker(market).submit(buy())


def test_client_id_in_use_by_an_open_order_is_refused_but_free_again_after() -> None:
    venue = broker(HandMovedMarket())
    first = venue.submit(buy(limit_price=D("49000"), time_in_force="GTC"))
    with pytest.raises(TradeRefused, match="in use"):
        venue.submit(buy(limit_price=D("49000"), time_in_force="GTC"))
    venue.cancel(first)
    assert venue.submit(buy()) != first


def test_account_survives_its_process_and_the_deposit_is_booked_once(tmp_path: Path) -> None:
    market = HandMovedMarket()
    path = tmp_path / "paper.db"
    before = broker(market, path)
    order_id = before.submit(buy(close=ConditionalClose(OrderKind.STOP_LOSS, D("48000"))))
    after = broker(market, path)  # the first one was never closed, as after a kill
    assert after.orders_with_fills([order_id])[1] == before.orders_with_fills([order_id])[1]
    assert after.balances() == before.balances()
    assert len(after.cash_movements(START)) == 1
    assert [order.parent_id for order in after.open_orders()] == [order_id]


def test_same_quotes_give_the_same_ids_and_fills() -> None:
    def run() -> list[object]:
        market = HandMovedMarket()
        venue = broker(market, rules=FillRules(commission_bps=D(10)))
        for step, price in enumerate((50_000.0, 49_000.0, 47_000.0, 51_000.0)):
            market.prices[BTC] = price
            market.pass_time(60)
            venue.submit(
                buy(f"{step:032d}", limit_price=D("52000"), close=ConditionalClose(OrderKind.STOP_LOSS, D("46900")))
            )
        return [venue.fills(START), venue.open_orders(), venue.balances()]

    assert run() == run()


def test_several_listings_of_one_look_cost_one_quotes_call() -> None:
    market = HandMovedMarket()
    venue = broker(market)
    venue.submit(buy(close=ConditionalClose(OrderKind.STOP_LOSS, D("48000"))))
    market.pass_time(60)
    market.asked = 0
    venue.open_orders(), venue.fills(START), venue.balances()
    assert market.asked == 1


@pytest.mark.parametrize(
    "prices",
    [(0.0, 50_000.0, 47_900.0), (float("nan"), 50_000.0, 47_900.0), (50_100.0, 50_000.0, 47_900.0), (0.0, 0.0, 0.0)],
)
def test_a_stop_was_sold_at_one_tick_because_an_answer_had_no_bid(prices: tuple[float, float, float]) -> None:
    market = HandMovedMarket()
    bad: list[bool] = []

    def quotes(symbols: Iterable[str]) -> dict[str, Quote]:
        return {symbol: Quote(symbol, *prices, market.now()) if bad else market.quote(symbol) for symbol in symbols}

    venue = PaperBroker(
        exchange="kraken", clock=market.now, instruments=market.instruments, quotes=quotes, deposit={"USD": D(10_000)},
        work_every=timedelta(0),
    )  # fmt: skip
    venue.submit(buy())
    stop = venue.submit(sell_stop("b" * 32))
    bad.append(True)
    assert [order.order_id for order in venue.open_orders()] == [stop]
    sale = venue.submit(buy("c" * 32, amount=D("0.001")))
    assert venue.orders([sale])[sale].status is OrderStatus.CANCELED
    bad.clear()
    assert [order.order_id for order in venue.open_orders()] == [stop]
    market.prices[BTC] = 47_900.0
    assert venue.open_orders() == []
    assert venue.fills(START)[0].price > D(47_000)

"""Paper limits in a queue, shares of the volume, fees by tier: what makes a paper result as dear as a real one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, OrderStatus, Side
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_fees import FeeSchedule, FeeTier
from kracken_tasks.execution.paper_matching import FillRules, PaperBook
from kracken_tasks.execution.paper_tape import PaperTrade, trades_between
from tests.support.market_data import BTC, START, HandMovedMarket

D = Decimal
BOOK = PaperBook(
    bids=((D("50000"), D("0.5")), (D("49990"), D("2"))), asks=((D("50010"), D("0.5")), (D("50020"), D("2")))
)
SCHEDULE = FeeSchedule(
    (FeeTier(D(0), D(25), D(40)), FeeTier(D(10_000), D(20), D(35)), FeeTier(D(50_000), D(14), D(24)))
)


class Tape:
    """Public trades that a test writes down: (seconds after the start, price, amount)."""

    def __init__(self, *trades: tuple[float, str, str]) -> None:
        self.trades = [PaperTrade(START + timedelta(seconds=at), D(price), D(amount)) for at, price, amount in trades]

    def __call__(self, symbol: str, after: datetime, until: datetime) -> Iterable[PaperTrade]:
        return [trade for trade in self.trades if symbol == BTC and after < trade.ts <= until]


def venue(
    market: HandMovedMarket, tape: Tape | None, path: Path | None = None, book: PaperBook | None = BOOK, **rules: object
) -> PaperBroker:
    return PaperBroker(
        exchange="kraken", clock=market.now, instruments=market.instruments, quotes=market.quotes,
        deposit={"USD": D(200_000)}, path=path, rules=FillRules(**rules),  # type: ignore[arg-type]  # the test names rules
        book=None if book is None else lambda _: book, trades=tape,
    )  # fmt: skip


def limit(number: int = 1, **changes: object) -> OrderRequest:
    values: dict[str, object] = {
        "client_order_id": f"{number:032d}",
        "symbol": BTC,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "amount": D("0.2"),
        "limit_price": D("50000"),
        "time_in_force": "GTC",
    }
    return OrderRequest(**(values | changes))  # type: ignore[arg-type]  # fields of the dataclass


def test_limit_waits_until_the_volume_before_it_has_traded() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((10, "50000", "0.4"), (20, "50000", "0.2"), (30, "50000", "0.3")))
    order_id = broker.submit(limit())
    market.pass_time(15)
    assert broker.orders([order_id])[order_id].filled == 0
    market.pass_time(30)
    order, fills = broker.orders_with_fills([order_id])
    assert [(fill.amount, fill.ts) for fill in fills] == [
        (D("0.1"), START + timedelta(seconds=20)),  # 0.5 stood before it, 0.6 has traded
        (D("0.1"), START + timedelta(seconds=30)),
    ]
    assert {(fill.price, fill.liquidity) for fill in fills} == {(D("50000"), "maker")}
    assert order[order_id].status is OrderStatus.CLOSED


def test_quote_that_reaches_a_limit_fills_nothing_without_a_trade() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape())
    broker.submit(limit())
    market.prices[BTC] = 49_000.0
    market.pass_time(60)
    assert broker.fills(START) == []


def test_trade_beyond_the_price_ends_the_queue() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((10, "49999.9", "0.1"), (20, "50000", "0.1")))
    order_id = broker.submit(limit())
    market.pass_time(30)
    assert [fill.amount for fill in broker.orders_with_fills([order_id])[1]] == [D("0.1"), D("0.1")]


def test_without_a_book_only_trades_beyond_the_price_fill() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((10, "50000", "9"), (20, "49999.9", "0.05")), book=None)
    order_id = broker.submit(limit(limit_price=D("49995")))
    other = broker.submit(limit(2, limit_price=D("50000")))
    market.pass_time(60)
    filled = {name: order.filled for name, order in broker.orders([order_id, other]).items()}
    assert filled == {order_id: 0, other: D("0.05")}  # of the 9 at 50000, nobody knows how many stood before us


def test_orders_of_one_account_share_its_part_of_a_trade_best_price_first() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((10, "49980", "1")), volume_share=D("0.25"))
    low, high = broker.submit(limit(1, limit_price=D("49990"))), broker.submit(limit(2))
    market.pass_time(30)
    filled = {name: order.filled for name, order in broker.orders([low, high]).items()}
    assert filled == {high: D("0.2"), low: D("0.05")}


def test_trade_before_the_order_arrived_is_not_its_trade() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((0.05, "49000", "5"), (0.1, "49000", "5")), latency=timedelta(milliseconds=100))
    broker.submit(limit())
    market.pass_time(30)
    assert broker.fills(START) == []


def test_killed_between_two_looks_counts_no_trade_twice(tmp_path: Path) -> None:
    market, path = HandMovedMarket(), tmp_path / "paper.sqlite"
    tape = Tape((10, "49990", "0.05"), (20, "49990", "0.05"))
    order_id = venue(market, tape, path).submit(limit())
    market.pass_time(15)
    before = venue(market, tape, path)
    assert before.orders([order_id])[order_id].filled == D("0.05")
    after = venue(market, tape, path)  # as after a kill: the first was never closed
    assert after.orders([order_id])[order_id].filled == D("0.05")
    market.pass_time(15)
    assert after.orders([order_id])[order_id].filled == D("0.10")
    market.pass_time(15)
    assert before.orders([order_id])[order_id].filled == D("0.10")


def test_new_price_goes_to_the_end_of_the_queue_and_a_smaller_amount_does_not() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((10, "50000", "0.45"), (20, "50000", "0.1"), (40, "49990", "1.9")))
    order_id = broker.submit(limit())
    market.pass_time(15)
    broker.amend(order_id, amount=D("0.15"))
    market.pass_time(10)
    assert broker.orders([order_id])[order_id].filled == D("0.05")
    broker.amend(order_id, limit_price=D("49990"))
    market.pass_time(30)
    assert broker.orders([order_id])[order_id].filled == D("0.05")  # 2.5 stood before it there


def test_canceled_order_takes_what_traded_before_the_cancel_and_nothing_after() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((10, "49990", "0.05"), (10.6, "49990", "0.05"), (10.9, "49990", "1")))
    order_id = broker.submit(limit())
    market.pass_time(10.5)
    broker.balances()
    market.pass_time(0.2)  # within the pause between two looks
    broker.cancel(order_id)
    market.pass_time(60)
    order = broker.orders([order_id])[order_id]
    assert (order.filled, order.status) == (D("0.10"), OrderStatus.CANCELED)


def test_partly_filled_entry_has_a_stop_for_each_part_at_its_moment() -> None:
    market = HandMovedMarket()
    broker = venue(market, Tape((10, "49990", "0.05"), (20, "49990", "0.1")))
    broker.submit(limit(close=ConditionalClose(OrderKind.STOP_LOSS, D("45000"))))
    market.pass_time(30)
    stops = [(one.amount, one.opened_at) for one in broker.open_orders() if one.kind is OrderKind.STOP_LOSS]
    assert stops == [(D("0.05"), START + timedelta(seconds=10)), (D("0.1"), START + timedelta(seconds=20))]


def test_taker_gets_its_share_of_each_level_and_walks_down_the_book() -> None:
    broker = venue(HandMovedMarket(), None, depth_share=D("0.1"))
    order_id = broker.submit(limit(limit_price=D("50100"), time_in_force="IOC"))
    assert [(fill.price, fill.amount) for fill in broker.orders_with_fills([order_id])[1]] == [
        (D("50010"), D("0.05")),
        (D("50020"), D("0.15")),
    ]


def test_fee_follows_the_volume_of_thirty_days_and_forgets_it_after() -> None:
    market = HandMovedMarket()
    broker = venue(market, None, fees=SCHEDULE, book=None, slippage_bps=0.0)

    def taken(number: int) -> Decimal:
        _, (fill,) = broker.orders_with_fills([broker.submit(limit(number, limit_price=D("50100")))])
        return fill.fee / fill.cost * 10_000

    assert [taken(number) for number in range(1, 4)] == [D(40), D(35), D(35)]  # 10 001 a time
    market.pass_time(30 * 86_400 + 1)
    assert taken(4) == D(40)


def test_fill_that_lifts_the_volume_pays_the_old_tier_itself() -> None:
    assert SCHEDULE.fraction("taker", D("9999.99")) == D("0.004")
    assert SCHEDULE.fraction("maker", D(10_000)) == D("0.002")


def test_commission_in_basis_points_goes_before_the_schedule() -> None:
    broker = venue(HandMovedMarket(), None, fees=SCHEDULE, commission_bps=D(10))
    _, fills = broker.orders_with_fills([broker.submit(limit(limit_price=D("50100")))])
    assert all(fill.fee == (fill.cost / 1000).quantize(D("1e-8")) for fill in fills)


def test_hold_covers_the_dearest_tier_since_a_tier_can_be_lost_while_an_order_rests() -> None:
    broker = venue(HandMovedMarket(), Tape(), fees=SCHEDULE)
    broker.submit(limit())
    assert broker.balances()["USD"].held == D("0.2") * D(50_000) * D("1.004")


@pytest.mark.parametrize("tiers", [(), (FeeTier(D(5), D(1), D(1)),), (FeeTier(D(0), D(1), D(1)),) * 2])
def test_schedule_without_a_beginning_or_an_order_is_refused(tiers: tuple[FeeTier, ...]) -> None:
    with pytest.raises(ValueError, match="begins at volume 0"):
        FeeSchedule(tiers)


@pytest.mark.parametrize("name", ["volume_share", "depth_share"])
@pytest.mark.parametrize("share", ["0", "-0.1", "1.01"])
def test_share_outside_its_bounds_is_refused(name: str, share: str) -> None:
    with pytest.raises(ValueError, match=name):
        FillRules(**{name: D(share)})  # type: ignore[arg-type]  # the test names the rule


def test_trade_on_two_pages_counts_once_and_the_one_at_the_last_look_not_again() -> None:
    rows = [
        (START + timedelta(seconds=at), 50_000.1, 0.25, name) for at, name in ((0, "a"), (2, "c"), (1, "b"), (3, "d"))
    ]
    page = pd.DataFrame(rows, columns=["ts", "price", "volume", "trade_id"])
    found = trades_between(pd.concat([page, page]), START, START + timedelta(seconds=2))
    assert [(trade.ts, trade.price, trade.amount) for trade in found] == [
        (START + timedelta(seconds=at), D("50000.1"), D("0.25")) for at in (1, 2)
    ]

"""Whatever is ordered and traded, the paper account is never luckier than the market it stands on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import Fill, OrderKind, OrderRequest, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_fees import FeeSchedule, FeeTier
from kracken_tasks.execution.paper_matching import FillRules, PaperBook
from kracken_tasks.execution.paper_tape import PaperTrade
from tests.support.market_data import BTC, START, HandMovedMarket

D = Decimal
SCHEDULE = FeeSchedule((FeeTier(D(0), D(25), D(40)), FeeTier(D(5_000), D(20), D(35))))
LATENCY = timedelta(milliseconds=700)
OPENING = {"USD": D(40_000), "BTC": D("0.5")}

PRICES = st.integers(-30, 30)  # dollars from 50 000
AMOUNTS = st.decimals("0.0001", "0.4", places=4)
ORDERS = st.tuples(
    st.just("order"), st.sampled_from(list(Side)), PRICES, AMOUNTS, st.sampled_from(["GTC", "IOC"]), st.just(0)
)
TRADES = st.tuples(st.just("trade"), st.none(), PRICES, AMOUNTS, st.just(""), st.integers(0, 1500))
CHANGES = st.tuples(st.sampled_from(["cancel", "amend", "look"]), st.none(), PRICES, AMOUNTS, st.just(""), st.just(0))
EVENTS = st.lists(st.one_of(ORDERS, TRADES, TRADES, CHANGES), max_size=25)
SHARES = st.sampled_from([D("0.05"), D("0.3"), D(1)])


class World:
    """A market, its trades, a paper account on it, and what the market was whenever an order was sent."""

    def __init__(self, share: Decimal) -> None:
        self.market = HandMovedMarket()
        self.trades: list[PaperTrade] = []
        self.sent: dict[str, tuple[datetime, Side]] = {}
        self.share = share
        self.broker = PaperBroker(
            exchange="kraken", clock=self.market.now, instruments=self.market.instruments, quotes=self.market.quotes,
            deposit=OPENING, book=self.book, trades=self.between,
            rules=FillRules(fees=SCHEDULE, volume_share=share, depth_share=share, latency=LATENCY),
        )  # fmt: skip

    def book(self, symbol: str) -> PaperBook:
        mid = D(str(self.market.prices[symbol]))
        steps = [(D(step), D("0.1") * step) for step in (1, 2, 4, 8)]
        return PaperBook(
            bids=tuple((mid - step, size) for step, size in steps),
            asks=tuple((mid + step, size) for step, size in steps),
        )

    def between(self, symbol: str, after: datetime, until: datetime) -> Iterable[PaperTrade]:
        return [trade for trade in self.trades if after < trade.ts <= until]

    def live(self, event: tuple[str, Side | None, int, Decimal, str, int], number: int) -> None:
        what, side, offset, amount, life, after_ms = event
        price = D(50_000 + offset)
        if what == "trade":
            self.market.pass_time(after_ms / 1000 + 0.001)
            self.trades.append(PaperTrade(self.market.now(), price, amount))
            self.market.prices[BTC] = float(price)
        elif what == "order" and side is not None:
            with suppress(TradeRefused):
                request = OrderRequest(f"{number:032d}", BTC, side, OrderKind.LIMIT, amount, price, time_in_force=life)
                self.sent[self.broker.submit(request)] = (self.market.now(), side)
        elif what == "look":
            self.broker.balances()
        elif opened := self.broker.open_orders():
            with suppress(TradeRefused):
                order_id = opened[number % len(opened)].order_id
                self.broker.cancel(order_id) if what == "cancel" else self.broker.amend(order_id, limit_price=price)

    def fills(self) -> list[Fill]:
        self.market.pass_time(10)
        return self.broker.fills(START - timedelta(days=1))


def lived(share: Decimal, events: list[tuple[str, Side | None, int, Decimal, str, int]]) -> World:
    world = World(share)
    for number, event in enumerate(events):
        world.live(event, number)
    return world


@given(SHARES, EVENTS)
def test_cash_and_coins_are_what_came_in_and_what_the_fills_moved(share: Decimal, events: list) -> None:  # type: ignore[type-arg]  # drawn tuples
    world = lived(share, events)
    usd, btc = OPENING["USD"], OPENING["BTC"]
    for fill in world.fills():
        sign = 1 if fill.side is Side.BUY else -1
        usd = MONEY.subtract(MONEY.subtract(usd, sign * fill.cost), fill.fee)
        btc += sign * fill.amount
    balances = world.broker.balances()
    assert (balances["USD"].total, balances["BTC"].total) == (usd, btc)
    assert all(balance.free >= 0 and balance.total >= 0 for balance in balances.values())


@given(SHARES, EVENTS)
def test_makers_get_no_more_than_their_share_of_each_trade_and_none_before_they_arrived(
    share: Decimal, events: list  # type: ignore[type-arg]  # drawn tuples
) -> None:  # fmt: skip
    world = lived(share, events)
    makers = [fill for fill in world.fills() if fill.liquidity == "maker"]
    for trade in world.trades:
        served = [fill for fill in makers if fill.ts == trade.ts]
        assert sum((fill.amount for fill in served), D(0)) <= trade.amount * share
        for fill in served:  # its own price, which the trade reached
            assert fill.price >= trade.price if fill.side is Side.BUY else fill.price <= trade.price
    assert {fill.ts for fill in makers} <= {trade.ts for trade in world.trades}
    for fill in world.fills():
        assert fill.ts >= world.sent[fill.order_id][0] + LATENCY


@given(SHARES, st.sampled_from(list(Side)), AMOUNTS, PRICES)
def test_taker_never_does_better_than_the_book_nor_more_than_its_share_of_it(
    share: Decimal, side: Side, amount: Decimal, offset: int
) -> None:
    world = World(share)
    book = world.book(BTC)
    limit = D(50_000 + offset)
    world.live(("order", side, offset, amount, "IOC", 0), 1)
    levels = dict(book.asks if side is Side.BUY else book.bids)
    for fill in world.fills():
        assert fill.amount <= levels[fill.price] * share
        assert fill.price <= limit if side is Side.BUY else fill.price >= limit


@given(SHARES, EVENTS)
def test_past_hour_replayed_gives_the_same_fills_again(share: Decimal, events: list) -> None:  # type: ignore[type-arg]  # drawn tuples
    assert lived(share, events).fills() == lived(share, events).fills()

"""A recorded hour gives the same fills again, whoever looks how often, and none that the tape does not bear out."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side
from kracken_tasks.errors import BadData, RetryLater
from kracken_tasks.execution.paper_matching import FillRules
from kracken_tasks.execution.paper_replay import RecordedMarket, Replayed, TimedOrder, replay_orders
from kracken_tasks.lake.lake import Lake
from tests.support.candle_frames import START
from tests.support.lake_stores import MemoryStore
from tests.support.market_data import instrument
from tests.support.tape_frames import QUOTES, TRADES, commit_tape, quote_frame, seconds, trade_frame

D = Decimal
BTC = "BTC/USD"
LATENCY = timedelta(milliseconds=300)
END = seconds(60)
LISTED = {BTC: instrument(BTC, min_amount=D("0.01"), min_cost=D("0.5"))}


def market(start: datetime = START, **changes: object) -> RecordedMarket:
    quotes, trades = quote_frame(240), trade_frame(55)
    return RecordedMarket(LISTED, quotes={BTC: quotes.assign(**changes)}, trades={BTC: trades}, start=start)


def order(number: int, at: float, kind: OrderKind, side: Side, amount: str, price: float, life: str) -> TimedOrder:
    tick = D(str(round(price, 1)))
    limit = tick if kind is OrderKind.LIMIT else None
    trigger = tick if kind is OrderKind.STOP_LOSS else None
    once = life if kind is OrderKind.LIMIT else "GTC"
    request = OrderRequest(
        f"{number:032x}", BTC, side, kind, D(amount), limit_price=limit, trigger_price=trigger, time_in_force=once
    )
    return TimedOrder(seconds(at), request)


def played(orders: list[TimedOrder], looks: tuple[float, ...] = (), share: str = "1") -> Replayed:
    world = market()
    broker = world.account(
        {"USD": D(100_000), "BTC": D(50)}, FillRules(latency=LATENCY, depth_share=D(share), volume_share=D(share))
    )
    rest = sorted(orders, key=lambda one: one.at)
    for look in sorted(looks):
        now = [one for one in rest if one.at <= seconds(look)]
        rest = rest[len(now) :]
        replay_orders(world, broker, now, until=max(seconds(look), world.now()))
        broker.balances()
    found = replay_orders(world, broker, [one for one in rest if one.at >= world.now()], until=END)
    return found


ORDERS = st.lists(
    st.tuples(
        st.floats(0, 50),
        st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT, OrderKind.LIMIT, OrderKind.STOP_LOSS]),
        st.sampled_from(list(Side)),
        st.decimals("0.01", "3", places=2).map(str),
        st.floats(95, 205),
        st.sampled_from(["GTC", "IOC"]),
    ),
    max_size=8,
)
Drawn = list[tuple[float, OrderKind, Side, str, float, str]]


def numbered(drawn: Drawn) -> list[TimedOrder]:
    return [order(number, *one) for number, one in enumerate(drawn)]


@given(ORDERS)
def test_a_past_minute_gives_the_same_fills_again(drawn: Drawn) -> None:
    assert played(numbered(drawn)) == played(numbered(drawn))


@given(ORDERS, st.sampled_from(["0.1", "0.5", "1"]))
@example([(1.0, OrderKind.MARKET, Side.BUY, "3", 150.0, "GTC")], "0.1")
def test_no_fill_before_the_latency_none_better_than_the_tape_none_beyond_its_share(drawn: Drawn, share: str) -> None:
    orders = numbered(drawn)
    found = played(orders, share=share)
    sent = {found.orders.get(one.request.client_order_id): one for one in orders}
    filled = {fill.order_id for fill in found.fills}
    assert all(one.request.kind is not OrderKind.MARKET or order_id in filled for order_id, one in sent.items())
    quotes, trades = quote_frame(240), trade_frame(55)
    for fill in found.fills:
        one = sent[fill.order_id]
        assert fill.ts >= one.at + LATENCY
        before = quotes[quotes["ts"] <= fill.ts].iloc[-1]
        if fill.liquidity == "taker":
            best = before["ask"] if fill.side is Side.BUY else before["bid"]
            size = before["ask_volume"] if fill.side is Side.BUY else before["bid_volume"]
            assert float(fill.price) == pytest.approx(best)
            assert float(fill.amount) <= size * float(share) + 1e-8
        else:
            at = trades[trades["ts"] == pd.Timestamp(fill.ts)]
            assert float(fill.amount) <= at["volume"].sum() * float(share) + 1e-8
            reached = (
                at["price"].min() <= float(fill.price)
                if fill.side is Side.BUY
                else at["price"].max() >= float(fill.price)
            )
            assert reached


@given(ORDERS, st.lists(st.floats(0, 59), max_size=5).map(tuple))
def test_who_looks_in_between_changes_nothing(drawn: Drawn, looks: tuple[float, ...]) -> None:
    late = numbered(drawn)
    calm = played(late)
    # A look may not fall into the time an order is on its way: then the order would not be in the past of the look.
    free = tuple(
        look for look in looks if not any(one.at <= seconds(look) <= one.at + timedelta(seconds=5) for one in late)
    )
    assert played(late, free).fills == calm.fills


def test_a_stop_is_set_off_by_the_quote_that_reached_it_though_nobody_looked() -> None:
    world = market()
    low = quote_frame(240)["bid"].min()
    stop = order(1, 0.5, OrderKind.STOP_LOSS, Side.SELL, "0.01", float(low) + 1.0, "GTC")
    broker = world.account({"USD": D(1000), "BTC": D(1)}, FillRules(latency=LATENCY))
    (fill,) = replay_orders(world, broker, [stop], until=END).fills
    quotes = quote_frame(240)
    last = quotes["last"].ffill()
    first = quotes[(quotes["ts"] > seconds(0.8)) & (last <= float(low) + 1.0)].iloc[0]
    assert fill.ts == first["ts"].to_pydatetime()
    assert float(fill.price) == pytest.approx(first["bid"])


def test_the_tapes_of_the_lake_play() -> None:
    lake = Lake(MemoryStore())
    commit_tape(lake, QUOTES, quote_frame(240))
    commit_tape(lake, TRADES, trade_frame(55))
    snapshot = lake.snapshot()
    recorded = RecordedMarket(
        LISTED, quotes={BTC: snapshot.tape(QUOTES)}, trades={BTC: snapshot.tape(TRADES)}, start=seconds(1)
    )
    broker = recorded.account({"USD": D(100_000)}, FillRules(latency=LATENCY))
    orders = [
        order(1, 2.0, OrderKind.MARKET, Side.BUY, "0.01", 0, "GTC"),
        order(2, 3.0, OrderKind.LIMIT, Side.BUY, "0.5", 120, "GTC"),
    ]
    from_lake = replay_orders(recorded, broker, orders, until=END)
    assert from_lake.fills
    assert from_lake == played(orders)


def test_without_volumes_takers_pay_basis_points() -> None:
    world = market(bid_volume=float("nan"), ask_volume=float("nan"))
    assert world.book(BTC) is None
    broker = world.account({"USD": D(100_000)}, FillRules(latency=LATENCY, slippage_bps=50))
    (fill,) = replay_orders(world, broker, [order(1, 2.0, OrderKind.MARKET, Side.BUY, "3", 0, "GTC")], until=END).fills
    assert float(fill.price) > quote_frame(240)["ask"].iloc[9] * 1.004


def test_time_goes_forward_only_and_before_the_first_quote_there_is_no_price() -> None:
    world = market(start=START - timedelta(seconds=1))
    with pytest.raises(RetryLater, match="no quote before"):
        world.quotes([BTC])
    with pytest.raises(BadData, match="goes forward"):
        world.go_to(START - timedelta(seconds=2))


def test_what_was_not_recorded_is_told_by_name() -> None:
    with pytest.raises(BadData, match="ETH/USD"):
        market().quotes(["ETH/USD"])
    with pytest.raises(BadData, match="not one usable quote"):
        market(bid=float("nan"))

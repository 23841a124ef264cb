"""Whatever is told of an order, in any order, late or twice: its life takes written steps only, and money is counted once."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.trading import (
    Fill,
    IntentKey,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Purpose,
    Side,
    VenueOrder,
)
from kracken_tasks.execution.booking import Owners, book
from kracken_tasks.execution.lifecycle import (
    TRANSITIONS,
    Cause,
    IllegalTransition,
    News,
    OrderLife,
    OrderState,
    life_of_order,
)
from tests.support.bench import Bench
from tests.support.market_data import BTC, START

ONE = Decimal(1)
TENTHS = st.integers(0, 12).map(lambda tenths: Decimal(tenths) / 10)
NEWS = st.builds(News, st.sampled_from(Cause), st.sampled_from([None, "A", "A", "B"]), st.none() | TENTHS)


@given(st.lists(NEWS, max_size=20))
def test_any_news_are_a_written_step_or_are_refused_and_change_nothing(news: list[News]) -> None:
    life = OrderLife("o", OrderState.INTENDED, ONE)
    for item in news:
        before = life
        try:
            life = before.after(item)
        except IllegalTransition:
            continue
        assert life.state is TRANSITIONS[before.state, item.cause].target
        assert before.filled <= life.filled <= life.amount
        assert before.order_id in (None, life.order_id)
        assert life.after(item) == life, "the same news twice are one step"


ASSETS = st.sampled_from(["USD", "BTC", "KFEE"])
# One order of 1.0 that fills in tenths; a fill is known by its number, so that it may come twice.
FILLS = st.lists(st.tuples(st.integers(1, 10), ASSETS), min_size=1, max_size=10, unique_by=lambda item: item[0])
VIEWS = st.sampled_from([OrderStatus.OPEN, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.CLOSED])


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[tuple[int, str]], list[tuple[OrderStatus, int, list[int]]]]:
    """The fills that happened, and looks that show a view of the order with some of them: late, early, repeated, out of order."""
    fills = draw(FILLS)
    looks = draw(
        st.lists(
            st.tuples(VIEWS, st.integers(0, len(fills)), st.lists(st.integers(0, len(fills) - 1), max_size=12)),
            max_size=6,
        )
    )
    return fills, looks


def order_of(key: IntentKey, status: OrderStatus, filled: Decimal) -> VenueOrder:
    return VenueOrder(
        "O1", key.client_order_id, None, BTC, Side.BUY, OrderKind.LIMIT, status, ONE, filled, None, Decimal(100), None, START
    )  # fmt: skip


@settings(
    max_examples=settings.default.max_examples // 2,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(tellings())
def test_fills_told_in_any_order_with_fees_in_any_coin_are_booked_once_and_the_position_is_their_sum(
    told: tuple[list[tuple[int, str]], list[tuple[OrderStatus, int, list[int]]]],
) -> None:
    happened, looks = told
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), symbols=(BTC,))
        desk = bench.desk()
        key = IntentKey("main", "t", BTC, Purpose.ENTRY)
        request = OrderRequest(key.client_order_id, BTC, Side.BUY, OrderKind.LIMIT, ONE, limit_price=Decimal(100))
        bench.ledger.record_intent(key, request, ts=START)
        fills = [
            Fill(
                f"T{number}", "O1", BTC, Side.BUY, Decimal("0.1"), Decimal(100), Decimal(10),
                Decimal("0.00004") if coin == "BTC" else Decimal("0.04"), coin, START, "taker",
            )
            for number, coin in happened
        ]  # fmt: skip
        whole = order_of(key, OrderStatus.CANCELED if len(fills) < 10 else OrderStatus.CLOSED, ONE / 10 * len(fills))
        last = None
        for status, count, shown in looks:
            view = replace(whole, status=status, filled=Decimal(count) / 10)
            booked = book(desk, Owners(desk), [view], [fills[place] for place in shown], START)
            assert all("cannot take" in why for why in booked.illegal.values())
            life = life_of_order(bench.ledger, view)
            assert last is None or life.filled >= last.filled
            last = life
        booked = book(desk, Owners(desk), [whole], fills, START)
        assert booked.late == {}
        position = bench.ledger.positions()[BTC]
        in_base = sum((fill.fee for fill in fills if fill.fee_currency == "BTC"), Decimal(0))
        assert position.amount == sum(fill.amount for fill in fills) - in_base
        assert len(bench.ledger.fills()) == len(fills)
        cash = bench.ledger.cash()
        assert cash["USD"] == -sum(f.cost + (f.fee if f.fee_currency == "USD" else 0) for f in fills)
        assert cash.get("KFEE", Decimal(0)) == -sum((f.fee for f in fills if f.fee_currency == "KFEE"), Decimal(0))
        final = life_of_order(bench.ledger, whole)
        assert final.state.over
        assert final.filled == whole.filled
        again = book(desk, Owners(desk), [whole], fills + fills, START)
        assert (again.fills, again.accepted, again.late) == ((), (), {})
        bench.ledger.close()

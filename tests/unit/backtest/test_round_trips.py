"""Fills folded into round trips, and the sizes a broker can afford."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.backtest.broker import affordable_amount
from kracken_tasks.backtest.round_trips import BacktestFill, round_trips_from

START = datetime(2024, 1, 1, tzinfo=UTC)


def fills(*rows: tuple[float, float, float], symbol: str = "BTC/USD") -> list[BacktestFill]:
    return [
        BacktestFill(START + timedelta(hours=i), symbol, amount, price, fee, "market", f"step {i}")
        for i, (amount, price, fee) in enumerate(rows)
    ]


def test_scaling_in_and_out_is_one_round_trip_at_average_prices() -> None:
    (trip,), still_open = round_trips_from(fills((1, 100, 1), (1, 110, 1), (-0.5, 120, 1), (-1.5, 130, 1)))
    assert (trip.amount, trip.entry_price, trip.exit_price) == (2, 105.0, pytest.approx(127.5))
    assert (trip.gross, trip.fees, trip.net) == (pytest.approx(45.0), 4, pytest.approx(41.0))
    assert trip.net_return == pytest.approx(41 / 210)
    assert (trip.entry_reason, trip.exit_reason) == ("step 0", "step 3")
    assert still_open == []


def test_passing_through_flat_splits_the_fee_by_size() -> None:
    (trip,), still_open = round_trips_from(fills((1, 100, 0), (-4, 110, 4)))
    assert (trip.net, trip.fees) == (pytest.approx(9.0), pytest.approx(1.0))
    assert still_open == ["BTC/USD"]


def test_float_dust_is_not_a_position() -> None:
    trips, still_open = round_trips_from(fills((0.1, 100, 0), (0.2, 100, 0), (-0.3, 110, 0)))
    assert len(trips) == 1
    assert still_open == []


def test_symbols_do_not_mix() -> None:
    mixed = sorted(fills((1, 100, 0), (-1, 90, 0)) + fills((2, 10, 0), symbol="ETH/USD"), key=lambda fill: fill.ts)
    trips, still_open = round_trips_from(mixed)
    assert [trip.symbol for trip in trips] == ["BTC/USD"]
    assert still_open == ["ETH/USD"]


amounts = st.floats(0.01, 5.0).map(lambda value: round(value, 4))
rows = st.lists(
    st.tuples(amounts, st.booleans(), st.floats(1.0, 1_000.0), st.floats(0.0, 3.0)), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=60)
@given(rows)
def test_net_of_all_trips_is_cash_gained_once_flat(raw: list[tuple[float, bool, float, float]]) -> None:
    signed = [(amount if buy else -amount, price, fee) for amount, buy, price, fee in raw]
    held = sum(amount for amount, _, _ in signed)
    if abs(held) > 1e-6:
        signed.append((-held, 50.0, 0.0))
    trips, still_open = round_trips_from(fills(*signed))
    cash = -sum(amount * price + fee for amount, price, fee in signed)
    if not still_open:
        assert sum(trip.net for trip in trips) == pytest.approx(cash, rel=1e-6, abs=1e-3)


@settings(deadline=None, max_examples=200)
@given(
    cash=st.floats(0.0, 1e7),
    price=st.floats(1e-4, 1e5),
    fee=st.floats(0.0, 0.02),
    step=st.sampled_from([1e-8, 1e-4, 0.1]),
)
def test_an_affordable_amount_never_leaves_a_debt_and_never_a_lot_unbought(
    cash: float, price: float, fee: float, step: float
) -> None:
    amount = affordable_amount(cash, price, price * fee, step)
    assert cash - amount * price - amount * price * fee >= 0
    one_more = amount + step
    assert one_more * price * (1 + fee) > cash * (1 - 1e-9) - price * step * 1e-3

"""Whatever was expected and whatever came, the columns sum to the difference, to the cent."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Purpose, Side
from kracken_tasks.explain.parity import Actual, Column, Expected, split
from kracken_tasks.ledger.entries import FillEntry
from tests.support.ledger import NOON

prices = st.decimals("0.01", "90000", places=2)
amounts = st.decimals("0.00000001", "20", places=8)
fractions = st.decimals("0", "0.01", places=4)


def _fill(number: int, side: Side, amount: Decimal, price: Decimal, fee: Decimal, currency: str) -> FillEntry:
    cost = (amount * price).quantize(Decimal("0.00001"))
    return FillEntry(
        NOON, f"T{number}", "O1", "BTC/USD", side, amount, price, cost, fee, currency, "taker", Purpose.ENTRY, None, "", None, False, False
    )  # fmt: skip


@st.composite
def actuals(draw: st.DrawFn, side: Side) -> Actual:
    fills = tuple(
        _fill(number, side, draw(amounts), draw(prices), draw(fractions), draw(st.sampled_from(["USD", "BTC", "KFEE"])))
        for number in range(draw(st.integers(0, 3)))
    )
    return Actual(draw(amounts), fills, draw(st.none() | prices))


@given(st.data(), st.sampled_from(Side), prices)
def test_columns_sum_to_the_difference_exactly_and_are_whole_cents(
    data: st.DataObject, side: Side, mark: Decimal
) -> None:
    expected = data.draw(st.none() | st.builds(Expected, amounts, prices, fractions))
    actual = data.draw(st.none() | actuals(side))
    real, replayed, columns = split(side, expected, actual, mark)
    assert sum(columns.values()) == real - replayed
    for amount in (real, replayed, *columns.values()):
        assert amount == amount.quantize(Decimal("0.01"))
    assert set(columns) == set(Column)


@given(st.sampled_from(Side), amounts, prices, fractions, prices)
def test_an_order_that_went_as_its_replay_differs_by_the_venue_s_last_digits_alone(
    side: Side, amount: Decimal, price: Decimal, fee: Decimal, mark: Decimal
) -> None:
    fill = _fill(1, side, amount, price, fee * amount * price, "USD")
    _, _, columns = split(side, Expected(amount, price, fee), Actual(amount, (fill,), price), mark)
    assert {column for column, value in columns.items() if value} <= {Column.ROUNDING}
    assert abs(columns[Column.ROUNDING]) <= Decimal("0.02")


@given(
    st.sampled_from(Side),
    st.decimals("0.1", "5", places=4),
    st.decimals("100", "90000", places=2),
    st.decimals("-9", "9", places=2),
)
def test_a_market_that_moved_until_the_order_was_sent_is_timing_and_nothing_else(
    side: Side, amount: Decimal, price: Decimal, moved: Decimal
) -> None:
    later = price + moved
    fill = _fill(1, side, amount, later, Decimal(0), "USD")
    _, _, columns = split(side, Expected(amount, price, Decimal(0)), Actual(amount, (fill,), later), price)
    sign = 1 if side is Side.BUY else -1
    assert abs(columns[Column.TIMING] + sign * amount * moved) <= Decimal(
        "0.005"
    )  # to the cent; a tie may go either way
    assert columns[Column.PRICE] == columns[Column.SIGNAL] == columns[Column.MISSED] == columns[Column.FEE] == 0

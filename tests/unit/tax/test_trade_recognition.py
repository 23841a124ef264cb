"""Trades as users hold them: dicts with floats, seconds, milliseconds, texts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kracken_tasks.domain.clock import parse_utc, utc
from kracken_tasks.errors import BadData
from kracken_tasks.tax.trade import decimal_from, moment_from, trades_from_mappings

PROMISED = {
    "symbol": "BTC/USD", "side": "buy", "amount": 0.1, "price": 30000, "timestamp": 1234567890, "exchange": "kraken",
    "fee": {"cost": 3, "currency": "USD"},
}  # fmt: skip


def test_the_promised_form_is_a_trade():
    (trade,) = trades_from_mappings([PROMISED])
    assert (trade.amount, trade.price, trade.fee_cost, trade.fee_currency) == (
        Decimal("0.1"),
        Decimal(30000),
        Decimal(3),
        "USD",
    )
    assert trade.timestamp == utc(2009, 2, 13, 23, 31, 30)


@pytest.mark.parametrize(
    "told",
    [1717243200, 1717243200.0, "1717243200", 1717243200000, "1717243200000", "2024-06-01T12:00:00Z", "2024-06-01 12:00:00",
     "2024-06-01T14:00:00+02:00", utc(2024, 6, 1, 12)],
)  # fmt: skip
def test_one_moment_in_all_its_forms(told):
    assert moment_from(told, "timestamp") == utc(2024, 6, 1, 12)


@pytest.mark.parametrize("told", ["yesterday", "", -1, 1717243200000000, True, "NaN", None, "01/06/2024"])
def test_what_is_no_moment_is_refused(told):
    with pytest.raises(BadData, match="timestamp"):
        moment_from(told, "timestamp")


def test_seconds_keep_their_milliseconds():
    assert moment_from(1717243200.123, "timestamp") == parse_utc("2024-06-01T12:00:00.123Z")


def test_the_noise_of_floats_does_not_become_an_amount():
    assert decimal_from(0.1 + 0.2, "amount") == Decimal("0.3")
    assert decimal_from(1e-8, "amount") == Decimal("0.00000001")
    assert decimal_from(12345678.12345678, "amount") == Decimal("12345678.1234568")
    assert decimal_from("0.30000000000000004", "amount") == Decimal("0.30000000000000004")


@pytest.mark.parametrize("told", [float("nan"), float("inf"), "1_000", "0x10", "", "1,5", True, None, "Infinity"])
def test_what_is_no_number_is_refused(told):
    with pytest.raises(BadData, match="amount"):
        decimal_from(told, "amount")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"side": "short"}, "side"),
        ({"amount": 0}, "amount"),
        ({"amount": None}, "amount"),
        ({"price": -1}, "price"),
        ({"symbol": "BTCUSD"}, "symbol"),
        ({"timestamp": None}, "timestamp"),
        ({"fee": {"cost": -1, "currency": "USD"}}, "fee_cost"),
        ({"fee": {"cost": 1}}, "fee_currency"),
        ({"fee": 3}, "fee"),
        ({"id": "a\nb"}, "trade_id"),
    ],
)
def test_a_bad_trade_is_named_by_place_and_key(change, column):
    with pytest.raises(BadData, match=rf"trades\[1\]: (trade .*: )?{column}") as caught:
        trades_from_mappings([PROMISED, {**PROMISED, **change}])
    assert caught.value.fields["index"] == 1


def test_a_fee_may_be_missing_or_empty():
    bare = {key: value for key, value in PROMISED.items() if key != "fee"}
    for row in (
        bare,
        {**bare, "fee": None},
        {**bare, "fee": {"cost": None, "currency": None}},
        {**bare, "fee": {"cost": 0}},
    ):
        (trade,) = trades_from_mappings([row])
        assert (trade.fee_cost, trade.fee_currency) == (0, "")


def test_made_ids_are_stable_and_equal_rows_are_several_trades():
    first = [trade.trade_id for trade in trades_from_mappings([PROMISED, PROMISED])]
    assert len(set(first)) == 2
    assert first == [trade.trade_id for trade in trades_from_mappings([{**PROMISED, "amount": "0.10"}, PROMISED])]


def test_own_ids_are_kept_and_the_same_fill_from_two_sources_counts_once():
    rest = {**PROMISED, "id": "T-1", "order": "O-1"}
    stream = {**rest, "timestamp": 1234567890.004}
    (trade,) = trades_from_mappings([rest, stream])
    assert (trade.trade_id, trade.order_id) == ("T-1", "O-1")


def test_times_are_kept_to_the_millisecond_that_files_hold():
    (trade,) = trades_from_mappings([{**PROMISED, "timestamp": "2024-06-01T12:00:00.123987Z"}])
    assert trade.timestamp == parse_utc("2024-06-01T12:00:00.123Z")

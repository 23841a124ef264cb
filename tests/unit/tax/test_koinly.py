"""Koinly's universal template, cell by cell."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.domain.trading import CashMovement
from kracken_tasks.errors import BadData
from kracken_tasks.tax.koinly import koinly_bytes
from tests.support.trades import trade

AT = "2025-03-04T09:15:02.441Z"


def rows(*args, **kwargs):
    return list(csv.DictReader(io.StringIO(koinly_bytes(*args, **kwargs).decode())))


def movement(movement_id, kind, asset, amount, fee="0", reference="R-1"):
    return CashMovement(movement_id, reference, kind, asset, Decimal(amount), Decimal(fee), parse_utc(AT))


def test_the_header_is_the_twelve_columns():
    assert koinly_bytes([]).decode() == (
        "Date,Sent Amount,Sent Currency,Received Amount,Received Currency,Fee Amount,Fee Currency,Net Worth Amount,"
        "Net Worth Currency,Label,Description,TxHash\n"
    )


def test_a_purchase_sends_money_and_shows_its_fee_apart():
    text = koinly_bytes([trade("TX-9", "buy", "0.05", "82410", at=AT, fee="10.71", fee_currency="USD")]).decode()
    assert text.splitlines()[1] == (
        "2025-03-04 09:15:02 UTC,4120.5,USD,0.05,BTC,10.71,USD,4120.5,USD,,kraken order O-TX-9 trade TX-9,kraken-TX-9"
    )


def test_a_sale_receives_gross_money():
    (row,) = rows([trade("S", "sell", "0.05", "82410", fee="0.0001", fee_currency="BTC")])
    assert (row["Sent Amount"], row["Sent Currency"]) == ("0.05", "BTC")
    assert (row["Received Amount"], row["Received Currency"]) == ("4120.5", "USD")
    assert (row["Fee Amount"], row["Fee Currency"]) == ("0.0001", "BTC")


def test_a_trade_in_stable_coins_leaves_the_worth_to_koinly():
    (row,) = rows([trade("S", "sell", "0.05", "82410", symbol="BTC/USDT")])
    assert (row["Net Worth Amount"], row["Net Worth Currency"], row["Fee Amount"], row["Fee Currency"]) == (
        "",
        "",
        "",
        "",
    )


def test_fee_credits_are_no_fee():
    (row,) = rows([trade("S", "sell", "0.05", "82410", fee="100", fee_currency="KFEE")])
    assert (row["Fee Amount"], row["Fee Currency"]) == ("", "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (movement("L1", "deposit", "USD", "100"), ("", "", "100", "USD", "", "", "")),
        (movement("L1", "deposit", "BTC", "1", fee="0.1"), ("", "", "0.9", "BTC", "", "", "")),
        (movement("L1", "withdrawal", "USD", "-100", fee="3"), ("100", "USD", "", "", "3", "USD", "")),
        (movement("L1", "transfer", "ETH", "-2"), ("2", "ETH", "", "", "", "", "")),
        (movement("L1", "staking", "ETH", "0.0121"), ("", "", "0.0121", "ETH", "", "", "reward")),
        (movement("L1", "earn/reward", "ETH", "0.0121"), ("", "", "0.0121", "ETH", "", "", "reward")),
        (movement("L1", "transfer/spottofutures", "USD", "-5"), ("5", "USD", "", "", "", "", "")),
        (movement("L1", "rollover", "USD", "0", fee="0.02"), ("0.02", "USD", "", "", "", "", "margin fee")),
    ],
)
def test_movements_become_rows_without_a_fee_on_what_arrived(line, expected):
    (row,) = rows([], [line], exchange="kraken")
    cells = (
        "Sent Amount",
        "Sent Currency",
        "Received Amount",
        "Received Currency",
        "Fee Amount",
        "Fee Currency",
        "Label",
    )
    assert tuple(row[cell] for cell in cells) == expected
    assert (row["Description"], row["TxHash"]) == (f"kraken {line.kind} R-1", "kraken-L1")


def test_a_movement_of_nothing_is_no_row():
    assert rows([], [movement("L1", "transfer", "USD", "0")]) == []


@pytest.mark.parametrize("kind", ["earn/allocation", "earn/deallocation", "transfer/stakingfromspot"])
def test_coins_moved_between_own_pockets_are_no_row(kind):
    assert rows([], [movement("L1", kind, "ETH", "-1"), movement("L2", kind, "ETH", "1")]) == []


def test_a_kind_of_movement_that_is_not_known_stops_the_file():
    with pytest.raises(BadData, match="movement L1: what a 'earn/bonus' of ETH means for tax is not known") as caught:
        koinly_bytes([], [movement("L1", "earn/bonus", "ETH", "1")])
    assert caught.value.fields["kind"] == "earn/bonus"


def test_trades_and_movements_stand_in_order_of_time_and_id():
    early = trade("B", "buy", "1", "1", at="2025-03-04T09:15:01Z")
    made = rows([trade("M", "buy", "1", "1", at=AT), early], [movement("A", "deposit", "USD", "1")], exchange="kraken")
    assert [row["TxHash"] for row in made] == ["kraken-B", "kraken-A", "kraken-M"]


def test_no_cell_is_a_formula_or_a_second_line():
    text = koinly_bytes([], [movement("L1", "deposit", "USD", "1", reference="x\n=cmd")], exchange="=k").decode()
    assert len(text.splitlines()) == 2
    assert text.splitlines()[1].endswith(",'=k deposit x =cmd,'=k-L1")

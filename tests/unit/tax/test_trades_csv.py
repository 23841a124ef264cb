"""The neutral file: there and back, and what a bad row is told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import BadData
from kracken_tasks.tax.trades_csv import read_fair_values, read_trades, trades_bytes
from tests.support.trades import trade

HEADER = "timestamp,exchange,symbol,side,amount,price,fee_cost,fee_currency,trade_id\n"
GOOD = "2024-01-01T00:00:00Z,kraken,BTC/USD,buy,0.1,30000,3,USD,T1\n"


def written(tmp_path, text):
    path = tmp_path / "trades.csv"
    path.write_bytes(text.encode())
    return path


def test_what_was_written_is_read_again(tmp_path):
    trades = [
        trade("T1", "buy", "0.00000001", "30000.5", fee="0.0000000001", fee_currency="BTC"),
        trade("T2", "sell", "1E+3", "0.000001", at="2024-01-01T00:00:00.007Z", symbol="DOGE/BTC", exchange="bit,stamp"),
        trade("=cmd()", "buy", "1", "2", exchange='a"b'),
        trade("'quoted", "buy", "1", "2"),
    ]
    path = written(tmp_path, trades_bytes(trades).decode())
    expected = [replace(one, order_id="") for one in sorted(trades, key=lambda one: (one.timestamp, one.trade_id))]
    assert read_trades(path) == expected
    assert trades_bytes(read_trades(path)) == path.read_bytes()


def test_numbers_are_plain_and_text_is_no_formula():
    text = trades_bytes([trade("=1+1", "buy", "1E-8", "1E+5")]).decode()
    assert text.splitlines()[1] == "2024-01-01T00:00:00Z,kraken,BTC/USD,buy,0.00000001,100000,0,,'=1+1"


@pytest.mark.parametrize("risky", ["=A1", "+A1", "-A1", "@A1", "'=A1", " =A1"])
def test_no_text_cell_begins_a_formula(risky):
    cell = trades_bytes([trade(risky, "buy", "1", "1")]).decode().splitlines()[1].rsplit(",", 1)[1]
    assert cell == f"'{risky}"


def test_rows_stand_in_order_of_time_and_id():
    late, early = trade("A", "buy", "1", "1", at="2024-01-02T00:00:00Z"), trade("B", "buy", "1", "1")
    assert trades_bytes([late, early]) == trades_bytes([early, late])


def test_columns_may_stand_in_any_order_and_more_of_them_are_passed_over(tmp_path):
    text = "trade_id,note,timestamp,exchange,symbol,side,price,amount,fee_cost,fee_currency\r\n"
    text += "T1,hello,2024-01-01T00:00:00Z,kraken,BTC/USD,buy,30000,0.1,,\r\n\r\n"
    (read,) = read_trades(written(tmp_path, "\ufeff" + text))
    assert (read.amount, read.price, read.fee_cost) == (Decimal("0.1"), Decimal(30000), 0)


@pytest.mark.parametrize(
    ("row", "line", "column", "reason"),
    [
        (GOOD.replace("0.1", "abc"), 3, "amount", "not a number"),
        (GOOD.replace("0.1", "-0.1"), 3, "amount", "not above zero"),
        (GOOD.replace("0.1", "1_0"), 3, "amount", "not a number"),
        (GOOD.replace("30000", "NaN"), 3, "price", "not a number"),
        (GOOD.replace("buy", "BUY"), 3, "side", "neither buy nor sell"),
        (GOOD.replace("BTC/USD", "XBTUSD"), 3, "symbol", "BASE/QUOTE"),
        (GOOD.replace("2024-01-01", "2024-13-01"), 3, "timestamp", "no date"),
        (GOOD.replace("USD,T1", ",T1"), 3, "fee_currency", "needs its currency"),
        (GOOD.replace(",T1", ","), 3, "trade_id", "is empty"),
        (GOOD.replace("kraken", ""), 3, "exchange", "is empty"),
        (GOOD.replace("0.1", "0.2"), 3, "trade_id", "names another trade in line 2"),
        ("2024-01-01T00:00:00Z,kraken\n", 3, "symbol", "2 cells under 9 columns"),
        (GOOD.replace(",T1", ",T1,extra"), 3, "trade_id", "10 cells under 9 columns"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_column_and_reason(tmp_path, row, line, column, reason):
    path = written(tmp_path, HEADER + GOOD + row)
    with pytest.raises(BadData) as caught:
        read_trades(path)
    fields = caught.value.fields
    assert (fields["file"], fields["line"], fields["column"]) == (str(path), line, column)
    assert reason in str(fields["reason"])
    assert caught.value.message.startswith(f"{path}, line {line}, {column}: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column timestamp"),
        ("timestamp,exchange\n", "no column symbol, side"),
        (HEADER.replace("side", "price"), "no column side"),
        (HEADER.replace("\n", ",side\n"), "column side twice"),
        (HEADER + '"open', "unexpected end of data"),
    ],
)
def test_a_file_without_the_right_header_is_refused(tmp_path, text, reason):
    with pytest.raises(BadData, match=reason):
        read_trades(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BadData, match=r"no such\.csv: cannot be read"):
        read_trades(tmp_path / "no such.csv")
    bad = tmp_path / "latin.csv"
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(BadData, match="is not UTF-8"):
        read_trades(bad)


def test_values_are_read_at_their_instant_and_nowhere_else(tmp_path):
    path = tmp_path / "fmv.csv"
    path.write_text("timestamp,asset,price_gbp\n2024-01-01T00:00:00Z,USDT,0.79\n2024-01-02T00:00:00Z,USDT,0.80\n")
    values = read_fair_values(path, "GBP", stated={"DAI": Decimal("0.78")})
    assert values("USDT", utc(2024, 1, 2)) == Decimal("0.80")
    assert values("USDT", utc(2024, 1, 2, 1)) is None
    assert values("USDT", utc(2023, 12, 31)) is None
    assert values("DAI", utc(2024, 1, 2)) == Decimal("0.78")


def test_a_values_file_in_another_currency_or_with_two_values_is_refused(tmp_path):
    path = tmp_path / "fmv.csv"
    path.write_text("timestamp,asset,price_usd\n2024-01-01T00:00:00Z,USDT,1\n2024-01-01T00:00:00Z,USDT,2\n")
    with pytest.raises(BadData, match="no column price_gbp"):
        read_fair_values(path, "GBP")
    with pytest.raises(BadData, match=r"fmv\.csv: two values of USDT at 2024-01-01T00:00:00Z"):
        read_fair_values(path, "USD")

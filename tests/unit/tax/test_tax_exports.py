"""The whole way: all files of a run together, the same bytes again, or nothing."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kracken_tasks.domain.trading import Purpose
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.ledger import Booking
from kracken_tasks.tax import (
    FairValues,
    TaxChoices,
    TaxReporter,
    compute_lots_files,
    export_ledger,
    trades_from_ledger,
)
from kracken_tasks.tax.from_ledger import movements_from_ledger
from tests.support.journal_ledger import DAY_TWO, two_days_of_trading
from tests.support.ledger import NOON, deposit, fill, temporary_ledger

BUY = {
    "symbol": "BTC/USD", "side": "buy", "amount": 0.1, "price": 30000, "timestamp": 1704067200, "exchange": "kraken",
    "fee": {"cost": 3, "currency": "USD"},
}  # fmt: skip
SELL = {**BUY, "side": "sell", "price": 33000.5, "timestamp": "2025-01-02T00:00:00Z"}


@pytest.fixture
def ledger(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        yield two_days_of_trading(ledger)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_reporter_writes_the_neutral_file_and_gives_its_path(tmp_path):
    path = TaxReporter(output_dir=tmp_path / "out").export_to_csv([BUY])
    row = path.read_text().splitlines()[1]
    assert row.startswith("2024-01-01T00:00:00Z,kraken,BTC/USD,buy,0.1,30000,3,USD,row-")


def test_reporter_writes_koinly(tmp_path):
    path = TaxReporter(output_dir=str(tmp_path)).export_to_koinly([BUY])
    assert (
        path.read_text()
        .splitlines()[1]
        .startswith("2024-01-01 00:00:00 UTC,3000,USD,0.1,BTC,3,USD,3000,USD,,kraken trade row-")
    )


def test_reporter_writes_all_formats_together(tmp_path):
    paths = TaxReporter(output_dir=tmp_path / "out").export_all_formats([SELL, BUY])
    assert sorted(path.name for path in paths) == ["gains.csv", "koinly.csv", "open_lots.csv", "trades.csv"]
    (gain,) = csv.DictReader((tmp_path / "out" / "gains.csv").read_text().splitlines())
    # proceeds 3300.05 - 3, basis 3000 + 3
    assert (gain["proceeds"], gain["cost_basis"], gain["gain"]) == ("3297.05000000", "3003.00000000", "294.05000000")
    assert (gain["term"], gain["kind"], gain["amount"]) == ("LONG", "trade", "0.1")


def test_reporter_writes_headers_for_no_trades(tmp_path):
    for path in TaxReporter(output_dir=tmp_path).export_all_formats([]):
        assert len(path.read_text().splitlines()) == 1


def test_reporter_writes_under_exports_by_default():
    assert TaxReporter().output_dir.name == "exports"


def test_reporter_values_what_is_not_money_by_the_users_lookup(tmp_path):
    swap = {**BUY, "symbol": "BTC/USDT", "fee": None, "price": 30000.0}
    usdt = {**BUY, "symbol": "USDT/USD", "amount": 5000, "price": 1.001, "timestamp": 1704000000, "fee": None}
    values = FairValues(stated={"USDT": Decimal("0.999")})
    TaxReporter(output_dir=tmp_path, fmv=values).export_all_formats([usdt, swap])
    (gain,) = csv.DictReader((tmp_path / "gains.csv").read_text().splitlines())
    assert (gain["asset"], gain["amount"], gain["gain"]) == ("USDT", "3000", "-6.00000000")


def test_an_export_that_fails_writes_nothing(tmp_path):
    out = tmp_path / "out"
    reporter = TaxReporter(output_dir=out)
    reporter.export_all_formats([BUY])
    before = contents(out)
    with pytest.raises(BadData, match="missing"):
        reporter.export_all_formats([BUY, SELL, {**SELL, "id": "again"}])
    assert contents(out) == before


def test_wrong_choices_are_refused_when_made():
    with pytest.raises(Misconfigured, match="tax method 'lifo'"):
        TaxReporter(method="lifo")
    with pytest.raises(Misconfigured, match="tax_timezone"):
        TaxReporter(tax_timezone="Mars")
    assert TaxReporter(scope="per-wallet").choices.scope == "per_wallet"


def test_a_ledgers_export_is_the_same_bytes_again(ledger, tmp_path):
    first = export_ledger(ledger, tmp_path / "one")
    export_ledger(ledger, tmp_path / "two")
    export_ledger(ledger, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert first.sha256 == {name: hashlib.sha256(data).hexdigest() for name, data in contents(tmp_path / "one").items()}
    assert first.rows == {"gains.csv": 3, "koinly.csv": 9, "open_lots.csv": 1, "trades.csv": 6}


def test_a_ledgers_export_stops_where_it_is_told(ledger, tmp_path):
    report = export_ledger(ledger, tmp_path / "out", until=DAY_TWO + timedelta(hours=4))
    assert report.rows == {"gains.csv": 2, "koinly.csv": 6, "open_lots.csv": 1, "trades.csv": 4}


def test_lots_from_the_ledger_and_from_its_file_are_the_same(ledger, tmp_path):
    export_ledger(ledger, tmp_path / "ledger")
    compute_lots_files(tmp_path / "ledger" / "trades.csv", tmp_path / "file")
    for name in ("gains.csv", "open_lots.csv"):
        assert (tmp_path / "ledger" / name).read_bytes() == (tmp_path / "file" / name).read_bytes()


def test_movements_that_repeat_a_trade_are_left_out(ledger):
    ledger.book_cash([deposit("L8", "BTC", "0.1", kind="trade"), deposit("L9", "BTC", "0.1", kind="trade/tradespot")])
    assert [line.movement_id for line in movements_from_ledger(ledger)] == ["L0", "L1", "L2"]
    assert [one.trade_id for one in trades_from_ledger(ledger)] == ["T1", "T2", "T3", "T4", "T5", "T6"]


def test_the_values_file_is_used_and_the_term_follows_the_zone(tmp_path):
    trades, fmv = tmp_path / "trades.csv", tmp_path / "fmv.csv"
    trades.write_text(
        "timestamp,exchange,symbol,side,amount,price,fee_cost,fee_currency,trade_id\n"
        "2023-07-14T12:00:00Z,kraken,BTC/GBP,buy,1,20000,0,,A\n"
        "2024-07-14T23:30:00Z,kraken,BTC/USDT,sell,1,40000,0,,B\n"
    )
    fmv.write_text("timestamp,asset,price_gbp\n2024-07-14T23:30:00Z,USDT,0.78\n")
    compute_lots_files(trades, tmp_path, fmv_csv=fmv, choices=TaxChoices("GBP", "Europe/London"))
    (gain,) = csv.DictReader((tmp_path / "gains.csv").read_text().splitlines())
    assert (gain["gain"], gain["term"]) == ("11200.00000000", "LONG")
    assert (tmp_path / "open_lots.csv").read_text().splitlines()[
        1
    ] == "2024-07-14T23:30:00Z,USDT,40000,31200.00000000,kraken,B"


def test_tax_loads_no_heavy_library():
    heavy = "{'pandas', 'sqlalchemy', 'matplotlib', 'torch', 'prefect'}"
    code = (
        f"import sys, kracken_tasks.tax as tax; tax.TaxReporter; tax.export_ledger; print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


AT = datetime(2024, 1, 15, 12, 30, tzinfo=UTC)


def _rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def _sold(amount):
    return Booking(fill("T1", "sell", amount, "40000", fee="4", ts=AT), Purpose.EXIT)


def test_a_deposit_opens_a_lot_whose_cost_is_plainly_not_known_until_somebody_states_it(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        ledger.book_cash([deposit("L1", "BTC", "1", fee="0.01"), deposit("L3", "USD", "100")])
        ledger.book_fills([_sold("0.4")])
        report = export_ledger(ledger, tmp_path / "out")
        [gain], [lot] = _rows(tmp_path / "out" / "gains.csv"), _rows(tmp_path / "out" / "open_lots.csv")
        assert (gain["cost_basis"], gain["gain"], gain["proceeds"], gain["acquired_id"]) == (
            "",
            "",
            "15996.00000000",
            "L1",
        )
        assert (lot["amount"], lot["cost_basis"]) == ("0.59", "")
        assert report.lots.gain == 0
        [note] = report.notes
        assert "0.99 BTC of L1: what they cost is not known" in note

        stated = TaxChoices(costs={"L1": Decimal("9900")})
        report = export_ledger(ledger, tmp_path / "out", choices=stated)
        [gain], [lot] = _rows(tmp_path / "out" / "gains.csv"), _rows(tmp_path / "out" / "open_lots.csv")
        assert (gain["cost_basis"], gain["gain"]) == ("4000.00000000", "11996.00000000")
        assert lot["cost_basis"] == "5900.00000000"
        assert report.notes == ()


def test_a_reward_costs_what_it_was_worth_when_it_came(tmp_path):
    values = FairValues([(NOON, "BTC", Decimal(30000))])
    with temporary_ledger(tmp_path) as ledger:
        ledger.book_cash([deposit("L2", "BTC", "0.01", kind="staking"), deposit("L4", "DOT", "2", kind="earn/reward")])
        ledger.book_cash(
            [deposit("L5", "DOT", "-1", kind="earn/allocation"), deposit("L6", "DOT.F", "1", kind="earn/allocation")]
        )
        ledger.book_fills([_sold("0.01")])
        report = export_ledger(ledger, tmp_path / "out", values=values)
        [gain], [lot] = _rows(tmp_path / "out" / "gains.csv"), _rows(tmp_path / "out" / "open_lots.csv")
        assert (gain["cost_basis"], gain["gain"]) == ("300.00000000", "96.00000000")
        assert (lot["asset"], lot["amount"], lot["cost_basis"]) == ("DOT", "2", "")
        [note] = report.notes
        assert note.startswith("2 DOT of L4")


def test_coins_that_leave_without_a_trade_keep_their_lots_and_are_told(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        ledger.book_fills([Booking(fill("T0", "buy", "1", "30000"), Purpose.ENTRY)])
        ledger.book_cash([deposit("L7", "BTC", "-0.5", kind="withdrawal", fee="0.001", ts=AT)])
        report = export_ledger(ledger, tmp_path / "out")
        assert report.notes == ("0.501 BTC left without a trade: their lots stay open",)
        [lot] = _rows(tmp_path / "out" / "open_lots.csv")
        assert lot["amount"] == "1"


def test_a_deposit_at_the_very_moment_of_its_sale_is_there_for_it_and_one_after_it_is_not(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        ledger.book_cash([deposit("L1", "BTC", "0.4", ts=AT), deposit("L2", "BTC", "1", ts=AT + timedelta(seconds=1))])
        ledger.book_fills([_sold("0.4")])
        export_ledger(ledger, tmp_path / "out")
        assert [gain["acquired_id"] for gain in _rows(tmp_path / "out" / "gains.csv")] == ["L1"]
        ledger.book_fills([Booking(fill("T2", "sell", "0.1", "1", ts=AT), Purpose.EXIT)])
        with pytest.raises(BadData, match="only 0 is held"):
            export_ledger(ledger, tmp_path / "out")

"""The journal against a ledger whose numbers are known by hand, and what must always hold."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from kracken_tasks.domain.clock import iso, utc
from kracken_tasks.domain.trading import CashMovement, Purpose
from kracken_tasks.errors import BadData
from kracken_tasks.journal import build_journal, cut_off, write_journal
from kracken_tasks.journal.writing import check_journal, digests_by_name, journal_bytes
from kracken_tasks.ledger import Booking
from kracken_tasks.tax import compute_lots, export_ledger, trades_from_ledger
from kracken_tasks.tax.lots import Scope
from tests.support.journal_ledger import DAY_ONE, DAY_THREE, DAY_TWO, END, Bookkeeper, two_days_of_trading
from tests.support.ledger import deposit, fill, temporary_ledger

HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        yield two_days_of_trading(ledger)


@pytest.fixture
def empty(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        yield ledger


def journal_of(ledger, end=END, **kwargs):
    return build_journal(ledger, period_end=end, mode="paper", version="0.1.0", **kwargs)


def summary_of(ledger, end=END, **kwargs):
    return journal_of(ledger, end, **kwargs)["performance_summary"]


def test_the_figures_of_two_days_are_those_worked_out_by_hand(ledger):
    summary = summary_of(ledger)
    texts = {"starting_equity": "10000", "ending_equity": "11688.5", "net_profit": "41.7", "deposits": "2000",
             "withdrawals": "500", "unrealised_change": "146.8", "unexplained": "0"}  # fmt: skip
    assert {key: summary[key] for key in texts} == texts
    assert summary["fees"] == {"USD": "11.5"}
    assert (summary["total_trades"], summary["wins"], summary["losses"], summary["breakevens"]) == (2, 1, 1, 0)
    assert summary["profit_factor"] == pytest.approx(95.8 / 54.1)
    assert summary["average_holding_seconds"] == 7200.0
    assert summary["unreliable"] is True


def test_promised_numbers_are_numbers_in_promised_units(ledger):
    journal = journal_of(ledger)
    summary, head = journal["performance_summary"], journal["metadata"]
    # 10095.8/10000 on day one, 12041.7/12095.8 on day two, 11688.5/11541.7 on day three
    grown = 10095.8 / 10000 * 12041.7 / 12095.8 * 11688.5 / 11541.7 - 1
    assert summary["total_return"] == pytest.approx(grown)
    assert summary["total_return_pct"] == pytest.approx(100 * grown)
    assert summary["win_rate"] == 50.0
    assert summary["max_drawdown"] == pytest.approx(100 * (12041.7 / 12095.8 - 1))
    assert summary["sharpe_ratio"] > 0
    assert (head["initial_capital"], head["final_portfolio_value"]) == (10000.0, 11688.5)


def test_a_deposit_is_neither_gain_nor_loss(ledger):
    days = journal_of(ledger)["daily_equity"]
    assert [day["flow"] for day in days] == [0.0, 2000.0, -500.0, 0.0]
    assert [day["equity"] for day in days] == [10000.0, 12095.8, 11541.7, 11688.5]
    assert days[0]["date"] == "2024-01-15T00:00:00Z"


def test_net_profit_is_the_sum_of_the_round_trips(ledger):
    journal = journal_of(ledger)
    nets = [Decimal(trip["net"]) for trip in journal["round_trips"]]
    assert nets == [Decimal("95.8"), Decimal("-54.1")]
    assert sum(nets) == Decimal(journal["performance_summary"]["net_profit"])


@pytest.mark.parametrize(
    "end", [END, DAY_THREE, DAY_TWO + 5 * HOUR + timedelta(seconds=1), DAY_TWO + 4 * HOUR, DAY_ONE + 4 * HOUR]
)
def test_ending_equity_is_explained_to_the_cent_wherever_the_period_ends(ledger, end):
    summary = {key: Decimal(value) for key, value in summary_of(ledger, end).items() if isinstance(value, str)}
    told = summary["starting_equity"] + summary["net_profit"] + summary["deposits"] - summary["withdrawals"]
    assert summary["ending_equity"] == told + summary["unrealised_change"]
    assert summary["unexplained"] == 0


@pytest.mark.parametrize("start", [DAY_ONE + 3 * HOUR, DAY_TWO, DAY_TWO + 3 * HOUR, DAY_THREE])
def test_ending_equity_is_explained_wherever_the_period_begins(ledger, start):
    summary = summary_of(ledger, period_start=start)
    assert summary["unexplained"] == "0"


def test_one_day_tells_that_day_alone(ledger):
    journal = journal_of(ledger, DAY_THREE, period_start=DAY_TWO)
    summary = journal["performance_summary"]
    assert [trip["trade_id"] for trip in journal["round_trips"]] == ["pos_20240116_001"]
    assert [event["action"] for event in journal["trade_history"]] == ["OPEN", "CLOSE"]
    assert (summary["starting_equity"], summary["ending_equity"]) == ("12095.8", "11541.7")
    assert (summary["deposits"], summary["withdrawals"], summary["net_profit"]) == ("0", "500", "-54.1")
    assert journal["metadata"]["row_counts"]["fills"] == 3
    assert journal["performance_summary"]["exposure"] == pytest.approx(2 / 24)


def test_fills_in_the_journal_are_the_fills_in_the_files(ledger, tmp_path):
    export_ledger(ledger, tmp_path, until=END)
    stray = fill("T9", "sell", "0.5", "10", symbol="SOL/USD", ts=DAY_THREE)
    journal = journal_of(ledger)
    told = [one for trip in journal["round_trips"] for one in trip["fill_ids"]]
    told += [one for held in journal["open_positions"] for one in held["fill_ids"]] + journal["unattached_fill_ids"]
    written = [row["trade_id"] for row in csv.DictReader((tmp_path / "trades.csv").read_text().splitlines())]
    assert sorted(told) == sorted(written)
    assert journal["metadata"]["row_counts"]["fills"] == len(written)
    ledger.book_fills([Booking(stray, Purpose.EXIT)])
    assert journal_of(ledger)["unattached_fill_ids"] == ["T9"]


def test_lots_gain_differs_from_the_trips_net_by_open_positions_alone(ledger):
    lots = compute_lots(trades_from_ledger(ledger), scope=Scope.UNIVERSAL)
    assert lots.gain == Decimal(summary_of(ledger)["net_profit"])  # nothing of the open one was sold
    ledger.book_fills([Booking(fill("T7", "sell", "0.5", "2100", symbol="ETH/USD", ts=END - HOUR), Purpose.EXIT)])
    partly_sold = compute_lots(trades_from_ledger(ledger), scope=Scope.UNIVERSAL).gain
    assert partly_sold - Decimal(summary_of(ledger)["net_profit"]) == Decimal("1050") - Decimal("1001.6")


def test_events_carry_the_promised_keys(ledger):
    opened, closed, *_ = journal_of(ledger)["trade_history"]
    assert (opened["timestamp"], opened["action"], opened["position_id"]) == (
        "2024-01-15T02:00:00Z",
        "OPEN",
        "pos_20240115_001",
    )
    assert (opened["side"], opened["entry_price"], opened["quantity"]) == ("BUY", 30000.0, 0.1)
    assert (opened["stop_loss"], opened["take_profit"], opened["signal_confidence"]) == (29000.0, 33000.0, 0.75)
    assert opened["tags"] == ["momentum"]
    assert (closed["action"], closed["exit_price"], closed["pnl"], closed["exit_reason"]) == (
        "CLOSE",
        31000.0,
        95.8,
        "take_profit",
    )


def test_a_position_open_at_the_cut_off_is_open_in_the_journal_whatever_came_later(ledger):
    early = DAY_TWO + 3 * HOUR + timedelta(minutes=30)
    (held,) = journal_of(ledger, early)["open_positions"]
    assert (held["position_id"], held["bought"], held["sold"]) == ("pos_20240116_001", "0.1", "0.04")
    assert held["fill_ids"] == ["T3", "T4"]


def test_a_past_cut_off_gives_the_same_bytes_after_more_has_happened(ledger):
    before = journal_bytes(journal_of(ledger, DAY_THREE))
    books = Bookkeeper(ledger)
    books.pay("L5", "77", DAY_THREE + 6 * HOUR)
    ledger.set_plan("pos_20240117_001", _trailed(ledger), ts=DAY_THREE + 7 * HOUR)
    books.sell("T8", "ETH/USD", "1", "2200", "3", DAY_THREE + 8 * HOUR)
    assert journal_bytes(journal_of(ledger, DAY_THREE)) == before


def _trailed(ledger):
    from dataclasses import replace

    return replace(ledger.plan("pos_20240117_001"), stop_price=Decimal("29900"))


def test_what_a_guard_stopped_is_told_with_its_reason_and_count(ledger):
    (blocked,) = journal_of(ledger)["blocked_decisions"]
    assert (blocked["symbol"], blocked["guard"], blocked["count"], blocked["reason"]) == (
        "BTC/USD",
        "daily_turnover",
        3,
        "over the limit",
    )
    assert (blocked["first_at"], blocked["last_at"]) == ("2024-01-17T04:00:00Z", "2024-01-17T04:02:00Z")


def test_rewards_are_income_and_no_profit(ledger):
    rewards = [("L7", "USD", "5"), ("L8", "ETH", "0.1")]
    ledger.book_cash([deposit(*reward, ts=DAY_THREE + HOUR, kind="staking") for reward in rewards])
    books = Bookkeeper(ledger)
    books.units, books.peak = ledger.last_equity().units, ledger.last_equity().peak
    books.mark(DAY_THREE + 5 * HOUR, ETH="2150")
    summary = summary_of(ledger)
    assert summary["income"] == [
        {"kind": "staking", "asset": "ETH", "amount": "0.1"}, {"kind": "staking", "asset": "USD", "amount": "5"},
    ]  # fmt: skip
    assert (summary["income_worth"], summary["net_profit"], summary["unexplained"]) == ("5", "41.7", "0")


def corrected(ledger, trade_id, asset, amount, ts):
    line = f"correction:{trade_id}:{asset}:0"
    moved = CashMovement(line, trade_id, "correction/fee", asset, Decimal(amount), Decimal(0), ts)
    ledger.book_cash([moved])


@pytest.mark.parametrize("sold_in_between", [False, True])
def test_a_fee_that_was_moved_to_another_coin_counted_twice_in_the_story_of_equity(empty, sold_in_between):
    books = Bookkeeper(empty)
    books.pay("L1", "10000", DAY_ONE)
    books.mark(DAY_ONE)
    books.buy("T1", "ETH/USD", "1.5", "2000", "7.8", DAY_ONE + timedelta(hours=1))
    books.mark(DAY_ONE + timedelta(hours=2), ETH="2000")
    if sold_in_between:
        books.sell("T2", "ETH/USD", "1", "2100", "5", DAY_ONE + timedelta(hours=3))
    corrected(empty, "T1", "USD", "7.8", DAY_ONE + timedelta(hours=1))
    corrected(empty, "T1", "ETH", "-0.0039", DAY_ONE + timedelta(hours=1))
    rest = "0.4961" if sold_in_between else "1.4961"
    books.sell("T3", "ETH/USD", rest, "2100", "5", DAY_TWO)
    books.mark(DAY_TWO + timedelta(hours=1), ETH="2100")
    summary = summary_of(empty)
    assert Decimal(summary["unexplained"]) == Decimal(summary["unrealised_change"]) == 0
    assert Decimal(summary["net_profit"]) == empty.cash()["USD"] - 10000
    assert summary["income"] == []


def test_trips_in_money_without_a_rate_are_told_and_not_summed(ledger):
    books = Bookkeeper(ledger)
    books.buy("E1", "BTC/EUR", "0.1", "30000", "0", DAY_THREE + 5 * HOUR)
    books.sell("E2", "BTC/EUR", "0.1", "30100", "0", DAY_THREE + 6 * HOUR)
    summary = summary_of(ledger)
    assert summary["net_profit_by_currency"] == {"EUR": "10", "USD": "41.7"}
    assert summary["net_profit"] == "41.7"
    assert summary["reasons"]["net_profit"] == "without trips in EUR, for which no rate is stated"
    assert summary_of(ledger, rates={"EUR": Decimal("1.1")})["net_profit"] == "52.7"


def test_an_empty_ledger_has_a_journal_that_says_why_it_is_empty(empty):
    assert cut_off(empty) is None
    journal = journal_of(empty)
    check_journal(journal)
    summary = journal["performance_summary"]
    for key in (
        "total_return",
        "sharpe_ratio",
        "max_drawdown",
        "win_rate",
        "profit_factor",
        "starting_equity",
        "average_holding_seconds",
    ):
        assert summary[key] is None
        assert summary["reasons"][key]
    assert journal["metadata"]["initial_capital"] is None


def test_one_mark_is_not_a_performance(empty):
    books = Bookkeeper(empty)
    books.pay("L0", "100", DAY_ONE)
    books.mark(DAY_ONE)
    journal = journal_of(empty, cut_off(empty))
    check_journal(journal)
    assert journal["performance_summary"]["ending_equity"] == "100"
    assert journal["performance_summary"]["sharpe_ratio"] is None


def test_the_cut_off_lies_just_after_the_newest_fact(ledger):
    assert cut_off(ledger) == DAY_THREE + 3 * HOUR + timedelta(milliseconds=1)
    assert journal_of(ledger, cut_off(ledger))["metadata"]["export_timestamp"] == "2024-01-17T03:00:00.001Z"


def test_a_journal_written_again_is_the_same_file_and_run_facts_stand_beside_it(ledger, tmp_path):
    first, run = write_journal(
        journal_of(ledger), tmp_path / "a", run_facts={"run_id": "one", "at": iso(utc(2026, 1, 1))}
    )
    second, _ = write_journal(journal_of(ledger), tmp_path / "b", run_facts={"run_id": "two"})
    assert first.read_bytes() == second.read_bytes()
    assert json.loads(run.read_text())["run_id"] == "one"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["journal.json", "journal.run.json"]


def test_the_exports_are_named_by_their_hashes(ledger, tmp_path):
    report = export_ledger(ledger, tmp_path, until=END)
    assert journal_of(ledger, exports_sha256=report.sha256)["metadata"]["exports_sha256"] == dict(report.sha256)


def test_a_period_that_ends_before_it_begins_is_refused(ledger):
    with pytest.raises(BadData, match="must begin before it ends"):
        journal_of(ledger, DAY_ONE, period_start=DAY_TWO)


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda journal: journal.update(extra=1), "(top)"),
        (lambda journal: journal["metadata"].update(mode="dream"), "metadata/mode"),
        (lambda journal: journal["metadata"].pop("account"), "metadata"),
        (lambda journal: journal["round_trips"][0].update(net=95.8), "round_trips/0/net"),
        (lambda journal: journal["round_trips"][0].update(net="1E-8"), "round_trips/0/net"),
        (lambda journal: journal["performance_summary"].update(max_drawdown=5.2), "performance_summary/max_drawdown"),
        (lambda journal: journal["performance_summary"].update(win_rate="50"), "performance_summary/win_rate"),
        (lambda journal: journal["trade_history"][1].pop("pnl"), "trade_history/1"),
        (lambda journal: journal["daily_equity"][0].update(date="2024-01-15"), "daily_equity/0/date"),
    ],
)
def test_a_journal_that_breaks_its_schema_is_not_written(ledger, tmp_path, spoil, where):
    journal = journal_of(ledger)
    spoil(journal)
    with pytest.raises(BadData, match="journal breaks its schema") as caught:
        write_journal(journal, tmp_path / "out")
    assert str(caught.value.fields["path"]).startswith(where)
    assert not (tmp_path / "out").exists()


def test_no_number_in_the_file_is_nan_or_infinite(ledger, tmp_path):
    journal = journal_of(ledger)
    journal["performance_summary"]["profit_factor"] = float("inf")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_journal(journal, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_events_stand_in_time_order(ledger):
    times = [event["timestamp"] for event in journal_of(ledger)["trade_history"]]
    assert all(before <= after for before, after in pairwise(times))


def test_a_deposit_of_coins_is_no_profit_of_what_is_held(tmp_path):
    hour = timedelta(hours=1)
    with temporary_ledger(tmp_path) as ledger:
        books = Bookkeeper(ledger)
        books.pay("L0", "10000", DAY_ONE)
        books.mark(DAY_ONE + hour)
        ledger.book_cash([deposit("L1", "BTC", "1", ts=DAY_ONE + 2 * hour, kind="deposit")])
        books.mark(DAY_ONE + 3 * hour, flow="30000", BTC="30000")
        summary = build_journal(ledger, period_end=DAY_TWO, mode="sandbox", version="0.1.0")["performance_summary"]
    assert (summary["unrealised_change"], summary["unexplained"]) == ("0", "30000")
    assert "1 BTC" in summary["reasons"]["unrealised_change"]


def test_tax_files_that_could_not_be_made_leave_their_digests_out_of_the_journal():
    assert digests_by_name({"exports/gains.csv": "ab12"}) == {"gains.csv": "ab12"}
    assert digests_by_name(BadData("only 0 is held")) == {}

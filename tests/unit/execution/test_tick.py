"""A tick from the outside: what it decides, sends, books, and what it refuses to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.receipts import receipt_line
from kracken_tasks.domain.trading import Action, Purpose
from kracken_tasks.ledger import AlertKind
from kracken_tasks.risk.limits import RiskLimits
from tests.support.bench import Bench, MadeCandles
from tests.support.market_data import BTC, ETH, instrument

BUY_BOTH = {BTC: Action.BUY, ETH: Action.BUY}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def test_entry_is_filled_booked_and_protected_within_its_tick(bench: Bench) -> None:
    report = bench.tick({BTC: Action.BUY})
    assert report.done
    assert [fill.purpose for fill in report.fills] == [Purpose.ENTRY]
    assert report.unprotected == ()
    position = bench.ledger.positions()[BTC]
    assert position.strategy == "telling"
    assert position.stop_price is not None
    assert position.take_profit_price is not None
    bench.require_truth()


def test_news_of_an_entry_say_how_its_size_came_about(bench: Bench) -> None:
    report = bench.tick({BTC: Action.BUY})
    (news,) = [alert for alert in bench.ledger.alerts() if alert.kind is AlertKind.TRADE_OPENED]
    receipt = report.decisions[0].receipt
    assert receipt is not None
    assert news.payload["receipt"] == receipt_line(receipt)


def test_bad_start_keeps_an_account_out_for_a_while_and_not_for_ever(bench: Bench) -> None:
    bench.limits = RiskLimits(
        cooldown_minutes=0, max_consecutive_losses=50, max_drawdown_limit=0.5, daily_loss_limit=0.5,
        kelly_min_trades=3, kelly_window_days=2.0,
    )  # fmt: skip
    for _ in range(3):
        bench.tick({BTC: Action.BUY})
        bench.market.prices[BTC] *= 0.99
        bench.tick({BTC: Action.SELL})
    blocked = bench.tick({BTC: Action.BUY}).decisions[0].blocked_by
    assert blocked is not None
    assert blocked.guard == "size_above_zero"
    assert len(bench.tick({BTC: Action.BUY}, seconds=3 * 86_400).sent) == 1


def test_second_entry_of_a_tick_counts_the_first_as_open_before_its_fill_is_known(bench: Bench) -> None:
    bench.limits = RiskLimits(cooldown_minutes=0, max_open_positions=1)
    first, second = bench.tick(BUY_BOTH).decisions
    assert first.blocked_by is None
    assert second.blocked_by is not None
    assert second.blocked_by.guard == "position_cap"


def test_second_entry_of_a_tick_leaves_the_first_its_cash_at_the_worst_price(tmp_path: Path) -> None:
    bench = Bench(tmp_path, cash="1000")
    bench.limits = RiskLimits(
        cooldown_minutes=0, max_position_size=0.6, max_order_fraction=0.6, max_risk_per_trade=0.05, max_total_exposure=1.0,
        correlation_threshold=0.99,
    )  # fmt: skip
    report = bench.tick(BUY_BOTH)
    first, second = (sent.request for sent in report.sent)
    assert first.limit_price is not None
    reserved = float(first.amount * first.limit_price) * 1.004
    receipt = report.decisions[1].receipt
    assert receipt is not None
    (cash,) = [cut for cut in receipt.cuts if cut.rule == "cash"]
    assert cash.reason.startswith(f"cash {1000 - reserved:.2f} ")
    assert cash.after < cash.before
    assert second.limit_price is not None
    assert reserved + float(second.amount * second.limit_price) * 1.004 <= 1000
    bench.require_truth()
    bench.ledger.close()


def test_second_entry_of_a_tick_counts_the_first_as_exposure_turnover_and_company(bench: Bench) -> None:
    bench.limits = RiskLimits(
        cooldown_minutes=0, max_total_exposure=0.15, max_daily_turnover=0.5, correlation_threshold=0.1
    )
    report = bench.tick(BUY_BOTH, snapshot=lambda: _Alike(bench.market))
    receipt = report.decisions[1].receipt
    assert receipt is not None
    cuts = {cut.rule: cut.reason for cut in receipt.cuts}
    worst = sum(float(sent.request.amount * (sent.request.limit_price or 0)) for sent in report.sent[:1])
    assert cuts["exposure"].startswith(f"exposure {worst:.2f} ")
    assert "BTC/USD" in cuts["correlation"]
    (turnover,) = [guard for guard in report.decisions[1].guards if guard.guard == "daily_turnover"]
    assert turnover.reason.startswith(f"turnover with this order {worst + float(receipt.notional):.2f}")


class _Alike(MadeCandles):
    """Every symbol moves as BTC does."""

    def candles(self, key: SeriesKey, *args: Any, **options: Any) -> pd.DataFrame:
        frame = super().candles(replace(key, symbol=BTC), *args, **options)
        prices = ["open", "high", "low", "close", "vwap"]
        frame[prices] *= self.market.prices[key.symbol] / self.market.prices[BTC]
        return frame


def test_stale_symbol_is_not_entered_and_says_which_bar_it_saw(bench: Bench) -> None:
    bench.candles.bars_late = 3
    report = bench.tick({BTC: Action.BUY})
    blocked = report.decisions[0].blocked_by
    assert blocked is not None
    assert "stale, not entered" in blocked.reason
    assert report.sent == ()


def test_row_finding_keeps_the_symbol_out(bench: Bench) -> None:
    bench.findings[BTC] = "negative_volume"
    report = bench.tick(BUY_BOTH)
    assert [sent.key.symbol for sent in report.sent] == [ETH]


def test_bug_in_one_strategy_costs_no_other_symbol_anything(bench: Bench) -> None:
    bench.strategy.breaks = {BTC}
    report = bench.tick(BUY_BOTH)
    assert "ZeroDivisionError" in report.problems[BTC]
    assert set(bench.ledger.positions()) == {ETH}
    bench.require_truth()


def test_halted_pair_is_not_traded_by_the_venues_own_status(bench: Bench) -> None:
    bench.market.listed[BTC] = instrument(BTC, status="cancel_only")
    report = bench.tick(BUY_BOTH)
    assert [sent.key.symbol for sent in report.sent] == [ETH]


def test_a_decision_that_outlasts_the_lease_is_not_written_beside_its_successors(bench: Bench) -> None:
    def slow() -> str:
        bench.wall.advance(timedelta(minutes=30))
        bench.run_other(replace(bench.slot(), key="other"))
        return ""

    report = bench.tick({BTC: Action.BUY}, kill_switch=slow)
    assert report.result == "lease lost"
    assert {entry.tick_id for entry in bench.ledger.decisions()} == {"bench@other"}
    assert len(bench.venue.submitted) == 1
    bench.require_truth()


def test_two_runs_of_the_same_history_leave_identical_ledgers(tmp_path: Path) -> None:
    def life(folder: Path) -> str:
        folder.mkdir()
        bench = Bench(folder)
        bench.tick(BUY_BOTH)
        bench.market.prices[BTC] *= 1.08
        bench.tick()
        bench.tick({ETH: Action.SELL})
        dump = bench.ledger.dump()
        bench.ledger.close()
        return dump

    assert life(tmp_path / "one") == life(tmp_path / "two")


def test_report_shows_the_tick_on_one_page(bench: Bench) -> None:
    text = bench.tick(BUY_BOTH).to_markdown()
    for words in (
        "# Tick bench@1",
        "## Decisions",
        "PO000001",
        "## Fills",
        "## Stops",
        "protected",
        "## Receipts",
        "venue",
    ):
        assert words in text
    assert "| BTC/USD | BUY |" in text

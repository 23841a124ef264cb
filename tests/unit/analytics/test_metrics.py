"""Performance figures against numbers worked out by hand from their definitions."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kracken_tasks.analytics.daily import DailyEquity, daily_equity
from kracken_tasks.analytics.metrics import drawdown_of, evaluate, sharpe, sortino
from kracken_tasks.analytics.report import compare_sheet, tear_sheet
from kracken_tasks.errors import BadData

# 100 -> 110 (+10 %) -> 99 (-10 %) -> 99 (0) -> 118.8 (+20 %)
CURVE = [100.0, 110.0, 99.0, 99.0, 118.8]
TRADES = [30.0, -10.0, 0.0, 20.0, -20.0, -4.0]


def test_sharpe_is_mean_over_sample_deviation_times_root_365() -> None:
    mean = 0.05
    spread = math.sqrt((0.05**2 + 0.15**2 + 0.05**2 + 0.15**2) / 3)
    value, reason = sharpe([0.1, -0.1, 0.0, 0.2])
    assert value == pytest.approx(mean / spread * math.sqrt(365), rel=1e-14)
    assert reason == ""


def test_sortino_divides_by_all_days_not_only_the_losing_ones() -> None:
    value, _ = sortino([0.1, -0.1, 0.0, 0.2])
    assert value == pytest.approx(0.05 / math.sqrt(0.01 / 4) * math.sqrt(365), rel=1e-14)


def test_risk_free_rate_is_taken_from_every_day() -> None:
    assert sharpe([0.1, -0.1, 0.0, 0.2], 0.05)[0] == pytest.approx(0.0, abs=1e-12)


def test_equity_figures_follow_the_table() -> None:
    metrics = evaluate(DailyEquity.of(CURVE), TRADES)
    growth = (118.8 / 100) ** (365 / 4) - 1
    assert metrics.days == 4
    assert metrics.total_return == pytest.approx(0.188)
    assert metrics.cagr == pytest.approx(growth)
    assert metrics.max_drawdown == pytest.approx(-0.1)
    assert metrics.calmar == pytest.approx(growth / 0.1)
    assert metrics.drawdown_days == 3  # peak on day 1, recovered on day 4


def test_trade_figures_follow_the_table_and_zero_is_not_a_win() -> None:
    metrics = evaluate(DailyEquity.of(CURVE), TRADES)
    assert (metrics.wins, metrics.losses, metrics.breakevens) == (2, 3, 1)
    assert metrics.win_rate == pytest.approx(2 / 6)
    assert metrics.profit_factor == pytest.approx(50 / 34)
    assert metrics.expectancy == pytest.approx(16 / 6)
    assert metrics.payoff == pytest.approx(25 / (34 / 3))
    deviations = [(p - 16 / 6) ** 2 for p in TRADES]
    assert metrics.sqn == pytest.approx(math.sqrt(6) * (16 / 6) / math.sqrt(sum(deviations) / 5))
    assert (metrics.largest_win, metrics.largest_loss) == (30.0, -20.0)
    assert metrics.longest_losing_run == 2


def test_expectancy_equals_win_rate_times_win_less_loss_rate_times_loss() -> None:
    metrics = evaluate(DailyEquity.of(CURVE), TRADES)
    assert metrics.average_win is not None
    assert metrics.average_loss is not None
    by_rates = metrics.wins / 6 * metrics.average_win + metrics.losses / 6 * metrics.average_loss
    assert metrics.expectancy == pytest.approx(by_rates)


def test_quantstats_reference_period_of_180_days_agrees() -> None:
    # The same closed forms written the way quantstats and empyrical do, on a seeded curve of 180 days.
    returns = np.random.default_rng(7).normal(0.0005, 0.02, 180)
    metrics = evaluate(DailyEquity.of(100 * np.concatenate(([1.0], np.cumprod(1 + returns)))), [])
    assert metrics.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(365), rel=1e-9)
    assert metrics.sortino == pytest.approx(
        returns.mean() / np.sqrt((returns[returns < 0] ** 2).sum() / 180) * np.sqrt(365), rel=1e-9
    )


@pytest.mark.parametrize(
    ("curve", "trades", "undefined"),
    [
        ([100.0], [], {"total_return": None, "sharpe": "fewer than two daily returns", "cagr": "less than one day"}),
        ([100.0, 100.0, 100.0], [], {"sharpe": "daily returns do not vary", "sortino": "no day with a loss"}),
        ([100.0, 101.0, 102.0], [], {"calmar": "no drawdown", "win_rate": "no closed trade"}),
        ([100.0, 101.0], [5.0, 5.0], {"profit_factor": "no losing trade", "payoff": "no losing trade"}),
        ([100.0, 101.0], [-5.0], {"payoff": "no winning trade", "sqn": "fewer than two closed trades"}),
        ([100.0, 101.0], [5.0, 5.0], {"sqn": "trade profits do not vary"}),
        ([100.0, 0.0, 0.0], [], {"sharpe": "equity was zero or negative", "cagr": "equity was zero or negative"}),
    ],
)
def test_undefined_figures_are_none_with_a_reason(
    curve: list[float], trades: list[float], undefined: dict[str, str | None]
) -> None:
    metrics = evaluate(DailyEquity.of(curve), trades)
    for name, reason in undefined.items():
        if reason is None:
            assert getattr(metrics, name) == 0.0
        else:
            assert getattr(metrics, name) is None
            assert metrics.reasons[name] == reason
            assert math.isnan(metrics.as_numbers()[name])


def test_every_undefined_figure_has_a_reason_and_no_other_does() -> None:
    metrics = evaluate(DailyEquity.of([100.0]), [])
    undefined = {name for name, value in metrics.as_numbers().items() if math.isnan(value)} - {"exposure"}
    assert undefined == set(metrics.reasons)


def test_drawdown_includes_the_start_and_an_unfinished_fall() -> None:
    fall = drawdown_of([100.0, 80.0, 90.0, 95.0])
    assert fall.depth == pytest.approx(-0.2)
    assert (fall.duration_of_deepest, fall.longest_duration, fall.open_at_end) == (3, 3, True)


def test_longest_drawdown_need_not_be_the_deepest() -> None:
    fall = drawdown_of([100.0, 70.0, 100.0, 99.0, 98.0, 99.0, 101.0])
    assert (fall.duration_of_deepest, fall.longest_duration) == (2, 4)
    assert not fall.open_at_end


def test_flat_peak_counts_the_duration_from_its_last_day() -> None:
    assert drawdown_of([100.0, 100.0, 100.0, 90.0, 100.0]).duration_of_deepest == 2


def test_nothing_left_is_a_drawdown_of_everything() -> None:
    assert drawdown_of([100.0, 50.0, 0.0]).depth == -1.0


def test_deposit_is_no_gain_and_withdrawal_is_no_loss() -> None:
    equity = DailyEquity(datetime(2024, 1, 1, tzinfo=UTC), np.array([100.0, 210.0, 105.0]), np.array([100.0, -105.0]))
    assert equity.returns == pytest.approx([0.10, 0.0])
    metrics = evaluate(equity, [])
    assert metrics.total_return == pytest.approx(0.10)
    assert metrics.max_drawdown == 0.0
    assert metrics.net_flows == pytest.approx(-5.0)


@pytest.mark.parametrize(("trades", "days", "unreliable"), [(29, 90, True), (30, 89, True), (30, 90, False)])
def test_few_trades_or_days_are_flagged(trades: int, days: int, unreliable: bool) -> None:
    assert evaluate(DailyEquity.of([100.0] * (days + 1)), [1.0] * trades).unreliable is unreliable


def test_daily_equity_takes_the_newest_mark_at_or_before_each_midnight() -> None:
    start = datetime(2024, 1, 1, 6, tzinfo=UTC)
    times = [start + timedelta(hours=h) for h in (1, 18, 19, 30)]  # 07:00, 00:00 next day, 01:00, 12:00
    equity = daily_equity(times, [101.0, 102.0, 103.0, 104.0], starting_equity=100.0, start=start)
    assert equity.dates[0] == datetime(2024, 1, 1, tzinfo=UTC)
    assert equity.values.tolist() == [100.0, 102.0, 104.0]


def test_days_without_marks_repeat_the_last_value() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    equity = daily_equity([start, start + timedelta(days=3)], [100.0, 130.0], starting_equity=100.0, start=start)
    assert equity.values.tolist() == [100.0, 100.0, 100.0, 130.0]


def test_flow_belongs_to_the_day_in_which_it_happened() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=1), start + timedelta(days=2)]
    equity = daily_equity(
        times, [100.0, 150.0], starting_equity=100.0, start=start, flows=[(start + timedelta(hours=30), 50.0)]
    )
    assert equity.flows.tolist() == [0.0, 50.0]
    assert equity.returns == pytest.approx([0.0, 0.0])


def test_naive_or_unordered_marks_are_refused() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(BadData):
        daily_equity([datetime(2024, 1, 2)], [1.0], starting_equity=1.0, start=start)  # noqa: DTZ001
    with pytest.raises(BadData):
        daily_equity([start + timedelta(days=1), start], [1.0, 1.0], starting_equity=1.0, start=start)
    with pytest.raises(BadData):
        daily_equity([start], [1.0, 2.0], starting_equity=1.0, start=start)
    with pytest.raises(BadData):
        DailyEquity.of([100.0, float("nan")])


def test_tear_sheet_says_why_a_figure_is_missing_and_never_prints_minus_zero() -> None:
    sheet = tear_sheet(evaluate(DailyEquity.of(CURVE), [1.0]), title="A week", currency="USD")
    assert "| Profit factor | undefined (no losing trade) |" in sheet
    assert "| Total return | 18.80 % |" in sheet
    assert "**Unreliable**" in sheet
    assert "-0.00" not in sheet
    assert "365 periods a year, ddof 1" in sheet


def test_compare_sheet_has_a_column_each() -> None:
    metrics = evaluate(DailyEquity.of(CURVE), TRADES)
    sheet = compare_sheet([("a", metrics), ("b", metrics)], title="Two")
    assert "| figure | a | b |" in sheet
    assert "| Wins | 2 | 2 |" in sheet

"""Kelly, drawdown, correlation, volatility and the limits themselves."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.errors import Misconfigured
from kracken_tasks.risk import (
    DrawdownControl,
    KellyConfig,
    KellyPositionSizer,
    RiskLimits,
    atr_fraction,
    correlation_cut,
    daily_volatility,
    drawdown_of,
    kelly_estimate,
    recent_kelly,
)
from tests.support.candles import frame_from_closes, random_candles
from tests.support.decisions import NOW

# --- Kelly


def test_kelly_by_hand() -> None:
    # p = 0.6, b = 2: full Kelly 0.4; a quarter of it; 20 / (20 + 20) for few trades
    estimate = kelly_estimate([20.0] * 12 + [-10.0] * 8)
    assert (estimate.win_rate, estimate.payoff) == (0.6, 2.0)
    assert estimate.fraction == pytest.approx(0.4 * 0.25 * 0.5)


def test_a_negative_edge_is_no_bet() -> None:
    assert kelly_estimate([10.0] * 5 + [-10.0] * 15).fraction == 0.0
    assert kelly_estimate([-1.0] * 20).fraction == 0.0


def test_too_few_trades_or_no_loss_yet_is_no_estimate() -> None:
    assert kelly_estimate([]).fraction is None
    assert kelly_estimate([1.0, -1.0] * 4).reason == "8 of 10 closed trades: no estimate yet"
    assert kelly_estimate([1.0] * 30).reason == "no loss in 30 trades: no estimate yet"


def test_more_trades_of_the_same_kind_are_trusted_more() -> None:
    fractions = [kelly_estimate(([20.0] * 6 + [-10.0] * 4) * times).fraction or 0.0 for times in (1, 3, 10, 100)]
    assert fractions == sorted(fractions)
    assert fractions[-1] < 0.4 * 0.25


def test_the_kelly_sizer_bets_a_small_stated_fraction_first() -> None:
    sizer = KellyPositionSizer()
    sizer.update_trade(profit=100)
    assert sizer.get_position_size(account_balance=10000) == 10_000 * KellyConfig().starting_fraction == 100.0


def test_the_kelly_sizer_follows_its_trades() -> None:
    sizer = KellyPositionSizer()
    for profit in [20.0] * 12 + [-10.0] * 8:
        sizer.update_trade(profit)
    assert sizer.get_position_size(10_000) == pytest.approx(500.0)
    for _ in range(60):
        sizer.update_trade(profit=-10.0)
    assert sizer.get_position_size(10_000) == 0.0


def test_no_balance_is_no_size() -> None:
    assert KellyPositionSizer().get_position_size(-50.0) == 0.0


def test_a_profit_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        KellyPositionSizer().update_trade(math.nan)


@settings(deadline=None)
@given(profits=st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_kelly_stays_within_its_bounds(profits: list[float]) -> None:
    fraction = kelly_estimate(profits).fraction
    assert fraction is None or 0.0 <= fraction <= KellyConfig().max_fraction


@settings(deadline=None)
@given(profits=st.lists(st.floats(-1e4, 1e4), min_size=12, max_size=40))
def test_a_loss_more_never_raises_an_estimate(profits: list[float]) -> None:
    before = kelly_estimate(profits).fraction
    # A loss as large as the largest known, so that the average loss cannot shrink by it.
    after = kelly_estimate([*profits, -max(1.0, *(-p for p in profits))]).fraction
    if before is not None and after is not None:
        trust = (len(profits) + 1) / len(profits)
        assert after <= before * trust + 1e-12


@pytest.mark.parametrize("changes", [{"multiplier": 2.0}, {"min_trades": 0}, {"starting_fraction": 0.5}])
def test_a_kelly_configuration_out_of_range_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(Misconfigured, match=next(iter(changes))):
        KellyConfig(**changes)  # type: ignore[arg-type]  # a test names fields of the dataclass


def test_an_account_forgets_old_trades_and_may_try_again() -> None:
    poor = [(NOW - timedelta(days=1, hours=i), -1.0 if i % 3 else 1.0) for i in range(40)]
    assert recent_kelly(poor, NOW, RiskLimits()).fraction == 0.0
    later = recent_kelly(poor, NOW + timedelta(days=31), RiskLimits())
    assert (later.fraction, later.trades) == (None, 0)


def test_trades_of_the_future_are_not_known_yet() -> None:
    assert recent_kelly([(NOW + timedelta(seconds=1), 5.0)], NOW, RiskLimits()).trades == 0


def test_an_account_s_kelly_bets_shrinks_and_caps_as_its_limits_say() -> None:
    closed = [(NOW, 20.0)] * 24 + [(NOW, -10.0)] * 16  # full Kelly 0.4 over 40 trades
    plain = recent_kelly(closed, NOW, RiskLimits())
    assert plain.fraction == pytest.approx(0.4 * 0.25 * 40 / 60)
    bold = recent_kelly(closed, NOW, RiskLimits(kelly_multiplier=1.0, kelly_shrink_trades=0, kelly_max_fraction=1.0))
    assert bold.fraction == pytest.approx(0.4)
    capped = recent_kelly(closed, NOW, RiskLimits(kelly_multiplier=1.0, kelly_max_fraction=0.1))
    assert capped.fraction == 0.1
    assert capped.reason.endswith("at most 10 %")


@pytest.mark.parametrize("name", ["kelly_multiplier", "kelly_max_fraction", "max_cluster_exposure"])
def test_a_limit_of_nothing_is_refused_and_not_taken_for_none(name: str) -> None:
    with pytest.raises(Misconfigured, match=rf"{name} = 0: allowed is 0.01 to 1.0"):
        RiskLimits(**{name: 0})  # type: ignore[arg-type]  # the test names fields


# --- drawdown


def test_drawdown_control_allows_until_the_limit() -> None:
    control = DrawdownControl(max_drawdown=0.20)
    assert control.update(current_balance=9500)
    assert control.update(current_balance=10_000)
    assert control.update(current_balance=8_001)
    assert control.current_drawdown == pytest.approx(0.1999)
    assert not control.update(current_balance=8_000)


def test_a_bounce_does_not_lift_the_halt_a_release_does() -> None:
    control = DrawdownControl(max_drawdown=0.20)
    control.update(10_000)
    assert not control.update(7_000)
    assert not control.update(10_500)
    control.release()
    assert control.update(7_000)


def test_a_balance_that_is_not_a_number_stops_trading() -> None:
    control = DrawdownControl()
    control.update(10_000)
    assert not control.update(math.nan)


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, math.nan])
def test_a_drawdown_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(Misconfigured, match="max_drawdown"):
        DrawdownControl(max_drawdown=limit)


def test_drawdown_of_nothing_is_total() -> None:
    assert drawdown_of(100.0, 0.0) == drawdown_of(100.0, -5.0) == drawdown_of(100.0, math.nan) == 1.0
    assert drawdown_of(100.0, 120.0) == 0.0


# --- correlation


def alike(share: float, rows: int = 200) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two frames whose returns correlate by about ``share``."""
    rng = np.random.default_rng(7)
    common, first, second = rng.normal(0, 0.01, (3, rows))
    mixed = [np.sqrt(share) * common + np.sqrt(1 - share) * own for own in (first, second)]
    frames = [frame_from_closes(list(100 * np.exp(np.cumsum(returns))), minutes=60) for returns in mixed]
    return frames[0], frames[1]


def test_a_holding_that_moves_alike_makes_the_size_smaller() -> None:
    cut = correlation_cut(alike(0.9)[0], {"ETH/USD": alike(0.9)[1]}, 0.7)
    assert cut.highest == pytest.approx(0.9, abs=0.05)
    assert cut.factor == pytest.approx(1 - 0.5 * (cut.highest - 0.7) / 0.3)
    assert cut.reason.startswith("moves with ETH/USD 0.")


def test_a_holding_that_moves_by_itself_cuts_nothing() -> None:
    cut = correlation_cut(alike(0.1)[0], {"ETH/USD": alike(0.1)[1]}, 0.7)
    assert (cut.factor, cut.reason) == (1.0, "no holding above 0.70")


def test_two_holdings_alike_cut_more_than_one() -> None:
    ours, other = alike(0.95)
    one = correlation_cut(ours, {"ETH/USD": other}, 0.7)
    two = correlation_cut(ours, {"ETH/USD": other, "LTC/USD": other}, 0.7)
    assert two.factor == pytest.approx(one.factor**2)


def test_a_correlation_nobody_can_tell_is_assumed_high() -> None:
    later = random_candles(200, seed=2, start="2025-01-01")
    cut = correlation_cut(random_candles(200), {"ETH/USD": later}, 0.7)
    assert cut.factor == pytest.approx(0.75)
    assert cut.reason == "moves with ETH/USD 0.85 assumed: factor 0.750"


def moved(*weights: tuple[float, float]) -> list[pd.DataFrame]:
    """Frames whose returns are mixed from two independent ones."""
    rng = np.random.default_rng(11)
    first, second = rng.normal(0, 0.01, (2, 200))
    mixed = [a * first + b * second for a, b in weights]
    return [frame_from_closes(list(100 * np.exp(np.cumsum(returns))), minutes=60) for returns in mixed]


def test_a_holding_that_moves_with_a_holding_that_moves_with_it_is_of_its_cluster() -> None:
    ours, between, far, alone = moved((1.0, 0.0), (1.0, 0.8), (0.2, 1.0), (1.0, -3.0))
    cut = correlation_cut(ours, {"NEAR/USD": between, "FAR/USD": far, "ALONE/USD": alone}, 0.7)
    assert cut.correlations["FAR/USD"] < 0.7
    assert cut.cluster == ("FAR/USD", "NEAR/USD")
    assert correlation_cut(ours, {"FAR/USD": far, "ALONE/USD": alone}, 0.7).cluster == ()


def test_a_holding_whose_candles_nobody_reads_counts_as_alike() -> None:
    cut = correlation_cut(alike(0.1)[0], {"OLD/USD": None}, 0.7)
    assert cut.cluster == ("OLD/USD",)
    assert cut.correlations == {"OLD/USD": 0.85}


def test_missing_candles_do_not_shift_the_comparison() -> None:
    ours, other = alike(0.9)
    holed = other.drop(index=[50, 51, 120]).reset_index(drop=True)
    assert correlation_cut(ours, {"E/U": holed}, 0.7).highest == pytest.approx(0.9, abs=0.05)


def test_nothing_held_cuts_nothing() -> None:
    assert correlation_cut(random_candles(50), {}, 0.7).factor == 1.0


# --- volatility


def test_daily_volatility_of_hours_is_scaled_by_the_root_of_time() -> None:
    closes = np.exp(np.cumsum([0.01, -0.01] * 84))
    assert daily_volatility(closes, 3600) == pytest.approx(0.01 * math.sqrt(24), rel=0.01)
    assert daily_volatility(closes, 86_400) == pytest.approx(0.01, rel=0.01)


def test_too_few_bars_have_no_volatility() -> None:
    assert math.isnan(daily_volatility(np.full(20, 1.0), 3600))
    assert math.isnan(daily_volatility(np.array([1.0] * 30 + [0.0]), 3600))


def test_the_true_range_counts_gaps() -> None:
    close = np.array([10.0, 12.0, 12.0])
    high, low = np.array([10.0, 12.5, 12.5]), np.array([10.0, 11.5, 11.5])
    # gap from 10: 2.5; then 1.0
    assert atr_fraction(high, low, close, bars=2) == pytest.approx(1.75 / 12.0)
    assert math.isnan(atr_fraction(high, low, close, bars=3))


# --- limits


def test_the_promised_defaults() -> None:
    limits = RiskLimits()
    assert (limits.max_position_size, limits.max_risk_per_trade, limits.correlation_threshold) == (0.10, 0.02, 0.7)
    assert (limits.max_drawdown_limit, limits.daily_loss_limit, limits.max_consecutive_losses) == (0.15, 0.05, 5)
    assert (limits.confidence_threshold, limits.cooldown_minutes, limits.zone) == (0.6, 30.0, ZoneInfo("UTC"))


@pytest.mark.parametrize("key", [item.name for item in fields(RiskLimits) if item.name != "day_zone"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e9, True, "0.1", None])
def test_no_limit_takes_a_value_that_switches_it_off(key: str, value: object) -> None:
    with pytest.raises(Misconfigured) as refused:
        RiskLimits(**{key: value})  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.fields["key"] == key
    assert " to " in str(refused.value.fields["allowed"])


def test_counts_are_whole_numbers() -> None:
    with pytest.raises(Misconfigured, match="a whole number"):
        RiskLimits(max_open_positions=2.5)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(Misconfigured, match="day_zone"):
        RiskLimits(day_zone=zone)

"""Stops, targets and the reasons to leave."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.money import price_of
from kracken_tasks.errors import Misconfigured
from kracken_tasks.risk import ExitName, StopKind, StopRules, exit_reason, plan_stops, trailed_stop_ticks
from tests.support.decisions import NOW, PAIR, position

RULES = StopRules()


def at(bid: float) -> Quote:
    return Quote("BTC/USD", bid, bid + 10.0, bid, NOW)


def name_of(
    bid: float, rules: StopRules = RULES, *, high_water: float | None = None, stop_resting: bool = True
) -> ExitName | None:
    signal = exit_reason(position(), at(bid), NOW, rules, high_water=high_water, stop_resting=stop_resting)
    return signal.name if signal else None


def test_fixed_stops_are_whole_ticks_below_and_above() -> None:
    plan = plan_stops(50_001.23, PAIR, RULES)
    # 48501.1931 down to the tick, 53001.3038 up to it
    assert price_of(plan.stop_ticks, PAIR) == Decimal("48501.1")
    assert price_of(plan.target_ticks, PAIR) == Decimal("53001.4")
    assert plan.stop_pct == 0.03


def test_volatile_markets_get_wider_stops_and_targets_in_the_same_ratio() -> None:
    plan = plan_stops(50_000.0, PAIR, StopRules(kind=StopKind.VOLATILITY), atr=0.02)
    assert plan.stop_pct == pytest.approx(0.06)
    assert plan.take_profit_pct == pytest.approx(0.12)
    assert plan.reason == "3 true ranges of 2.00 %: stop 6.00 %"


@pytest.mark.parametrize(("atr", "stop"), [(0.0001, 0.005), (0.5, 0.15)])
def test_volatility_stops_stay_within_their_bounds(atr: float, stop: float) -> None:
    assert plan_stops(50_000.0, PAIR, StopRules(kind=StopKind.VOLATILITY), atr=atr).stop_pct == stop


@pytest.mark.parametrize("atr", [None, math.nan, 0.0])
def test_an_unknown_range_falls_back_to_the_fixed_stop(atr: float | None) -> None:
    plan = plan_stops(50_000.0, PAIR, StopRules(kind=StopKind.VOLATILITY), atr=atr)
    assert plan.stop_pct == 0.03
    assert "unknown" in plan.reason


def test_what_was_asked_for_wins_over_the_rules() -> None:
    plan = plan_stops(100.0, PAIR, RULES, stop_pct=0.05)
    assert (plan.stop_pct, plan.take_profit_pct) == (0.05, 0.06)
    assert price_of(plan.stop_ticks, PAIR) == Decimal("95.0")


@pytest.mark.parametrize(
    "changes", [{"stop_pct": 0.0}, {"stop_pct": 1.0}, {"take_profit_pct": -0.1}, {"stop_pct": math.nan}]
)
def test_fractions_that_are_no_exit_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="fractions of price"):
        plan_stops(100.0, PAIR, RULES, **changes)


def test_a_price_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not above zero"):
        plan_stops(math.nan, PAIR, RULES)


def test_between_stop_and_target_there_is_no_reason_to_leave() -> None:
    assert name_of(50_000.0) is None


def test_the_target_counts_from_the_bid() -> None:
    assert name_of(52_999.9) is None
    assert name_of(53_000.0) is ExitName.TAKE_PROFIT


def test_just_below_a_resting_stop_is_the_venues_business() -> None:
    assert name_of(48_400.0) is None


def test_far_below_a_stop_that_did_not_trigger_the_tick_sells() -> None:
    signal = exit_reason(position(), at(48_200.0), NOW, RULES)
    assert signal is not None
    assert signal.name is ExitName.STOP_MISSED
    assert signal.detail == "bid 48200 is below the stop 48500 and it has not triggered"


def test_a_stop_that_does_not_rest_is_watched_without_margin() -> None:
    assert name_of(48_500.0, stop_resting=False) is ExitName.STOP_MISSED


def test_trailing_leaves_when_the_bid_falls_from_its_best() -> None:
    rules = StopRules(trailing_pct=0.02)
    assert name_of(51_500.0, rules, high_water=52_000.0) is None
    assert name_of(50_960.0, rules, high_water=52_000.0) is ExitName.TRAILING


def test_a_stop_that_already_trails_there_is_left_to_the_venue() -> None:
    held = position(stop_price=Decimal("50960"))
    rules = StopRules(trailing_pct=0.02)
    assert exit_reason(held, at(50_950.0), NOW, rules, high_water=52_000.0) is None
    assert exit_reason(held, at(50_600.0), NOW, rules, high_water=52_000.0) is not None


def test_time_runs_out() -> None:
    rules = StopRules(max_holding=timedelta(hours=1))
    assert name_of(50_000.0, rules) is ExitName.MAX_HOLDING
    assert name_of(50_000.0, StopRules(max_holding=timedelta(hours=2))) is None


def test_time_runs_out_even_without_a_usable_quote() -> None:
    assert name_of(math.nan, StopRules(max_holding=timedelta(hours=1))) is ExitName.MAX_HOLDING
    assert name_of(math.nan) is None


def test_a_missed_stop_comes_before_every_other_reason() -> None:
    rules = StopRules(trailing_pct=0.02, max_holding=timedelta(hours=1))
    assert name_of(40_000.0, rules, high_water=52_000.0) is ExitName.STOP_MISSED


def test_a_position_without_levels_leaves_by_time_alone() -> None:
    bare = replace(position(), stop_price=None, take_profit_price=None)
    assert exit_reason(bare, at(1.0), NOW, RULES) is None


@settings(deadline=None)
@given(stop=st.integers(1, 600_000), waters=st.lists(st.floats(1.0, 60_000.0), max_size=20))
def test_a_trailing_stop_never_moves_down(stop: int, waters: list[float]) -> None:
    rules, now = StopRules(trailing_pct=0.03), stop
    for water in waters:
        after = trailed_stop_ticks(now, water, rules, PAIR)
        assert after >= now
        now = after
    assert now >= stop


def test_without_trailing_the_stop_stays() -> None:
    assert trailed_stop_ticks(485_000, 60_000.0, RULES, PAIR) == 485_000
    assert trailed_stop_ticks(485_000, math.nan, StopRules(trailing_pct=0.01), PAIR) == 485_000


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"stop_loss_pct": 3.0}, "stop_loss_pct"),
        ({"trailing_pct": 0.0}, "trailing_pct"),
        ({"min_stop_pct": 0.4, "max_stop_pct": 0.2}, "min_stop_pct"),
        ({"max_holding": timedelta(0)}, "max_holding"),
        ({"missed_margin_pct": 0.5}, "missed_margin_pct"),
    ],
)
def test_rules_that_cannot_be_right_are_refused_by_key(changes: dict[str, object], key: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        StopRules(**changes)  # type: ignore[arg-type]  # a test names fields of the dataclass
    assert refused.value.fields["key"] == key

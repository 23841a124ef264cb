"""What the settings allow, the rooms that are handed it allow too: a value is refused at the door or not at all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.errors import Misconfigured
from kracken_tasks.risk import StopKind, StopRules, limits, stops
from kracken_tasks.settings import load_settings

GROUPS = {
    **dict.fromkeys(
        (
            "max_position_size", "max_risk_per_trade", "correlation_threshold", "max_drawdown_limit", "daily_loss_limit",
            "max_consecutive_losses", "reference_volatility", "kelly_min_trades", "kelly_window_days", "kelly_multiplier",
            "kelly_shrink_trades", "kelly_max_fraction", "max_cluster_exposure",
        ),
        "risk_management",
    ),
    **dict.fromkeys(("confidence_threshold", "cooldown_minutes"), "ml_integration"),
    **dict.fromkeys(
        (
            "max_open_positions", "max_total_exposure", "max_order_fraction", "max_spread_fraction", "price_collar_fraction",
            "max_quote_age_seconds", "max_bar_age_bars", "max_orders_per_minute", "max_daily_turnover",
        ),
        "trading",
    ),
    "max_feed_age_seconds": "price_feed",
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_the_bounds_of_a_setting_are_the_bounds_of_the_limit(name: str, tmp_path: Path) -> None:
    low, high = limits._BOUNDS[name]
    for value in (low, high):
        settings = load_settings(tmp_path, env={}, overrides={GROUPS[name]: {name: value}})
        assert getattr(wiring.risk_limits(settings), name) == value
    for value in (low - 0.01 * max(low, 0.01), high * 1.01 + 1):
        with pytest.raises(Misconfigured, match=name):
            load_settings(tmp_path, env={}, overrides={GROUPS[name]: {name: value}})


STOPS = {
    "stop_loss_pct": "stop_loss_pct", "take_profit_pct": "take_profit_pct", "atr_multiple": "atr_multiple",
    "min_stop_pct": "min_stop_pct", "max_stop_pct": "max_stop_pct", "trailing_pct": "trailing_pct",
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_the_bounds_of_a_stops_setting_are_the_bounds_of_its_rule(name: str, tmp_path: Path) -> None:
    (low, high), rule = next((bounds[1:], bounds[0]) for bounds in stops._BOUNDS if bounds[0] == STOPS[name])
    for value in (low, high):
        room = {"min_stop_pct": 0.001, "max_stop_pct": 0.5} | {name: value}
        settings = load_settings(tmp_path, env={}, overrides={"risk_management": room})
        assert getattr(wiring.stop_rules(settings), rule) == value
    for value in (low / 2, high * 1.01):
        with pytest.raises(Misconfigured, match=name):
            load_settings(tmp_path, env={}, overrides={"risk_management": {name: value}})


def test_every_kind_of_stop_can_be_set_and_without_a_word_none_has_changed(tmp_path: Path) -> None:
    assert wiring.stop_rules(load_settings(tmp_path, env={})) == StopRules()
    set_all = {"stop_kind": "volatility", "trailing_pct": "0.02", "max_holding_hours": "36"}
    rules = wiring.stop_rules(load_settings(tmp_path, env={}, overrides={"risk_management": set_all}))
    assert (rules.kind, rules.trailing_pct, rules.max_holding) == (StopKind.VOLATILITY, 0.02, timedelta(hours=36))


def test_an_agent_s_own_stops_win_and_what_it_leaves_out_is_everybody_s(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path, env={},
        overrides={
            "risk_management": {"stop_loss_pct": 0.04, "trailing_pct": 0.05},
            "agents": [{"name": "main", "stops": {"stop_loss_pct": 0.02, "max_holding_hours": 6}}],
        },
    )  # fmt: skip
    rules = wiring.stop_rules(settings, settings.agents[0])
    assert (rules.stop_loss_pct, rules.trailing_pct, rules.max_holding) == (0.02, 0.05, timedelta(hours=6))
    assert wiring.stop_rules(settings).stop_loss_pct == 0.04


@pytest.mark.parametrize(
    ("stops", "told"),
    [
        ({"stop_loss_pct": 0}, "stop_loss_pct"),
        ({"min_stop_pct": 0.4}, "min_stop_pct 0.4 is above"),
        ({"stop": 1}, "unknown key"),
    ],
)
def test_an_agent_s_stops_that_cannot_be_are_refused_at_the_door(
    tmp_path: Path, stops: dict[str, float], told: str
) -> None:
    with pytest.raises(Misconfigured, match=told):
        load_settings(tmp_path, env={}, overrides={"agents": [{"name": "main", "stops": stops}]})


@pytest.mark.parametrize("key", ["stop_loss_pct", "trailing_pct"])
def test_a_stop_out_of_bounds_is_told_both_bounds_in_the_account_and_in_an_agent(tmp_path: Path, key: str) -> None:
    for overrides in (
        {"risk_management": {key: 0.9}},
        {"agents": [{"name": "main", "stops": {key: 0.9}}]},
    ):
        with pytest.raises(Misconfigured, match=rf"{key}: .*; allowed: at least 0.001 and at most 0.5"):
            load_settings(tmp_path, env={}, overrides=overrides)


def test_a_nearest_stop_beyond_the_farthest_is_refused_at_the_door(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"min_stop_pct 0.2 is above max_stop_pct 0.15"):
        load_settings(tmp_path, env={}, overrides={"risk_management": {"min_stop_pct": 0.2}})

"""What the settings allow, the rooms that are handed it allow too: a value is refused at the door or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.errors import Misconfigured
from kracken_tasks.risk import limits
from kracken_tasks.settings import load_settings

GROUPS = {
    **dict.fromkeys(
        (
            "max_position_size", "max_risk_per_trade", "correlation_threshold", "max_drawdown_limit", "daily_loss_limit",
            "max_consecutive_losses",
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

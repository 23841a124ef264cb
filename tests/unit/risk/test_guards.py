"""The entry policy: every guard blocks for its own reason, and only for that."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import TradingState
from kracken_tasks.risk import ENTRY_POLICY, RiskLimits, evaluate, first_block
from tests.support.decisions import NOW, context, quote

NAN = math.nan
WIDE = RiskLimits(max_position_size=1.0)


def blocked(**changes: Any) -> dict[str, str]:
    return {
        outcome.guard: outcome.reason for outcome in evaluate(ENTRY_POLICY, context(**changes)) if not outcome.passed
    }


def test_an_account_in_order_is_let_through_by_every_guard() -> None:
    outcomes = evaluate(ENTRY_POLICY, context())
    assert first_block(outcomes) is None
    assert all(outcome.passed and outcome.reason for outcome in outcomes)


def test_the_policy_reads_in_this_order() -> None:
    assert [outcome.guard for outcome in evaluate(ENTRY_POLICY, context())] == [
        "kill_switch", "armed", "trading_state", "drawdown_limit", "daily_loss", "streak_limit",
        "no_unknown_intent", "data_fresh", "rows_clean", "venue_online", "quote_fresh", "feed_live", "spread_bound",
        "price_collar",
        "confidence_reached", "cooldown", "one_position", "position_cap",
        "size_above_zero", "largest_order", "position_size", "cluster_cap", "exposure_cap", "cash_enough", "order_rate", "daily_turnover",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("guard", "changes", "reason"),
    [
        ("kill_switch", {"kill_switch": "held by ada: exchange in trouble"}, "held by ada: exchange in trouble"),
        ("armed", {"not_armed": "armed by ada until noon, which is over"}, "armed by ada until noon, which is over"),
        (
            "trading_state",
            {"state": TradingState.REDUCE_ONLY, "state_reason": "since 14:05"},
            "reduce_only since 14:05",
        ),
        ("trading_state", {"state": TradingState.HALTED}, "halted"),
        ("drawdown_limit", {"drawdown": 0.15}, "drawdown 15.00 %, stop at 15.00 %"),
        ("daily_loss", {"daily_loss": 0.051}, "day's loss 5.10 %, stop at 5.00 %"),
        ("streak_limit", {"losing_streak": 5}, "5 losses in a row, stop at 5"),
        ("no_unknown_intent", {"unknown_intent": "order 7f3a may exist"}, "order 7f3a may exist"),
        (
            "data_fresh",
            {"bar_ts": utc(2024, 3, 1, 9)},
            "stale, not entered: last candle 2024-03-01T09:00:00Z closed 7220 s ago, allowed 3600 s",
        ),
        ("data_fresh", {"bar_ts": utc(2024, 3, 1, 12)}, "candle 2024-03-01T12:00:00Z is still running, not entered"),
        ("data_fresh", {"bar_ts": None}, "stale, not entered: there is no closed candle"),
        (
            "rows_clean",
            {"row_findings": ("close_positive: 1 row", "vwap: 2 rows")},
            "close_positive: 1 row; vwap: 2 rows",
        ),
        ("venue_online", {"venue_status": "cancel_only"}, "pair is cancel_only"),
        (
            "quote_fresh",
            {"quote": replace(quote(), ts=NOW - timedelta(seconds=61))},
            "quote is 61.0 s old, allowed 60 s",
        ),
        ("feed_live", {"feed_age": 15.1, "feed_note": "silent since 14:05"}, "silent since 14:05, allowed 15 s"),
        ("feed_live", {"feed_age": math.inf, "feed_note": "nothing yet"}, "nothing yet, allowed 15 s"),
        ("spread_bound", {"quote": quote(49_600.0, 50_000.0)}, "spread 0.80 %, allowed 0.50 %"),
        ("price_collar", {"reference_price": 48_000.0}, "ask 50005 is 4.18 % from 48000 (last close), allowed 2.00 %"),
        (
            "price_collar",
            {"reference_price": None, "reference_source": "no candle; binance is silent"},
            "no second source for the price: no candle; binance is silent",
        ),
        ("confidence_reached", {"confidence": 0.59}, "confidence 0.590, at least 0.600"),
        ("cooldown", {"last_exit_at": NOW - timedelta(minutes=29)}, "29.0 min since the last trade, at least 30 min"),
        ("cooldown", {"last_entry_at": NOW - timedelta(minutes=1), "last_exit_at": NOW - timedelta(days=1)}, None),
        ("one_position", {"position_open": True}, "a position is open"),
        ("position_cap", {"open_positions": 10}, "10 open, at most 10"),
        ("size_above_zero", {"lots": 0, "order_notional": 0.0}, "sized to nothing, see the receipt"),
        ("largest_order", {"order_notional": 2001.0, "limits": WIDE}, "order 2001.00, at most 2000.00"),
        ("position_size", {"order_notional": 1001.0}, "position 1001.00, at most 1000.00"),
        (
            "cluster_cap",
            {"cluster": ("ETH/USD", "SOL/USD"), "cluster_exposure": 2600.0},
            "moves with ETH/USD, SOL/USD, together 3100.00, at most 3000.00",
        ),
        ("exposure_cap", {"exposure": 7600.0}, "exposure with this order 8100.00, at most 8000.00"),
        ("cash_enough", {"cash": 502.99}, "cost at most 503.00, at most 502.99"),
        ("order_rate", {"orders_last_minute": 10}, "10 orders in a minute, at most 10"),
        ("daily_turnover", {"turnover_today": 29_600.0}, "turnover with this order 30100.00, at most 30000.00"),
    ],
)
def test_each_guard_blocks_alone_and_says_why(guard: str, changes: dict[str, Any], reason: str | None) -> None:
    found = blocked(**changes)
    assert list(found) == [guard]
    assert reason is None or found[guard] == reason


@pytest.mark.parametrize(
    ("guard", "changes"),
    [
        ("drawdown_limit", {"drawdown": NAN}),
        ("daily_loss", {"daily_loss": NAN}),
        ("spread_bound", {"quote": quote(NAN, 50_005.0)}),
        ("spread_bound", {"quote": quote(50_100.0, 50_005.0)}),
        ("feed_live", {"feed_age": NAN}),
        ("price_collar", {"reference_price": NAN}),
        ("price_collar", {"quote": quote(50_000.0, NAN)}),
        ("confidence_reached", {"confidence": NAN}),
        ("size_above_zero", {"order_notional": NAN}),
        ("largest_order", {"order_notional": NAN}),
        ("position_size", {"order_notional": NAN}),
        ("cluster_cap", {"cluster": ("ETH/USD",), "cluster_exposure": NAN}),
        ("exposure_cap", {"exposure": NAN}),
        ("cash_enough", {"cash": NAN}),
        ("cash_enough", {"order_cost": NAN}),
        ("daily_turnover", {"turnover_today": NAN}),
        ("daily_turnover", {"equity": NAN}),
    ],
)
def test_a_figure_that_is_not_a_number_blocks(guard: str, changes: dict[str, Any]) -> None:
    assert guard in blocked(**changes)


def test_the_bar_that_just_closed_stays_fresh_until_the_next_one_is_due() -> None:
    fresh = {"bar_ts": utc(2024, 3, 1, 11)}
    assert blocked(**fresh, now=utc(2024, 3, 1, 12), quote=replace(quote(), ts=utc(2024, 3, 1, 12))) == {}
    at_due = utc(2024, 3, 1, 13, 0, 1)
    assert list(blocked(**fresh, now=at_due, quote=replace(quote(), ts=at_due))) == ["data_fresh"]


def test_all_that_speaks_against_an_entry_is_recorded_not_only_the_first() -> None:
    found = blocked(drawdown=0.2, cash=0.0, position_open=True)
    assert list(found) == ["drawdown_limit", "one_position", "cash_enough"]
    first = first_block(evaluate(ENTRY_POLICY, context(drawdown=0.2, cash=0.0)))
    assert first is not None
    assert first.guard == "drawdown_limit"


def test_the_cooldown_ends_to_the_minute() -> None:
    assert blocked(last_exit_at=NOW - timedelta(minutes=30)) == {}


@pytest.mark.parametrize("minutes", [0.0, 30.0])
def test_a_trade_dated_after_now_blocks_and_no_reason_tells_minus_nought_minutes(minutes: float) -> None:
    limits = RiskLimits(cooldown_minutes=minutes)
    found = blocked(last_exit_at=NOW + timedelta(milliseconds=400), limits=limits)
    assert found == {"cooldown": "the last trade is 0.400 s ahead of this moment"}


def test_limits_are_those_of_the_context() -> None:
    strict = RiskLimits(max_open_positions=1)
    assert list(blocked(limits=strict, open_positions=1)) == ["position_cap"]

"""What is rehearsed is what would trade: the same exits, stops, guards and pauses, and a report that says what it left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.backtest.ensemble_strategy import HeldPosition
from kracken_tasks.backtest.rehearsal import Setting, decision_of, rehearse
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.errors import Misconfigured
from kracken_tasks.risk import RiskLimits, StopRules
from kracken_tasks.risk.stops import StopKind
from kracken_tasks.strategies import Strategy, build_strategy
from kracken_tasks.strategies.proposal import Proposal, newest_bar
from tests.support.candles import random_candles
from tests.support.market_data import BTC, instrument

KEY = SeriesKey("kraken", BTC, Timeframe.H1)
FRAME = random_candles(600, seed=3, momentum=0.3)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class AlwaysBuy:
    """Wants in at every bar, as a strategy in a fast market does."""

    name: str = "always_buy"
    lookback: int = 1
    modules: tuple[str, ...] = ()

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        return Proposal(symbol, self.name, Action.BUY, 0.9, "always", newest_bar(frame))


def setting(strategy: Strategy | None = None, **changes: object) -> Setting:
    plain = Setting(
        KEY, instrument(), strategy or AlwaysBuy(), RiskLimits(), StopRules(), cash=10_000.0, commission=0.004, slippage=0.0
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # a test names fields of the dataclass


def held_since(moment: datetime) -> HeldPosition:
    return HeldPosition(0.1, 30_000.0, moment, 29_000.0, 32_000.0)


def close_of(rows: int) -> datetime:
    close: datetime = FRAME["ts"].iloc[rows - 1].to_pydatetime() + HOUR
    return close


def test_a_position_older_than_allowed_is_sold_as_the_tick_would() -> None:
    decide = decision_of(setting(stops=StopRules(max_holding=3 * HOUR)))
    assert decide(FRAME[:300], held_since(close_of(300) - 2 * HOUR)).action == "HOLD"
    late = decide(FRAME[:301], held_since(close_of(301) - 3 * HOUR))
    assert late.action == "SELL"
    assert late.reason.startswith("max_holding")


def test_stops_by_volatility_are_rehearsed_at_the_distance_that_trades() -> None:
    wide = decision_of(setting(stops=StopRules(kind=StopKind.VOLATILITY, atr_multiple=5.0)))(FRAME[:300], None)
    assert wide.stop_pct is not None
    assert wide.stop_pct != StopRules().stop_loss_pct
    assert wide.take_profit_pct == pytest.approx(2 * wide.stop_pct)


def test_an_order_larger_than_the_guard_allows_is_not_rehearsed_as_if_it_had_traded() -> None:
    limits = replace(RiskLimits(), max_position_size=0.5, max_risk_per_trade=0.1, max_order_fraction=0.01)
    step = decision_of(setting(limits=limits))(FRAME[:300], None)
    assert (step.action, step.reason.split(":")[0]) == ("HOLD", "blocked by largest_order")


def test_an_entry_that_was_stopped_out_within_its_bar_still_starts_the_pause() -> None:
    decide = decision_of(setting(limits=replace(RiskLimits(), cooldown_minutes=150.0)))
    actions = [decide(FRAME[:rows], None).action for rows in range(300, 304)]
    assert actions == ["BUY", "HOLD", "HOLD", "BUY"]


def test_a_strategy_that_only_a_champion_can_feed_is_refused_instead_of_rehearsed_as_idle(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="acts on a champion's forecasts alone"):
        rehearse(FRAME, setting(build_strategy("lstm")), folder=tmp_path, commit_seq=1)
    assert list(tmp_path.iterdir()) == []


def test_a_trailing_stop_is_rehearsed_and_the_report_says_how(tmp_path: Path) -> None:
    fixed = rehearse(FRAME, setting(), folder=tmp_path / "fixed", commit_seq=1)
    trailed = rehearse(FRAME, setting(stops=StopRules(trailing_pct=0.01)), folder=tmp_path / "trailed", commit_seq=1)
    assert "the stop trails the best close by 1.00%, from the next bar on" in trailed.markdown
    assert "trails" not in fixed.markdown
    assert trailed.figures["total_trades"] > fixed.figures["total_trades"]  # nearer stops are hit more often


def test_a_report_says_what_was_missing_and_what_was_not_asked(tmp_path: Path) -> None:
    holed = FRAME.drop(index=list(range(400, 410))).reset_index(drop=True)
    begins = holed["ts"].iloc[0].to_pydatetime()
    report = rehearse(
        holed, setting(build_strategy("ensemble")), folder=tmp_path, commit_seq=7, asked_from=begins - timedelta(days=9)
    )
    for sentence in (
        "10 windows in between have no candle",
        "asked from 2023-12-23",
        "without the opinion of lstm",
        "not rehearsed",
    ):
        assert sentence in report.markdown
    assert (tmp_path / "report.md").read_text() == report.markdown


def test_an_unbroken_rehearsal_has_no_missing_windows_to_tell(tmp_path: Path) -> None:
    report = rehearse(FRAME, setting(), folder=tmp_path, commit_seq=7, asked_from=FRAME["ts"].iloc[0].to_pydatetime())
    assert "no candle" not in report.markdown
    assert "asked from" not in report.markdown
    assert math.isfinite(report.total_return_pct)

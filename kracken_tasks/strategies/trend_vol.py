"""Trend and volatility: buy a trend that is strong for how much the price moves, and only while the market is calm enough.

In: candles.  Out: ``Proposal``.  Never: an entry in a market wilder than ``max_daily_volatility``, however strong the trend.

    strength   = (fast average - slow average) / average true range           exponential averages of closes
    volatility = average true range / close x sqrt(bars a day)                of one day, as a fraction of price
    action     = BUY if strength >= enter and volatility <= max_daily_volatility
                 SELL if strength <= leave                                    in any weather
                 HOLD otherwise
    confidence = LEAST + (1 - LEAST) x min(1, strength / (2 enter)) x min(1, target_daily_volatility / volatility)

Sizing takes the size times the confidence, so a wilder market buys less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.signals import indicators
from kracken_tasks.signals.window import Window, window_of
from kracken_tasks.strategies.parameters import refuse, require_fraction, require_number, require_whole
from kracken_tasks.strategies.proposal import Proposal, newest_bar

__all__ = ["TrendVolStrategy"]

# The least confidence of an entry is the default threshold, so that sizing, not the guard, tells weak from strong.
LEAST: Final = 0.6
_DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class TrendVolStrategy:
    """``fast``, ``slow`` and ``atr_period`` in candles, fast below slow; ``enter`` and ``leave`` in average true ranges, leave below
    enter; volatilities are fractions of price a day."""

    fast: int = 20
    slow: int = 50
    atr_period: int = 14
    enter: float = 1.0
    leave: float = 0.0
    target_daily_volatility: float = 0.03
    max_daily_volatility: float = 0.10
    stop_pct: float | None = None
    take_profit_pct: float | None = None

    def __post_init__(self) -> None:
        require_whole(self.name, "fast", self.fast, 2, 500)
        require_whole(self.name, "slow", self.slow, 3, 500)
        require_whole(self.name, "atr_period", self.atr_period, 2, 100)
        require_number(self.name, "enter", self.enter, 0.01, 50.0)
        require_number(self.name, "leave", self.leave, -50.0, 50.0)
        require_number(self.name, "target_daily_volatility", self.target_daily_volatility, 0.001, 1.0)
        require_number(self.name, "max_daily_volatility", self.max_daily_volatility, 0.001, 5.0)
        if self.fast >= self.slow:
            raise refuse(self.name, "fast", self.fast, f"below slow ({self.slow})")
        if self.leave >= self.enter:
            raise refuse(self.name, "leave", self.leave, f"below enter ({self.enter:g})")
        require_fraction(self.name, "stop_pct", self.stop_pct)
        require_fraction(self.name, "take_profit_pct", self.take_profit_pct)

    @property
    def name(self) -> str:
        return "trend_vol"

    @property
    def lookback(self) -> int:
        return max(indicators.ema_lookback(self.slow), indicators.atr_lookback(self.atr_period))

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: known at the close of the frame's last candle; fills at the next open at the earliest."""
        window = window_of(frame, self.lookback)
        action, confidence = Action.HOLD, 0.0
        values: dict[str, float] = {}
        reason = window.unfit(self.lookback, moving=self.atr_period)
        if not reason:
            values = self._figures(window)
            action, confidence, reason = self._judge(values["strength"], values["volatility"])
        return Proposal(
            symbol=symbol, strategy=self.name, action=action, confidence=confidence, reason=reason, bar_ts=newest_bar(frame),
            opinions=tuple(opinions), values=values, stop_pct=self.stop_pct, take_profit_pct=self.take_profit_pct,
        )  # fmt: skip

    def _figures(self, window: Window) -> dict[str, float]:
        fast, slow = indicators.ema(window.close, self.fast), indicators.ema(window.close, self.slow)
        true_range = indicators.atr(window.high, window.low, window.close, self.atr_period)
        strength = (fast - slow) / true_range if true_range > 0.0 else math.nan
        a_day = math.sqrt(_DAY_SECONDS / window.bar_seconds)
        return {"strength": strength, "volatility": true_range / float(window.close[-1]) * a_day, "atr": true_range}

    def _judge(self, strength: float, volatility: float) -> tuple[Action, float, str]:
        told = f"trend of {strength:+.2f} average true ranges, {100 * volatility:.1f} % a day"
        if not (math.isfinite(strength) and math.isfinite(volatility)):
            return Action.HOLD, 0.0, "a high or low that is not a number among the last candles"
        if strength <= self.leave:
            return Action.SELL, LEAST, f"{told}: at or below {self.leave:g}"
        if strength < self.enter:
            return Action.HOLD, 0.0, f"{told}: below {self.enter:g}"
        if volatility > self.max_daily_volatility:
            return Action.HOLD, 0.0, f"{told}: wilder than {100 * self.max_daily_volatility:.1f} %"
        strong = min(1.0, strength / (2.0 * self.enter))
        calm = min(1.0, self.target_daily_volatility / volatility) if volatility > 0.0 else 1.0
        return Action.BUY, LEAST + (1.0 - LEAST) * strong * calm, told

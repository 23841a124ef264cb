"""Fractional Kelly from closed trades.

In: profits of closed trades (quote currency, net of fees).  Out: a fraction of equity with its reason.  Never: a bet on a negative
edge, or full trust in a handful of trades.

Source: J. L. Kelly, "A New Interpretation of Information Rate", 1956; the two-outcome form f = p - (1 - p) / b with b the average
win over the average loss.  It assumes fixed win and loss sizes, which trades do not have: hence the multiplier and the shrinking.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kracken_tasks.errors import Misconfigured
from kracken_tasks.risk.limits import RiskLimits

__all__ = ["KellyConfig", "KellyEstimate", "KellyPositionSizer", "kelly_estimate", "recent_kelly"]


@dataclass(frozen=True, slots=True)
class KellyConfig:
    """``multiplier`` of full Kelly that is bet; below ``min_trades`` there is no estimate; an estimate from n trades is weighted
    n / (n + shrink_trades); ``starting_fraction`` of the balance is what the toolkit bets while there is no estimate."""

    multiplier: float = 0.25
    min_trades: int = 10
    shrink_trades: int = 20
    starting_fraction: float = 0.01
    max_fraction: float = 0.25

    def __post_init__(self) -> None:
        for name, low, high in (
            ("multiplier", 0.01, 1.0),
            ("starting_fraction", 0.0, 0.1),
            ("max_fraction", 0.01, 1.0),
        ):
            _refuse_outside(name, getattr(self, name), low, high)
        _refuse_outside("min_trades", self.min_trades, 1, 10_000)
        _refuse_outside("shrink_trades", self.shrink_trades, 0, 10_000)


def _refuse_outside(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise Misconfigured(
            f"kelly {key} = {value!r}: allowed is {low} to {high}", key=key, value=value, allowed=f"{low} to {high}"
        )


@dataclass(frozen=True, slots=True)
class KellyEstimate:
    """``fraction`` of equity to hold at most; None: no estimate (too few trades, or no loss yet), and ``reason`` says so."""

    fraction: float | None
    trades: int
    win_rate: float
    payoff: float
    reason: str


def kelly_estimate(profits: Iterable[float], config: KellyConfig | None = None) -> KellyEstimate:
    """Estimate the Kelly fraction from closed trades' profits, in any order."""
    config = config or KellyConfig()
    known = [profit for profit in profits if math.isfinite(profit)]
    wins, losses = [p for p in known if p > 0.0], [-p for p in known if p < 0.0]
    count = len(known)
    win_rate = len(wins) / count if count else math.nan
    payoff = (math.fsum(wins) / len(wins)) / (math.fsum(losses) / len(losses)) if wins and losses else math.nan
    if count < config.min_trades:
        return KellyEstimate(
            None, count, win_rate, payoff, f"{count} of {config.min_trades} closed trades: no estimate yet"
        )
    if not losses:
        return KellyEstimate(None, count, win_rate, payoff, f"no loss in {count} trades: no estimate yet")
    full = win_rate - (1.0 - win_rate) / payoff if wins else -1.0
    if full <= 0.0:
        return KellyEstimate(
            0.0, count, win_rate, payoff, f"negative edge over {count} trades: full Kelly {100 * full:.1f} %"
        )
    trust = count / (count + config.shrink_trades)
    fraction = min(config.max_fraction, full * config.multiplier * trust)
    reason = f"full Kelly {100 * full:.1f} % over {count} trades, times {config.multiplier:g}, times {trust:.2f} for few trades"
    if fraction >= config.max_fraction:
        reason = f"{reason}, at most {100 * config.max_fraction:g} %"
    return KellyEstimate(fraction, count, win_rate, payoff, reason)


def recent_kelly(closed: Iterable[tuple[datetime, float]], now: datetime, limits: RiskLimits) -> KellyEstimate:
    """The account's estimate, from its recent trades: (closed at, net profit) pairs in any order.

    Older trades than ``limits.kelly_window_days`` are forgotten.  A negative edge sizes entries to nothing, so nothing new would
    ever be learned; forgetting is what lets an account try again.
    """
    since = now - timedelta(days=limits.kelly_window_days)
    profits = [profit for moment, profit in closed if since < moment <= now]
    config = KellyConfig(
        multiplier=limits.kelly_multiplier,
        min_trades=limits.kelly_min_trades,
        shrink_trades=limits.kelly_shrink_trades,
        max_fraction=limits.kelly_max_fraction,
    )
    return kelly_estimate(profits, config)


@dataclass(slots=True)
class KellyPositionSizer:
    """The toolkit's Kelly sizer: told of each closed trade, it answers with a position size in quote currency."""

    config: KellyConfig = field(default_factory=KellyConfig)
    profits: list[float] = field(default_factory=list)

    def update_trade(self, profit: float) -> None:
        """Remember a closed trade's profit (negative: a loss), in quote currency, after fees."""
        if not math.isfinite(profit):
            raise ValueError(f"profit {profit!r} is not a finite number")
        self.profits.append(float(profit))

    def estimate(self) -> KellyEstimate:
        return kelly_estimate(self.profits, self.config)

    def get_position_size(self, account_balance: float) -> float:
        """Quote currency to hold at most: the stated starting fraction of the balance while there is no estimate."""
        fraction = self.estimate().fraction
        if fraction is None:
            fraction = self.config.starting_fraction
        return max(0.0, account_balance) * fraction

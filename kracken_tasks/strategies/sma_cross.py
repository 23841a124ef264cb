"""SMA cross: buy when the fast average crosses above the slow one, sell when it crosses below.

In: closes.  Out: ``Proposal``.  Never: a signal between crosses.

    cross      = fast > slow now, and the last difference before that was not zero was below (mirrored for a sell)
    confidence = LEAST + (1 - LEAST) x min(1, |fast - slow| / standard deviation of one bar's change)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.strategies.parameters import refuse, require_fraction, require_whole
from kracken_tasks.strategies.proposal import Proposal, newest_bar

__all__ = ["SmaCrossStrategy"]

# A cross is a yes or no; its least confidence is the default threshold, so that sizing, not the guard, tells weak from strong.
LEAST: Final = 0.6
# How many bars of exactly equal averages are looked through for the side they came from.
_LOOK_THROUGH: Final = 10


@dataclass(frozen=True, slots=True)
class SmaCrossStrategy:
    """``fast`` and ``slow`` in candles, fast below slow."""

    fast: int = 10
    slow: int = 30
    stop_pct: float | None = None
    take_profit_pct: float | None = None

    def __post_init__(self) -> None:
        require_whole(self.name, "fast", self.fast, 1, 1000)
        require_whole(self.name, "slow", self.slow, 2, 1000)
        if self.fast >= self.slow:
            raise refuse(self.name, "fast", self.fast, f"below slow ({self.slow})")
        require_fraction(self.name, "stop_pct", self.stop_pct)
        require_fraction(self.name, "take_profit_pct", self.take_profit_pct)

    @property
    def name(self) -> str:
        return "sma_cross"

    @property
    def lookback(self) -> int:
        return self.slow + _LOOK_THROUGH

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: known at the close of the frame's last candle; fills at the next open at the earliest."""
        closes = frame["close"].to_numpy(dtype=np.float64)[-self.lookback :]
        action, confidence = Action.HOLD, 0.0
        values: dict[str, float] = {}
        if len(closes) <= self.slow:
            reason = f"too little data: {len(closes)} of {self.slow + 1} candles"
        elif not np.isfinite(closes).all():
            reason = "a close that is not a number among the last candles"
        else:
            action, confidence, values = self._cross(closes)
            fast, slow = values["fast"], values["slow"]
            how = {Action.BUY: "crossed above", Action.SELL: "crossed below", Action.HOLD: "did not cross"}[action]
            reason = f"fast average {fast:.6g} {how} slow average {slow:.6g}"
        return Proposal(
            symbol=symbol, strategy=self.name, action=action, confidence=confidence, reason=reason, bar_ts=newest_bar(frame),
            opinions=tuple(opinions), values=values, stop_pct=self.stop_pct, take_profit_pct=self.take_profit_pct,
        )  # fmt: skip

    def _cross(self, closes: NDArray[np.float64]) -> tuple[Action, float, dict[str, float]]:
        bars = len(closes) - self.slow + 1
        # Each average is summed by itself: running sums would make a value depend on where the frame begins.
        fast = np.lib.stride_tricks.sliding_window_view(closes, self.fast)[-bars:].mean(axis=1)
        slow = np.lib.stride_tricks.sliding_window_view(closes, self.slow).mean(axis=1)
        apart = fast - slow
        before = apart[:-1][apart[:-1] != 0.0]
        values = {"fast": float(fast[-1]), "slow": float(slow[-1])}
        if not len(before) or apart[-1] == 0.0 or (apart[-1] > 0.0) == (before[-1] > 0.0):
            return Action.HOLD, 0.0, values
        spread = float(np.diff(closes).std())
        strength = min(1.0, abs(float(apart[-1])) / spread) if spread > 0.0 else 0.0
        return (Action.BUY if apart[-1] > 0.0 else Action.SELL), LEAST + (1.0 - LEAST) * strength, values

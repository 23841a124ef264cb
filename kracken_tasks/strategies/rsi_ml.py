"""RSI with a learned filter: buy an oversold symbol that turns, if setups like this one have paid on this symbol before.

In: candles.  Out: ``Proposal``, saying what the filter learned from.  Never: state between calls, an outcome from after the last close,
an opinion of the filter before ``min_setups`` finished setups.

The filter is fitted anew from the candles it is shown, each time a setup appears: what it knows is what the frame holds, so a rehearsal,
a tick and a repetition of either give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.signals import indicators
from kracken_tasks.signals.window import Floats, Window, window_of
from kracken_tasks.strategies.logistic import probability
from kracken_tasks.strategies.parameters import refuse, require_fraction, require_number, require_whole
from kracken_tasks.strategies.proposal import Proposal, newest_bar
from kracken_tasks.strategies.setups import WARM_UP, find_setups, setup_features

__all__ = ["RsiMlStrategy"]


@dataclass(frozen=True, slots=True)
class RsiMlStrategy:
    """``memory``, ``period`` and ``horizon`` in candles; ``oversold`` and ``overbought`` in points of RSI; ``threshold`` the least
    probability to pay for an entry.

    ``cost_fraction``: what a round trip costs; 0.008 is Kraken's first taker tier (2026) on both sides.
    """

    period: int = 14
    oversold: float = 30.0
    overbought: float = 70.0
    memory: int = 1500
    horizon: int = 24
    min_setups: int = 20
    threshold: float = 0.6
    cost_fraction: float = 0.008
    seed: int = 7
    stop_pct: float | None = None
    take_profit_pct: float | None = None

    def __post_init__(self) -> None:
        require_whole(self.name, "period", self.period, 2, 60)
        require_number(self.name, "oversold", self.oversold, 1.0, 99.0)
        require_number(self.name, "overbought", self.overbought, 1.0, 99.0)
        require_whole(self.name, "memory", self.memory, 200, 20_000)
        require_whole(self.name, "horizon", self.horizon, 1, 500)
        require_whole(self.name, "min_setups", self.min_setups, 5, 1000)
        require_number(self.name, "threshold", self.threshold, 0.01, 1.0)
        require_number(self.name, "cost_fraction", self.cost_fraction, 0.0, 0.2)
        require_whole(self.name, "seed", self.seed, 0, 2**32 - 1)
        if self.oversold >= self.overbought:
            raise refuse(self.name, "oversold", self.oversold, f"below overbought ({self.overbought:g})")
        if self.memory < WARM_UP + self.horizon + self.min_setups:
            raise refuse(self.name, "memory", self.memory, f"at least {WARM_UP + self.horizon + self.min_setups}")
        require_fraction(self.name, "stop_pct", self.stop_pct)
        require_fraction(self.name, "take_profit_pct", self.take_profit_pct)

    @property
    def name(self) -> str:
        return "rsi_ml"

    @property
    def lookback(self) -> int:
        return self.memory

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: known at the close of the frame's last candle; fills at the next open at the earliest.

        A shorter history than ``memory`` is learned from as it is: what counts is the number of finished setups.
        """
        window = window_of(frame, self.lookback)
        action, confidence = Action.HOLD, 0.0
        values: dict[str, float] = {}
        reason = window.unfit(WARM_UP + 1, moving=self.period + 1) or _unusable(window)
        if not reason:
            line = indicators.rsi_line(window.close, self.period)
            values = {"rsi": float(line[-1])}
            action, confidence, reason = self._judge(window, line, values)
        return Proposal(
            symbol=symbol, strategy=self.name, action=action, confidence=confidence, reason=reason, bar_ts=newest_bar(frame),
            opinions=tuple(opinions), values=values, stop_pct=self.stop_pct, take_profit_pct=self.take_profit_pct,
        )  # fmt: skip

    def _judge(self, window: Window, line: Floats, values: dict[str, float]) -> tuple[Action, float, str]:
        before, now = float(line[-2]), float(line[-1])
        if before > self.overbought >= now:
            return Action.SELL, self.threshold, f"RSI came back down through {self.overbought:g}: {now:.1f}"
        if not before < self.oversold <= now:
            return Action.HOLD, 0.0, f"RSI {now:.1f}: no setup"
        known = find_setups(
            window, line, oversold=self.oversold, horizon=self.horizon, cost_fraction=self.cost_fraction
        )
        values["setups"], values["paid"] = float(len(known)), float(known.paid.sum())
        turned = f"RSI came back up through {self.oversold:g}: {now:.1f}"
        if len(known) < self.min_setups:
            return Action.HOLD, 0.0, f"{turned}; {len(known)} of {self.min_setups} finished setups to learn from"
        asked = setup_features(window, line, np.array([len(window) - 1]))[0]
        chance = values["probability"] = probability(known.features, known.paid, asked, seed=self.seed)
        first = from_ms(int(window.open_ms[known.rows[0]]))
        learned = f"learned from {len(known)} setups since {first:%Y-%m-%d}, {int(known.paid.sum())} paid"
        action = Action.BUY if chance >= self.threshold else Action.HOLD
        return action, chance, f"{turned}; {100 * chance:.0f} % likely to pay, {learned}"


def _unusable(window: Window) -> str:
    bad = not (np.isfinite(window.close).all() and (window.close > 0.0).all() and np.isfinite(window.volume).all())
    return "a close or volume that is not a number among the candles" if bad else ""

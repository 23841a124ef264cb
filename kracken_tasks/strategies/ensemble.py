"""The ensemble strategy: buy or sell when the weighted vote of the signal modules is sure enough.

In: opinions.  Out: ``Proposal``.  Never: candles of its own; the modules have looked at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals.ensemble import DEFAULT_WEIGHTS, combine
from kracken_tasks.signals.panel import lookback_of
from kracken_tasks.signals.registry import SIGNALS
from kracken_tasks.strategies.parameters import refuse, require_fraction, require_number
from kracken_tasks.strategies.proposal import Proposal, newest_bar

__all__ = ["EnsembleStrategy"]


@dataclass(frozen=True, slots=True)
class EnsembleStrategy:
    """``weights`` as configured (or corrected by feedback); see signals.ensemble for the vote.

    Weights of modules that are promised but not there yet are kept and not asked.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    threshold: float = 0.6
    stop_pct: float | None = None
    take_profit_pct: float | None = None

    def __post_init__(self) -> None:
        require_number(self.name, "threshold", self.threshold, 0.01, 1.0)
        require_fraction(self.name, "stop_pct", self.stop_pct)
        require_fraction(self.name, "take_profit_pct", self.take_profit_pct)
        if not isinstance(self.weights, Mapping):
            raise refuse(self.name, "weights", self.weights, "a mapping of module names to numbers")
        for module, weight in self.weights.items():
            if module not in SIGNALS and module not in DEFAULT_WEIGHTS:
                raise refuse(
                    self.name, f"weights.{module}", weight, f"one of {', '.join(sorted({*SIGNALS, *DEFAULT_WEIGHTS}))}"
                )
            require_number(self.name, f"weights.{module}", weight, 0.0, 100.0)
        if not any(self.weights[module] > 0.0 for module in self.modules):
            raise refuse(self.name, "weights", dict(self.weights), "at least one module with a weight above 0")

    @property
    def name(self) -> str:
        return "ensemble"

    @property
    def lookback(self) -> int:
        return lookback_of(self.modules)

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(module for module, weight in self.weights.items() if weight > 0.0 and module in SIGNALS)

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: opinions were formed at the close of the frame's last candle."""
        vote = combine([one for one in opinions if _in_service(one)], self.weights, threshold=self.threshold)
        return Proposal(
            symbol=symbol, strategy=self.name, action=vote.action, confidence=vote.confidence, reason=vote.reason,
            bar_ts=newest_bar(frame), opinions=tuple(opinions), values={"score": vote.score, **vote.contributions},
            stop_pct=self.stop_pct, take_profit_pct=self.take_profit_pct,
        )  # fmt: skip


def _in_service(opinion: Opinion) -> bool:
    """A module that speaks for a model without a champion, or for news of which there is no fresh word, is not asked: its weight is not
    missing from the vote.

    A module that could speak and does not (nothing to say, too little data) stays asked, and its silence counts.
    """
    module = SIGNALS.get(opinion.module)
    return opinion.has_opinion or module is None or module.hears_candles_alone

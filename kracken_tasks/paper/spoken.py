"""A person's word as a strategy: it proposes what was said, and meets the same sizing, guards and stops as any other proposal.

In: an action with its confidence, stops, volatility and tags.  Out: a ``Strategy``.  Never: an opinion of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.strategies.proposal import Proposal, newest_bar

__all__ = ["Spoken"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """``opinions``: what the word was formed on, kept with the decision."""

    action: Action
    confidence: float
    reason: str
    stop_pct: float | None = None
    take_profit_pct: float | None = None
    volatility: float | None = None
    tags: tuple[str, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    name: str = "spoken"

    @property
    def lookback(self) -> int:
        return 1

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: the frame's newest closed candle stands for the moment of the word, so that an old market is refused as stale."""
        return Proposal(
            symbol=symbol, strategy=self.name, action=self.action, confidence=self.confidence, reason=self.reason,
            bar_ts=newest_bar(frame), opinions=self.opinions, stop_pct=self.stop_pct, take_profit_pct=self.take_profit_pct,
            volatility=self.volatility, tags=self.tags,
        )  # fmt: skip

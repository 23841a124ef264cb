"""A strategy in an agent's seat: the same decisions, under the agent's name.

In: an agent's name and a strategy.  Out: a strategy.  Never: a decision of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.risk.stops import StopRules
from kracken_tasks.strategies.proposal import Proposal, Strategy

__all__ = ["Seat", "Seated"]


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent at the table: its share of the account's capital, what it trades by symbol, its stops (None: the account's)."""

    agent: str
    share: float
    strategies: Mapping[str, Strategy]
    rules: StopRules | None = None


@dataclass(frozen=True, slots=True)
class Seated:
    """``name`` is ``agent:strategy``: what its decisions are recorded under."""

    agent: str
    strategy: Strategy

    @property
    def name(self) -> str:
        return f"{self.agent}:{self.strategy.name}"

    @property
    def lookback(self) -> int:
        return self.strategy.lookback

    @property
    def modules(self) -> tuple[str, ...]:
        return self.strategy.modules

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: as the strategy's own."""
        return replace(self.strategy.propose(symbol, frame, opinions), strategy=self.name)

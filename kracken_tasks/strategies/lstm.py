"""The LSTM strategy: act on the champion's forecast alone.

In: the lstm module's opinion.  Out: ``Proposal``.  Never: an act without a champion.

    score = direction x confidence of the lstm module; confidence = |score|
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.signals import lstm
from kracken_tasks.strategies.parameters import require_fraction, require_number
from kracken_tasks.strategies.proposal import Proposal, newest_bar

__all__ = ["LstmStrategy"]


@dataclass(frozen=True, slots=True)
class LstmStrategy:
    """``threshold``: the confidence from which it acts."""

    threshold: float = 0.6
    stop_pct: float | None = None
    take_profit_pct: float | None = None

    def __post_init__(self) -> None:
        require_number(self.name, "threshold", self.threshold, 0.01, 1.0)
        require_fraction(self.name, "stop_pct", self.stop_pct)
        require_fraction(self.name, "take_profit_pct", self.take_profit_pct)

    @property
    def name(self) -> str:
        return "lstm"

    @property
    def lookback(self) -> int:
        return lstm.LOOKBACK

    @property
    def modules(self) -> tuple[str, ...]:
        return (lstm.NAME,)

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: the forecast was made at the close of the frame's last candle."""
        heard = next((opinion for opinion in opinions if opinion.module == lstm.NAME), None)
        score = (heard.direction or 0.0) * heard.confidence if heard is not None else 0.0
        action = Action.BUY if score >= self.threshold else Action.SELL if score <= -self.threshold else Action.HOLD
        return Proposal(
            symbol=symbol, strategy=self.name, action=action, confidence=abs(score),
            reason=heard.reason if heard is not None else "the lstm module was not asked",
            bar_ts=newest_bar(frame), opinions=tuple(opinions), values={"score": score},
            stop_pct=self.stop_pct, take_profit_pct=self.take_profit_pct,
        )  # fmt: skip

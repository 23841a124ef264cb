"""From candles to a proposal in one call: the one path that the tick, the paper bot and the backtest share.

In: a strategy, a symbol, closed candles, a forecast where there is one.  Out: its ``Proposal``.  Never: rows beyond the strategy's
look-back, so that more history changes nothing.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.panel import ask_modules
from kracken_tasks.strategies.proposal import Proposal, Strategy

__all__ = ["propose_from"]


def propose_from(
    strategy: Strategy, symbol: str, frame: pd.DataFrame, *,
    forecast: ForecastValue | None = None, now: datetime | None = None, bar_seconds: int | None = None,
) -> Proposal:  # fmt: skip
    """Ask the modules a strategy wants, then the strategy.

    Time: ``frame`` holds closed candles only; ``now`` None leaves their age unjudged (rehearsal).
    """
    used = frame.iloc[-strategy.lookback :]
    opinions = ask_modules(used, strategy.modules, forecast=forecast, now=now, bar_seconds=bar_seconds)
    return strategy.propose(symbol, used, opinions)

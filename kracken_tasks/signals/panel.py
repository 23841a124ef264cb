"""Ask every enabled module about one symbol.

In: a candle frame, the names to ask, a forecast and a reading of the news where there are.  Out: one opinion a module, in the order
asked.  Never: the frame read more than once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pandas as pd

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.registry import SIGNALS, Outside
from kracken_tasks.signals.sentiment import SentimentReading
from kracken_tasks.signals.window import Window, window_of

__all__ = ["ask_modules", "lookback_of"]


def ask_modules(
    frame: pd.DataFrame | Window, modules: Iterable[str], *,
    forecast: ForecastValue | None = None, sentiment: SentimentReading | None = None, now: datetime | None = None,
    bar_seconds: int | None = None,
) -> tuple[Opinion, ...]:  # fmt: skip
    """One opinion for each of ``modules`` that exists; names without a module are left out.

    Time: ``frame`` holds closed candles only; ``now`` None leaves age unjudged.
    """
    asked = [SIGNALS[name] for name in modules if name in SIGNALS]
    if not asked:
        return ()
    window = window_of(frame, max(module.lookback for module in asked), bar_seconds)
    outside = Outside(forecast, sentiment)
    return tuple(module.opine(window, outside, now) for module in asked)


def lookback_of(modules: Iterable[str]) -> int:
    """How many candles the most demanding of ``modules`` needs."""
    return max((SIGNALS[name].lookback for name in modules if name in SIGNALS), default=0)

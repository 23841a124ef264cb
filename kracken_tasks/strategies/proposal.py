"""What a strategy proposes, and what a strategy is.

In: nothing.  Out: the ``Proposal`` value and the ``Strategy`` protocol.  Never: a proposal without a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pandas as pd

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.signals.window import open_ms_of

__all__ = ["Proposal", "Strategy", "newest_bar"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy would do with one symbol.

    ``confidence`` in [0, 1]; ``bar_ts`` the open time of the newest closed candle it was made from (None: there was none);
    ``stop_pct`` and ``take_profit_pct`` fractions of price, None: the account's stop rules decide.  ``volatility`` the daily standard
    deviation of log returns it sizes by, None: measured on the candles.  ``tags`` go with the position into the journal.
    """

    symbol: str
    strategy: str
    action: Action
    confidence: float
    reason: str
    bar_ts: datetime | None
    opinions: tuple[Opinion, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    stop_pct: float | None = None
    take_profit_pct: float | None = None
    volatility: float | None = None
    tags: tuple[str, ...] = ()


class Strategy(Protocol):
    """``lookback``: how many closed candles it needs at most; ``modules``: the signal modules whose opinions it wants."""

    @property
    def name(self) -> str: ...

    @property
    def lookback(self) -> int: ...

    @property
    def modules(self) -> tuple[str, ...]: ...

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        """Time: ``frame`` holds closed candles only, row i is known at its close; nothing after the last row exists."""
        ...


def newest_bar(frame: pd.DataFrame) -> datetime | None:
    """Open time of the frame's last candle."""
    rows = len(frame)
    return from_ms(int(open_ms_of(frame["ts"], rows - 1)[-1])) if rows else None

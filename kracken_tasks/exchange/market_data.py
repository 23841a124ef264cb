"""What the candles room needs of a venue, and no more: its clock, its candles, its public trades.

Out: frames with the columns named in ``domain.market``.  Never: anything private.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import pandas as pd

from kracken_tasks.domain.market import Timeframe

__all__ = ["MarketData"]


class MarketData(Protocol):
    """The public half of a venue."""

    @property
    def exchange(self) -> str:
        """The venue's id as ccxt spells it (``kraken``)."""
        ...

    def now(self) -> datetime:
        """The venue's clock: market time."""
        ...

    def ohlc_reach(self, timeframe: Timeframe) -> int | None:
        """How many of the newest candles the venue can give, the running one included; None: as many as there are.

        Raises: Misconfigured if the venue offers no candles of this width.
        """
        ...

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None = None) -> pd.DataFrame:
        """One page of candles with open times at or after ``since``, oldest first, the running candle included.

        The venue decides how many, and may begin later than asked; the caller has to look at the first row.
        """
        ...

    def trades(self, symbol: str, cursor: str | None = None, since: datetime | None = None) -> tuple[pd.DataFrame, str]:
        """One page of public trades (``TRADE_COLUMNS``) and the cursor of the next.

        ``cursor`` wins over ``since``; a page that is empty, or whose cursor stands still, is the last for now.
        """
        ...

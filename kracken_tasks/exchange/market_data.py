"""What the candles room needs of a venue, and no more: its clock, its candles, its public trades.

Out: frames with the columns named in ``domain.market``.  Never: anything private.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

import pandas as pd

from kracken_tasks.domain.market import Timeframe

__all__ = ["QUIET_HEAD", "SHORTEST_PAGE", "MarketData"]

# How far an empty page is sure to reach, in candles: no venue's page is shorter than this (Coinbase 300, Bitstamp and Binance 1000).
SHORTEST_PAGE: Final = 300
# For how many candles before a first answer nobody may have traded; one that begins later leaves a gap.
QUIET_HEAD: Final = 20


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

"""A page of public trades that begins where it was asked to, or a refusal that says where the venue's trades begin.

In: a venue's public half, a symbol, since when.  Out: a frame of trades.  Never: the newest page in place of the one that was asked for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pandas as pd

from kracken_tasks.domain.clock import iso
from kracken_tasks.errors import BadData
from kracken_tasks.exchange.market_data import MarketData

__all__ = ["trade_page"]

_BEGIN_WHERE_ASKED: Final = ("kraken", "binance", "binanceus")  # their trades reach back to a market's first


def trade_page(market: MarketData, symbol: str, since: datetime | None) -> pd.DataFrame:
    """See ``CCXTAdapter.fetch_trades``.

    A first trade later than asked may be a quiet market or a venue that ignores the question (Bitstamp, Coinbase and others give what is
    newest).  Which of the two is told by asking for the newest: a page that begins with the same trade was cut there, not begun.
    """
    page = market.trades(symbol, None, since)[0]
    if since is None or market.exchange in _BEGIN_WHERE_ASKED or page.empty or page["ts"].iloc[0] <= since:
        return page
    newest = market.trades(symbol)[0]
    if (
        not newest.empty
        and (newest.iloc[0][["ts", "price", "volume"]] == page.iloc[0][["ts", "price", "volume"]]).all()
    ):
        first = page["ts"].iloc[0].to_pydatetime()
        raise BadData(
            f"{market.exchange} gives trades of {symbol} from {iso(first)} on; asked from {iso(since)}",
            venue=market.exchange, symbol=symbol, first=iso(first), asked=iso(since),
        )  # fmt: skip
    return page

"""Candles of a venue as the frame that users are promised: as many pages as it takes, or a refusal that says what the venue can give.

In: a venue's public half, a series, since when.  Out: an OHLCV frame.  Never: silently less than was asked for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pandas as pd

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.exchange.market_data import SHORTEST_PAGE, MarketData

__all__ = ["candle_frame"]

_QUIET: Final = 100  # candles
_COLUMNS: Final = ["open", "high", "low", "close", "volume"]


def candle_frame(
    market: MarketData, symbol: str, width: Timeframe, since: datetime | None, limit: int | None, *, running: bool
) -> pd.DataFrame:
    """See ``CCXTAdapter.fetch_ohlcv``."""
    now = market.now()
    if since is None:
        frame = market.ohlc(symbol, width)
    else:
        since = _opens(width, since)
        _must_be_in_reach(market, symbol, width, since, now)
        frame = _pages(market, symbol, width, since, now, limit)
        _must_begin_there(market, symbol, width, since, frame)
    if not running:
        frame = frame[frame["ts"] <= width.last_closed(now)]
    if limit is not None:
        frame = frame.tail(limit) if since is None else frame.head(limit)
    index = pd.DatetimeIndex(frame["ts"], name="timestamp")
    return pd.DataFrame(frame[_COLUMNS].to_numpy(dtype="float64"), index=index, columns=_COLUMNS)


def _opens(width: Timeframe, since: datetime) -> datetime:
    opened = width.floor(since)
    return opened if opened == since else opened + width.delta


def _must_be_in_reach(market: MarketData, symbol: str, width: Timeframe, since: datetime, now: datetime) -> None:
    reach = market.ohlc_reach(width)
    earliest = None if reach is None else width.floor(now) - (reach - 1) * width.delta
    if earliest is not None and since < earliest:
        raise Misconfigured(
            f"{market.exchange} gives the newest {reach} candles of {symbol} {width.value}, from {iso(earliest)} on;"
            f" asked from {iso(since)}. Deeper history comes from its trades: kracken backfill",
            venue=market.exchange, symbol=symbol, earliest=iso(earliest), asked=iso(since),
        )  # fmt: skip


def _must_begin_there(market: MarketData, symbol: str, width: Timeframe, since: datetime, frame: pd.DataFrame) -> None:
    # A few candles may be absent because nobody traded; a venue that does not look at ``since`` is off by pages.
    if frame.empty:
        return
    first = frame["ts"].iloc[0].to_pydatetime()
    late = (first - since) // width.delta
    if late > _QUIET:
        raise BadData(
            f"{market.exchange} gives {symbol} {width.value} from {iso(first)} on, {late} candles later than asked",
            venue=market.exchange, symbol=symbol, first=iso(first), asked=iso(since),
        )  # fmt: skip


def _pages(
    market: MarketData, symbol: str, width: Timeframe, since: datetime, now: datetime, limit: int | None
) -> pd.DataFrame:
    """All pages from ``since`` on.

    A page is empty where the venue looks no further than a page's length and nobody traded for so long, or was able to: what comes after it
    is asked for all the same.  Where one answer is all there is, an empty one is the end.
    """
    pages, start = [], since
    whole = market.ohlc_reach(width) is not None
    while True:
        page = market.ohlc(symbol, width, start)
        pages.append(page)
        if page.empty:
            start += SHORTEST_PAGE * width.delta
            if whole or start > width.last_closed(now):
                break
            continue
        newest = page["ts"].iloc[-1].to_pydatetime()
        rows = sum(len(one) for one in pages)
        if newest < start or newest >= width.last_closed(now) or (limit is not None and rows >= limit):
            break
        start = newest + width.delta
    return pd.concat(pages, ignore_index=True).drop_duplicates("ts").reset_index(drop=True)

"""Deep history from a venue's public trades: the only way past the reach of its candles.

In: a ``MarketData``, a window on the grid.  Out: candles of exactly the intervals whose every trade was seen.
Never: a retry, a candle at the edge of what was read.

Kraken gives a thousand trades a call and asks for about a call a second: a busy month takes hours.  ``progress`` hears of every page,
and what was read so far is returned when ``most_pages`` is used up, so that a caller can stage it and go on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from kracken_tasks.candles.frames import closed_only, within
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.windows import Window
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.exchange.market_data import MarketData

__all__ = ["TradeHistory", "candles_from_history"]

Progress = Callable[[datetime, int], None]


@dataclass(frozen=True, slots=True)
class TradeHistory:
    """``frame``: closed candles (source ``trades``) of ``covered``, which is None if no whole interval was read; ``next_start`` is
    where to go on, None when the window is done; ``trades`` and ``pages`` count what was read."""

    frame: pd.DataFrame
    covered: Window | None
    next_start: datetime | None
    trades: int
    pages: int


def candles_from_history(
    client: MarketData,
    key: SeriesKey,
    window: Window,
    now: datetime,
    *,
    most_pages: int = 1_000,
    progress: Progress | None = None,
) -> TradeHistory:
    """Read the trades of a window page by page and make its candles.

    Time:   ``now`` is the venue's time before the first call; candles not closed by then are left out.
    Raises: RetryLater, Misconfigured, BadData from the venue; BadData if a page steps back in time.
    """
    end = min(window.end, key.timeframe.floor(now))
    pages: list[pd.DataFrame] = []
    cursor: str | None = None
    known_until = window.start
    while len(pages) < most_pages and known_until < end:
        page, following = client.trades(key.symbol, cursor, window.start)
        done = page.empty or following == cursor
        if not page.empty:
            pages.append(page)
            # Trades of the page's last instant may go on in the next page.
            known_until = max(known_until, page["ts"].iloc[-1].to_pydatetime())
        if progress is not None:
            progress(known_until, sum(map(len, pages)))
        if done:
            known_until = end  # the venue has no more: all that happened before ``now`` was seen
            break
        cursor = following
    return _made(key, window.start, min(known_until, end), end, now, pages)


def _made(
    key: SeriesKey, start: datetime, known_until: datetime, end: datetime, now: datetime, pages: list[pd.DataFrame]
) -> TradeHistory:
    whole_until = key.timeframe.floor(known_until)
    count = sum(map(len, pages))
    following = None if whole_until >= end else whole_until
    trades = pd.concat(pages, ignore_index=True) if pages else pd.DataFrame({"ts": [], "price": [], "volume": []})
    if "trade_id" in trades and trades["trade_id"].notna().all():
        trades = trades.drop_duplicates("trade_id")  # venues whose cursor is a time repeat the last instant
    candles = candles_from_trades(trades, key.timeframe, covered=(start, max(whole_until, start)))
    frame = closed_only(within(candles, start, end), key.timeframe, now)
    return TradeHistory(
        frame, Window(start, whole_until) if whole_until > start else None, following, count, len(pages)
    )

"""A span of public trades, page by page: none lost, none twice.

In: a ``MarketData``, a span that has passed, a spool.  Out: the span's trades.  Never: a trade outside the span, a page asked for that the
spool has.

Kraken's cursor is the nanosecond of a page's last trade and excludes it: should a page end between two trades of one nanosecond, the
second would never come.  Trades of a pair are numbered without gaps, so a jump between two pages shows it, and the page is asked for
again from one nanosecond earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import pandas as pd

from kracken_tasks.candles.spool import Page, Spool
from kracken_tasks.candles.windows import Window
from kracken_tasks.domain.clock import sleep
from kracken_tasks.domain.market import TRADE_COLUMNS
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.market_data import MarketData

__all__ = ["Patience", "TradeRead", "read_trades"]

T = TypeVar("T")
Heard = Callable[[datetime, int], None]

_NANOSECOND_DIGITS: Final = 19


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a venue that did not answer is asked again, after pauses that double up to a minute.  Only for questions."""

    tries: int = 8
    first_pause: float = 1.0
    pause: Callable[[float], None] = sleep

    def with_(self, question: Callable[[], T]) -> T:
        """The answer.  Raises: RetryLater after the last try; whatever else the question raises at once."""
        for number in range(self.tries):
            try:
                return question()
            except RetryLater:
                if number + 1 == self.tries:
                    raise
                self.pause(min(60.0, self.first_pause * 2**number))
        raise AssertionError("a try returns or raises")


@dataclass(frozen=True, slots=True, eq=False)
class TradeRead:
    """``trades`` of the span (``TRADE_COLUMNS``, the venue's order); ``rest``: what the last page told beyond it, with its cursor;
    ``first_ts``: the first trade the venue told of, in the span or after; ``calls`` made now."""

    trades: pd.DataFrame
    rest: Page | None
    first_ts: datetime | None
    calls: int


def read_trades(
    market: MarketData,
    symbol: str,
    window: Window,
    spool: Spool,
    *,
    patience: Patience | None = None,
    heard: Heard | None = None,
    most_calls: int | None = None,
) -> TradeRead:
    """Read every trade of a span.

    Time:   the span must have passed on the venue's clock; ``heard`` is told how far it came, and how many calls it took.
    Raises: RetryLater when the venue does not answer, or when ``most_calls`` did not suffice (what came is in the spool).
    """
    asker = patience or Patience()
    pages, calls = spool.pages(), 0
    while not (pages and _last_ts(pages[-1]) >= window.end):
        if most_calls is not None and calls >= most_calls:
            raise RetryLater(f"{symbol}: {most_calls} calls did not reach {window.end}", symbol=symbol, calls=calls)
        cursor = pages[-1].cursor if pages else None
        page = _page(asker, market, symbol, cursor, window.start)
        calls += 1
        ended = page.trades.empty or page.cursor == cursor
        if pages and (ended or _jumps(pages[-1], page)) and _cut_by_time(pages[-1]):
            again = _a_nanosecond_earlier(asker, market, symbol, pages[-1], window.start)
            page, ended = (page, ended) if again is None else (again, False)
            calls += 1
        if ended:
            break  # the venue has no more: all that happened in the span was seen
        spool.add(page)
        pages.append(page)
        if heard is not None:
            heard(min(_last_ts(page), window.end), calls)
    return _cut(pages, window, calls)


def _cut(pages: list[Page], window: Window, calls: int) -> TradeRead:
    if not pages:
        return TradeRead(_no_trades(), None, None, calls)
    trades = pd.concat([page.trades for page in pages], ignore_index=True)
    if trades["trade_id"].notna().all():
        trades = trades.drop_duplicates("trade_id", ignore_index=True)
    first = trades["ts"].iloc[0].to_pydatetime()
    inside = trades[(trades["ts"] >= window.start) & (trades["ts"] < window.end)].reset_index(drop=True)
    beyond = pages[-1].trades[pages[-1].trades["ts"] >= window.end].reset_index(drop=True)
    return TradeRead(inside, Page(beyond, pages[-1].cursor) if len(beyond) else None, first, calls)


def _page(asker: Patience, market: MarketData, symbol: str, cursor: str | None, since: datetime) -> Page:
    return asker.with_(lambda: Page(*market.trades(symbol, cursor, since)))


def _cut_by_time(page: Page) -> bool:
    """Whether a page's cursor is its last trade's nanosecond, and its trades are numbered."""
    return len(page.cursor) >= _NANOSECOND_DIGITS and bool(pd.notna(page.trades["trade_id"].iloc[-1]))


def _jumps(before: Page, after: Page) -> bool:
    last, first = before.trades["trade_id"].iloc[-1], after.trades["trade_id"].iloc[0]
    return bool(pd.notna(last) and pd.notna(first) and first > last + 1)


def _a_nanosecond_earlier(
    asker: Patience, market: MarketData, symbol: str, before: Page, since: datetime
) -> Page | None:
    """What follows ``before``, those included that share its last nanosecond; None if that brings no trade that was missing."""
    again = _page(asker, market, symbol, str(int(before.cursor) - 1), since)
    if again.trades.empty or _jumps(before, again):
        return None
    return again if again.trades["trade_id"].iloc[-1] > before.trades["trade_id"].iloc[-1] else None


def _last_ts(page: Page) -> datetime:
    moment: datetime = page.trades["ts"].iloc[-1].to_pydatetime()
    return moment


def _no_trades() -> pd.DataFrame:
    frame = pd.DataFrame({name: [] for name in TRADE_COLUMNS})
    types = {"ts": "datetime64[us, UTC]", "price": "float64", "volume": "float64", "side": "str", "kind": "str"}
    return frame.astype(types | {"trade_id": "Int64"})

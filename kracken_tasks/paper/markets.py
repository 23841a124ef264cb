"""What a paper account stands on: the embedded market, or a venue whose prices stream in and are asked for where they do not.

In: an embedded market, or the public half of a venue.  Out: ``Stand``: quotes, books, closed candles, a clock, and its name for results.
Never: an order; a streamed price that is older than the settings allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from kracken_tasks.domain.market import Instrument, OrderBook, Quote, SeriesKey
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.access import Market
from kracken_tasks.execution.tick_deps import CandleView

if TYPE_CHECKING:
    import pandas as pd

    from kracken_tasks.exchange.streams import Ticker

__all__ = ["Stand", "VenueStand", "market_of"]


class Stand(CandleView, Protocol):
    """A market as the paper account needs it, candles included."""

    def now(self) -> datetime: ...
    def instruments(self) -> Mapping[str, Instrument]: ...
    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]: ...
    def order_book(self, symbol: str, depth: int = 10) -> OrderBook: ...


class VenueStand:
    """A venue's public half.  ``heard`` takes streamed tickers; quotes come from them while they are young, else the venue is asked.

    ``seq`` stands for the candles' snapshot; they are asked for whenever they are needed and pinned nowhere.
    """

    seq = 0

    def __init__(self, market: Market, *, freshest_seconds: float) -> None:
        self._market = market
        self._fresh = timedelta(seconds=freshest_seconds)
        self._heard: dict[str, Quote] = {}

    def hear(self, ticker: Ticker) -> None:
        self._heard[ticker.symbol] = Quote(ticker.symbol, ticker.bid, ticker.ask, ticker.last, ticker.received)

    def now(self) -> datetime:
        return self._market.now()

    def instruments(self) -> Mapping[str, Instrument]:
        return self._market.instruments()

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        now = self.now()
        found = {
            symbol: self._heard[symbol]
            for symbol in symbols
            if symbol in self._heard and now - self._heard[symbol].ts <= self._fresh
        }
        missing = [symbol for symbol in symbols if symbol not in found]
        return found | (self._market.quotes(missing) if missing else {})

    def order_book(self, symbol: str, depth: int = 10) -> OrderBook:
        return self._market.order_book(symbol, depth)

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame:
        """The venue's newest closed candles (``domain.market.CANDLE_COLUMNS``), as many as one page of it holds at most."""
        page = self._market.ohlc(key.symbol, key.timeframe, start)
        closed = page[page["ts"] <= key.timeframe.last_closed(self.now())]
        wanted = closed if end is None else closed[closed["ts"] < end]
        return (wanted if last is None else wanted.iloc[-last:]).reset_index(drop=True)

    def in_quarantine(self, key: SeriesKey) -> bool:
        """Nothing is stored here, so nothing is quarantined; the contract's row rules are asked all the same."""
        return False


def market_of(exchange: object, name: str) -> Market:
    """The public half of venue ``name`` in whatever the caller brought: ``CCXTAdapter``, ``UnifiedExchangeManager``, or the market itself.

    Raises: Misconfigured for anything else, or for a venue it does not reach.
    """
    adapter = getattr(exchange, "adapter", exchange)
    granted = getattr(adapter, "market", None)
    if callable(granted) and hasattr(adapter, "exchanges"):
        if name not in adapter.exchanges:
            allowed = ", ".join(adapter.exchanges)
            raise Misconfigured(
                f"the adapter does not reach {name!r}; it reaches {allowed}", key="exchange", allowed=allowed
            )
        found: Market = granted(name)
        return found
    if all(hasattr(exchange, part) for part in ("quotes", "instruments", "ohlc", "now", "order_book")):
        return exchange  # type: ignore[return-value]
    raise Misconfigured(
        f"exchange is a {type(exchange).__name__}; allowed: a CCXTAdapter, a UnifiedExchangeManager, a venue, a venue's name or None",
        key="exchange",
    )

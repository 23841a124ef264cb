"""The seeded market inside one's own process: no server, no network, a clock that moves when it is told.

In: a seed, symbols, a starting moment.  Out: instruments, quotes, books and closed candles as a venue's clients see them.  Never: an
account (a paper broker keeps one), a candle that still runs, two answers to one question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from kracken_tasks.domain.clock import from_ms, iso, to_ms, to_ns, utc
from kracken_tasks.domain.market import Instrument, OrderBook, Quote, SeriesKey
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing, Listings
from kracken_tasks.sandbox.market.protocol import LOTS_PER_UNIT
from kracken_tasks.sandbox.market.synthetic import COINS, SyntheticMarket

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EMBEDDED_SYMBOLS", "EmbeddedMarket"]

EMBEDDED_SYMBOLS = tuple(COINS)
_START = utc(2025, 1, 6)
_EXCHANGE = "kraken"
_PPM = Decimal(10**6)


class EmbeddedMarket:
    """One venue's market as a pure function of its seed and its clock.

    ``seq`` stands for the snapshot of candles that was read, and never changes: the past of this market is never revised.
    Raises: KeyError for a symbol that has no seeded market; ``EMBEDDED_SYMBOLS`` are those that have.
    """

    seq = 0

    def __init__(self, seed: int, symbols: Sequence[str], start: datetime = _START) -> None:
        self._market = SyntheticMarket(seed, tuple(symbols))
        self._now = start
        listed = Listings(self._market).by_symbol
        self._instruments = {symbol: _instrument(listing) for symbol, listing in listed.items()}
        # Ticks are divided by a power of ten, which gives the nearest float; times a tick of 0.1 would not.
        self._per_unit = {symbol: 10.0**listing.price_decimals for symbol, listing in listed.items()}

    # -- time ------------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Let market time pass.  Raises: ValueError for a step back: what was seen stays seen."""
        if by < timedelta(0):
            raise ValueError(f"market time only goes forward, not by {by}")
        self._now += by
        return self._now

    # -- prices ----------------------------------------------------------------------------------------------------------

    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """Best bid and ask with the last trade, as of now.  Raises: KeyError for a symbol that is not listed."""
        return {symbol: self._quote(symbol) for symbol in symbols}

    def order_book(self, symbol: str, depth: int = 10) -> OrderBook:
        book, scale = self._market.book(symbol, to_ns(self._now), depth), self._per_unit[symbol]

        def levels(side: Sequence[tuple[int, int]]) -> tuple[tuple[float, float], ...]:
            return tuple((price / scale, lots / LOTS_PER_UNIT) for price, lots in side)

        return OrderBook(symbol, levels(book.bids), levels(book.asks), self._now)

    # -- candles ---------------------------------------------------------------------------------------------------------

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame:
        """Closed candles (``domain.market.CANDLE_COLUMNS``), oldest first.

        Time: open times in [start, end), none that is still running; ``last`` the newest so many, 200 if nothing is said.
        """
        import pandas as pd

        width, closed = key.timeframe, key.timeframe.floor(self._now)
        stop = closed if end is None else min(end, closed)
        rows = 200 if last is None and start is None else last
        if start is None:
            assert rows is not None
            start = stop - 2 * rows * width.delta  # intervals without trades have no candle; twice the span is plenty
        found = self._market.candles(
            key.symbol, width.minutes, to_ms(start) // 1000, to_ms(stop) // 1000, to_ns(self._now)
        )
        scale = self._per_unit[key.symbol]
        frame = pd.DataFrame(
            {
                "ts": pd.to_datetime(found.open_s * 1000, unit="ms", utc=True).as_unit("ms"),
                **{name: np.asarray(getattr(found, name)) / scale for name in ("open", "high", "low", "close")},
                "volume": found.lots / LOTS_PER_UNIT,
                "vwap": found.vwap,
                "trades": found.count,
                "source": "trades",
            }
        )
        return frame if rows is None else frame.iloc[-rows:].reset_index(drop=True)

    def in_quarantine(self, key: SeriesKey) -> bool:
        """Never: this market makes no mistakes."""
        return False

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _quote(self, symbol: str) -> Quote:
        book, trade = self.order_book(symbol, 1), self._market.last_trade_before(symbol, to_ns(self._now))
        if not book.bids or not book.asks or not len(trade):
            first = from_ms(self._market.first_trade_ns(symbol) // 10**6)
            raise KeyError(f"{symbol} has no price at {iso(self._now)}: its first trade is of {iso(first)}")
        last = int(trade.price[0]) / self._per_unit[symbol]
        return Quote(symbol, book.bids[0][0], book.asks[0][0], last, self._now)


def _instrument(listing: Listing) -> Instrument:
    first = listing.schedule.at(0)
    return Instrument(
        exchange=_EXCHANGE,
        symbol=listing.symbol,
        price_tick=Decimal(1).scaleb(-listing.price_decimals),
        lot_step=Decimal(listing.step).scaleb(-LOT_DECIMALS),
        min_amount=Decimal(listing.ordermin_lots).scaleb(-LOT_DECIMALS),
        min_cost=Decimal(listing.spec.costmin),
        maker_fee=first.maker_ppm / _PPM,
        taker_fee=first.taker_ppm / _PPM,
        status=listing.spec.status,
    )

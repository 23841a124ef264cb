"""Words for a market: timeframes, series, instruments, quotes, and the columns of a candle.

A candle is named by its open time and is known only at its close.  Symbols are ccxt's unified form (``BTC/USD``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self, TypeAlias

__all__ = [
    "CANDLE_COLUMNS",
    "QUOTE_COLUMNS",
    "TRADE_COLUMNS",
    "Balance",
    "CandleSource",
    "DataKey",
    "Fees",
    "Instrument",
    "MarketStatus",
    "OrderBook",
    "Quote",
    "SeriesKey",
    "Tape",
    "TapeKey",
    "Timeframe",
    "key_parts",
    "split_symbol",
]

# ``ts`` is the candle's open time (datetime64[ms, UTC]).  vwap and trades may be missing (NaN / <NA>).
CANDLE_COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume", "vwap", "trades", "source")

# A public trade: ts (datetime64[us, UTC]), price and volume float64 (quote per base; base), side "b" or "s" (the taker's),
# kind "m" or "l" (the taker's order), trade_id Int64 (<NA> unknown).  Oldest first.
TRADE_COLUMNS: Final = ("ts", "price", "volume", "side", "kind", "trade_id")

# A quote: ts the venue's stamp, ``received`` market time at which it reached us (both datetime64[us, UTC]); prices in quote
# currency, volumes in base at the best level; float64, NaN unknown.
QUOTE_COLUMNS: Final = ("ts", "bid", "ask", "bid_volume", "ask_volume", "last", "received")

_SYMBOL = re.compile(r"^[A-Z0-9.]{1,20}/[A-Z0-9.]{1,20}$")
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CandleSource(StrEnum):
    """Where a candle's numbers came from."""

    ARCHIVE = "archive"
    TRADES = "trades"
    OHLC = "ohlc"
    STREAM = "stream"


class Timeframe(StrEnum):
    """The width of a candle, in ccxt's spelling.  Weeks open on Monday 00:00 UTC."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"

    @property
    def seconds(self) -> int:
        return _SECONDS[self.value]

    @property
    def minutes(self) -> int:
        return self.seconds // 60

    @property
    def delta(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    def floor(self, moment: datetime) -> datetime:
        """Open time of the candle that contains ``moment``."""
        origin = _MONDAY if self is Timeframe.W1 else _EPOCH
        return origin + ((moment - origin) // self.delta) * self.delta

    def last_closed(self, now: datetime) -> datetime:
        """Open time of the newest candle that is closed at ``now``."""
        return self.floor(now) - self.delta

    @classmethod
    def from_minutes(cls, minutes: int) -> Self:
        for member in cls:
            if member.minutes == minutes:
                return member
        raise ValueError(f"no timeframe of {minutes} minutes; allowed: {', '.join(str(m.minutes) for m in cls)}")


_SECONDS: Final = {
    "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400, "6h": 21600, "12h": 43200,
    "1d": 86400, "1w": 604800,
}  # fmt: skip


def split_symbol(symbol: str) -> tuple[str, str]:
    """``BTC/USD`` -> (``BTC``, ``USD``).

    Raises: ValueError unless the symbol is in ccxt's unified spot form.
    """
    if not _SYMBOL.match(symbol):
        raise ValueError(f"symbol {symbol!r}: write BASE/QUOTE in capitals, for example BTC/USD")
    base, _, quote = symbol.partition("/")
    return base, quote


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """One candle series: a symbol on an exchange at a timeframe."""

    exchange: str
    symbol: str
    timeframe: Timeframe

    def __post_init__(self) -> None:
        split_symbol(self.symbol)
        object.__setattr__(self, "timeframe", Timeframe(self.timeframe))

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol} {self.timeframe.value}"


class Tape(StrEnum):
    """What is kept event by event instead of by windows."""

    TRADES = "trades"
    QUOTES = "quotes"


@dataclass(frozen=True, slots=True, order=True)
class TapeKey:
    """One tape: the trades, or the quotes, of a symbol on an exchange."""

    exchange: str
    symbol: str
    tape: Tape

    def __post_init__(self) -> None:
        split_symbol(self.symbol)
        object.__setattr__(self, "tape", Tape(self.tape))

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol} {self.tape.value}"


DataKey: TypeAlias = SeriesKey | TapeKey


def key_parts(key: DataKey) -> tuple[str, str, str]:
    """Exchange, symbol, and timeframe or tape: what series and tapes are sorted by together."""
    return key.exchange, key.symbol, key.timeframe.value if isinstance(key, SeriesKey) else key.tape.value


class MarketStatus(StrEnum):
    """What a venue lets one do in a market just now; only ``ONLINE`` is without restriction."""

    ONLINE = "online"
    POST_ONLY = "post_only"  # orders that would take are turned away
    LIMIT_ONLY = "limit_only"  # no market orders
    REDUCE_ONLY = "reduce_only"  # positions may only become smaller
    CANCEL_ONLY = "cancel_only"  # nothing new
    MAINTENANCE = "maintenance"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a venue lets one trade in one symbol.

    Units: price_tick in quote, lot_step and min_amount in base, min_cost in quote, fees as fractions (0.0026).  ``status`` is a
    ``MarketStatus``, or the venue's own word where it has another.
    """

    exchange: str
    symbol: str
    price_tick: Decimal
    lot_step: Decimal
    min_amount: Decimal
    min_cost: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    status: str = "online"

    @property
    def base(self) -> str:
        return split_symbol(self.symbol)[0]

    @property
    def quote(self) -> str:
        return split_symbol(self.symbol)[1]

    @property
    def tradable(self) -> bool:
        return self.status == "online"


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask with the last trade, at a moment of market time.  Prices in quote currency."""

    symbol: str
    bid: float
    ask: float
    last: float
    ts: datetime

    @property
    def usable(self) -> bool:
        """Whether these are prices at all: finite, above zero, and not crossed."""
        return 0.0 < self.bid <= self.ask < float("inf")

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2.0

    @property
    def spread_fraction(self) -> float:
        return (self.ask - self.bid) / self.mid if self.mid > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The best levels of a book, best first: (price in quote, amount in base).  ``ts``: the venue's stamp, or its clock when asked."""

    symbol: str
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    ts: datetime


@dataclass(frozen=True, slots=True)
class Fees:
    """What an account pays in one market, as fractions of the cost (0.0026)."""

    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset as the venue tells it: ``total`` includes what orders hold."""

    asset: str
    total: Decimal
    held: Decimal = Decimal(0)

    @property
    def free(self) -> Decimal:
        return self.total - self.held

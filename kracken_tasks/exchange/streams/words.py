"""Words of streaming: feeds, what arrives on them, and how they are doing.

In: nothing.  Out: frozen values.  Never: a frame; many small things arrive here, and whoever stores them makes frames of them.

Prices in quote currency, volumes in base, float64 with NaN for unknown.  ``ts`` is the venue's stamp, ``received`` market time at which
a thing reached us (both UTC).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe, split_symbol
from kracken_tasks.errors import Misconfigured

__all__ = [
    "Batch",
    "Book",
    "Candle",
    "Channel",
    "FeedKey",
    "FeedSource",
    "FeedStatus",
    "Gap",
    "Item",
    "PublicTrade",
    "StreamTiming",
    "Ticker",
]


class Channel(StrEnum):
    """What a feed carries."""

    TICKER = "ticker"
    TRADES = "trades"
    CANDLES = "candles"
    BOOK = "book"


class FeedSource(StrEnum):
    """Where a feed's data come from right now."""

    STREAM = "stream"
    POLLING = "polling"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FeedKey:
    """One feed.  ``timeframe`` belongs to candles, ``depth`` (levels a side) to books.

    Raises: Misconfigured for candles without a timeframe, or a timeframe elsewhere; ValueError for a symbol that is none.
    """

    exchange: str
    symbol: str
    channel: Channel
    timeframe: Timeframe | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        split_symbol(self.symbol)
        object.__setattr__(self, "channel", Channel(self.channel))
        if self.timeframe is not None:
            object.__setattr__(self, "timeframe", Timeframe(self.timeframe))
        if (self.timeframe is None) is (self.channel is Channel.CANDLES):
            raise Misconfigured(
                f"{self.exchange} {self.symbol} {self.channel}: candles, and nothing else, have a timeframe",
                key="timeframe", value=self.timeframe, allowed=[frame.value for frame in Timeframe],
            )  # fmt: skip

    def __str__(self) -> str:
        width = f" {self.timeframe.value}" if self.timeframe else ""
        return f"{self.exchange} {self.symbol} {self.channel.value}{width}"

    @property
    def stored_as(self) -> SeriesKey | TapeKey | None:
        """What of the lake this feed fills; None for books, which are not kept."""
        if self.channel is Channel.BOOK:
            return None
        if self.timeframe is not None:
            return SeriesKey(self.exchange, self.symbol, self.timeframe)
        tape = Tape.TRADES if self.channel is Channel.TRADES else Tape.QUOTES
        return TapeKey(self.exchange, self.symbol, tape)


class Ticker(NamedTuple):
    """Best bid and ask with the last trade.  ``ts``: the venue's stamp, or ``received`` where it gives none."""

    symbol: str
    bid: float
    ask: float
    bid_volume: float
    ask_volume: float
    last: float
    ts: datetime
    received: datetime


class PublicTrade(NamedTuple):
    """One public trade: ``side`` b or s (the taker's), ``kind`` m or l (the taker's order) or empty, ``trade_id`` None if unknown."""

    ts: datetime
    price: float
    volume: float
    side: str
    kind: str
    trade_id: int | None

    @property
    def identity(self) -> object:
        """By what a trade is known again: its id, else everything it says."""
        return self.trade_id if self.trade_id is not None else tuple(self)


class Candle(NamedTuple):
    """A closed candle; ``ts`` its open time.  vwap NaN and trades None where the venue does not tell them."""

    ts: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    trades: int | None

    @property
    def empty(self) -> bool:
        """Whether this is a venue's flat row for a window in which nobody traded."""
        flat = self.open == self.high == self.low == self.close
        return flat and self.volume == 0 and not self.trades


class Book(NamedTuple):
    """Levels (price, volume), best first.  ``checked``: its checksum was computed by us and agreed; None: the venue sends none."""

    symbol: str
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    ts: datetime
    received: datetime
    checked: bool | None


Item = Ticker | PublicTrade | Candle | Book


@dataclass(frozen=True, slots=True)
class Batch:
    """Things that arrived together on one feed, oldest first, each for the first time.

    ``covered``: the span [start, end) of which these are all there was; None where that is not known (a poll of quotes, books).
    """

    key: FeedKey
    source: FeedSource
    items: tuple[Item, ...]
    received: datetime
    covered: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A span [start, end) of a feed of which something is missing and could not be fetched afterwards."""

    key: FeedKey
    start: datetime
    end: datetime
    reason: str
    received: datetime


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How one feed is doing.

    Time: ``last_message`` and ``confirmed_at`` are market time: when something last came, and up to when the feed is known to have missed
    nothing (a message, or an answer over REST that agreed).  ``silent_seconds`` is counted on the steady clock.  ``lag_seconds``: how old
    the newest item was when it came; None if the venue stamps nothing.
    ``filled``: holes that were filled afterwards, ``filled_items`` what came with them; ``lost``: holes that were not.
    """

    key: FeedKey
    source: FeedSource
    last_message: datetime | None
    confirmed_at: datetime | None
    silent_seconds: float | None
    lag_seconds: float | None
    messages: int
    items: int
    polls: int
    reconnects: int
    filled: int
    filled_items: int
    lost: int
    trouble: str


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """How long a feed waits for what (seconds, steady clock).

    ``quiet``: without a message for so long, REST is asked whether anything was missed; ``silence``: without a frame of any kind the
    socket is dead; ``subscribe``: by then a subscription has brought something or it hangs; ``patience``: how long a hole is tried to be
    filled; ``settle``: what the venue's own REST may lag behind its stream; ``stable``: a connection that lived so long is no failure;
    ``clock``: how often the venue is asked for its time.

    Raises: Misconfigured for a time that is not above zero.
    """

    backup_polling_interval: float = 5.0
    quiet: float = 5.0
    silence: float = 10.0
    subscribe: float = 10.0
    patience: float = 120.0
    settle: float = 2.0
    stable: float = 10.0
    backoff_first: float = 0.5
    backoff_most: float = 30.0
    clock: float = 30.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not value > 0:
                raise Misconfigured(f"{name} = {value!r} seconds: allowed is anything above 0", key=name, value=value)

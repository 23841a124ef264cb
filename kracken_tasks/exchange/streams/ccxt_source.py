"""The stream of any venue through ccxt.pro, with its traps disarmed.

In: an exchange id and ccxt's options.  Out: items as they come.  Never: a retry, a trusted silence, a library that is kept waiting for.

What is known of ccxt.pro 4.5 and done about it here:

- A rejected subscription never reaches whoever waits: every frame is looked at before ccxt sees it, and a refusal is told by ``trouble``.
- Two timeframes of a symbol share one future: each channel and timeframe has an instance of its own.
- The library's own checksum crashes its receive loop: books are checked here, after each frame, and any exception in that loop breaks the
  connection instead of silencing it.
- ``watch_ohlcv`` after the first call brings changed candles only, and none of them says whether it is closed: that is the pump's business.
- A socket that breaks while nobody waits on it is replaced without a word by the next call: replacements are counted, and what was
  subscribed before one is told that it broke.
- Waiting on a socket that was thrown away ends as a broken stream.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ccxt.pro  # type: ignore[import-untyped]  # it ships no type information
from ccxt.base.errors import BaseError, NetworkError  # type: ignore[import-untyped]

from kracken_tasks.domain.clock import from_ms, monotonic_seconds
from kracken_tasks.errors import KrackenError, Misconfigured, RetryLater
from kracken_tasks.exchange.failures import reading_failure
from kracken_tasks.exchange.streams import kraken_frames
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.source import StreamTrouble
from kracken_tasks.exchange.streams.words import Book, Candle, Channel, FeedKey, Item, PublicTrade, Ticker

__all__ = ["CcxtLine", "CcxtStreams", "secrets_of"]

_log = logging.getLogger(__name__)
# ccxt's log of frames and requests may hold a key.
_SILENT = logging.Logger("ccxt streams, silenced", logging.CRITICAL + 1)
_METHOD: Final = {
    Channel.TICKER: "watchTicker",
    Channel.TRADES: "watchTrades",
    Channel.CANDLES: "watchOHLCV",
    Channel.BOOK: "watchOrderBook",
}
# Trades of a pair are numbered one by one (Binance: aggregated ones).  Elsewhere a frame that the venue itself loses goes unnoticed.
_CONSECUTIVE: Final = ("kraken", "binance", "binanceus", "coinbase", "coinbaseexchange")
_KRAKEN_DEPTHS: Final = (10, 25, 100, 500, 1000)
_DETAILS_KEPT: Final = 4096
_CLOSE_SECONDS: Final = 5.0
_SECRET_OPTIONS = ("apiKey", "secret", "password", "privateKey", "token")


class CcxtLine:
    """One ccxt.pro instance: one channel and timeframe of a venue, and what its frames told."""

    def __init__(self, exchange: str, options: Mapping[str, Any]) -> None:
        self.exchange = exchange
        made = {
            "enableRateLimit": True,
            "newUpdates": True,
            "logger": _SILENT,
            **options,
            "options": {"tradesLimit": 20_000, **dict(options.get("options") or {})},
        }
        self.api: Any = getattr(ccxt.pro, exchange)(made)
        self.broken = ""
        self.refused: dict[str, str] = {}  # by symbol; "" is every symbol
        self.bad_books: set[str] = set()
        self.checked: set[str] = set()
        self.candle_details: dict[tuple[str, int], tuple[float, int | None]] = {}
        self.interval: dict[str, int] = {}
        self._last_frame: float | None = None
        self._frames_seen: dict[str, Any] = {}
        self.replaced = 0
        self._handle, self._client = self.api.handle_message, self.api.client
        self.api.handle_message, self.api.client = self._tapped, self._counted
        self._known_clients: dict[str, Any] = {}

    def _counted(self, url: str) -> Any:
        """ccxt's look-up of the connection to an address, which opens a new one where the old one is gone."""
        client = self._client(url)
        if self._known_clients.setdefault(url, client) is not client:
            self._known_clients[url] = client
            self.replaced += 1
        return client

    def _tapped(self, client: Any, frame: Any) -> None:
        """Look at a frame, let ccxt work, look at what it made of it."""
        self._last_frame = monotonic_seconds()
        try:
            if self.exchange == "kraken" and isinstance(frame, dict):
                self._look(frame)
            self._handle(client, frame)
            if self.exchange == "kraken" and isinstance(frame, dict) and frame.get("channel") == "book":
                self._check_book(frame)
        except Exception as error:  # in ccxt's receive loop it would end the loop and leave every wait hanging
            self.broken = f"ccxt cannot read a frame ({type(error).__name__})"
            client.reset(NetworkError(self.broken))

    def _look(self, frame: Mapping[str, Any]) -> None:
        refused = kraken_frames.refusal(frame)
        if refused is not None:
            self.refused[refused[0]] = refused[1]
        if frame.get("channel") != "ohlc":
            return
        for row in frame.get("data") or ():
            self.interval[row["symbol"]] = int(row["interval"])
            opened = int(kraken_frames.moment_of(row["interval_begin"]).timestamp() * 1000)
            count = row.get("trades")
            self.candle_details[(row["symbol"], opened)] = (
                float(row.get("vwap") or math.nan),
                None if count is None else int(count),
            )
        while len(self.candle_details) > _DETAILS_KEPT:
            self.candle_details.pop(next(iter(self.candle_details)))

    def _check_book(self, frame: Mapping[str, Any]) -> None:
        for row in frame.get("data") or ():
            symbol = row.get("symbol")
            if row.get("checksum") is None or symbol not in self.api.orderbooks:
                continue
            book = self.api.orderbooks[symbol]
            decimals = _decimals(self.api.market(symbol)["precision"]["price"])
            if kraken_frames.book_checksum(book["asks"], book["bids"], decimals) == int(row["checksum"]):
                self.checked.add(symbol)
            else:
                self.bad_books.add(symbol)

    def frame_age(self) -> float | None:
        """Pings and pongs count: ccxt notes their arrival by the wall clock, so only that it has changed is used of it."""
        for url, client in list((self.api.clients or {}).items()):
            stamp = getattr(client, "last_message_at", None)
            if stamp is not None and stamp != self._frames_seen.get(url):
                self._frames_seen[url] = stamp
                self._last_frame = monotonic_seconds()
        return None if self._last_frame is None else monotonic_seconds() - self._last_frame

    async def close(self) -> None:
        for client in list((self.api.clients or {}).values()):
            client.reset(NetworkError("the connection was thrown away"))
        try:
            await asyncio.wait_for(self.api.close(), _CLOSE_SECONDS)
        except Exception as error:  # what cannot be closed is left to the collector
            _log.info("%s: a connection would not close: %s", self.exchange, type(error).__name__)


class CcxtStreams:
    """One venue's streams.  Satisfies ``StreamSource``."""

    def __init__(self, exchange: str, options: Mapping[str, Any] | None = None, *, clock: StreamClock) -> None:
        """Makes no call.

        Raises: Misconfigured for an exchange that ccxt.pro cannot stream.
        """
        if exchange not in ccxt.pro.exchanges:
            raise Misconfigured(f"ccxt has no streams of {exchange!r}", key="exchange", value=exchange)
        self.exchange = exchange
        self.consecutive_ids = exchange in _CONSECUTIVE
        self._options = dict(options or {})
        self._secrets = secrets_of(self._options)
        self._clock = clock
        self._current: dict[object, CcxtLine] = {}  # which new subscriptions of a channel and timeframe join
        self._used: dict[FeedKey, CcxtLine] = {}
        self._sockets: dict[FeedKey, int] = {}  # how often the line's socket had been replaced when a feed began
        self._has: dict[str, Any] | None = None
        self._listed: CcxtLine | None = None  # whose markets the others share
        self._loading = asyncio.Lock()
        self._closed = False

    def streams(self, key: FeedKey) -> bool:
        """See ``StreamSource``.  A venue for which another server stands in is not streamed from elsewhere: nothing here may reach the
        internet because one address was left out."""
        elsewhere = (self._options.get("urls") or {}).get("api")
        if isinstance(elsewhere, Mapping) and "ws" not in elsewhere:
            return False
        if self._has is None:
            self._has = dict(getattr(ccxt.pro, self.exchange)().has)
        return bool(self._has.get(_METHOD[key.channel]))

    async def next_items(self, key: FeedKey) -> Sequence[Item]:
        """See ``StreamSource``."""
        line = self._line(key)
        try:
            await self._with_markets(line)
            if key.symbol not in line.api.markets:
                raise Misconfigured(
                    f"{self.exchange} lists no {key.symbol}", venue=self.exchange, symbol=key.symbol,
                    listed=len(line.api.markets),
                )  # fmt: skip
            before = self._sockets.setdefault(key, line.replaced)
            items = await self._watch(line, key)
            if line.replaced != before:
                raise StreamTrouble("the socket broke between two messages", feed=str(key))
            return items
        except BaseError as error:
            failure = reading_failure(error, venue=self.exchange, doing=f"watch {key}", secrets=self._secrets)
            if isinstance(failure, RetryLater):
                raise StreamTrouble(failure.message, **failure.fields) from None
            raise failure from None
        except KrackenError:
            raise
        except Exception as error:
            # ccxt lets its libraries' errors through, and stumbles over frames it did not expect.
            told = f"{self.exchange}: the stream of {key} broke ({type(error).__name__}: {error})"
            raise StreamTrouble(told, feed=str(key)) from error

    def trouble(self, key: FeedKey) -> str:
        """See ``StreamSource``."""
        line = self._used.get(key)
        if line is None:
            return ""
        words = line.refused.get(key.symbol) or line.refused.get("")
        if words:
            return f"{self.exchange} refuses the subscription of {key}: {words}"
        return line.broken

    def frame_age(self, key: FeedKey) -> float | None:
        """See ``StreamSource``."""
        line = self._used.get(key)
        return None if line is None else line.frame_age()

    async def drop(self, key: FeedKey) -> None:
        """See ``StreamSource``.  Others on the connection stay on it until they have trouble of their own; new subscriptions take a new
        one.  So a symbol that is refused again and again disturbs nobody, and after a socket has died all meet on the next."""
        line = self._used.pop(key, None)
        self._sockets.pop(key, None)
        if line is None:
            return
        if self._current.get(_place(key)) is line:
            del self._current[_place(key)]
        if line not in self._used.values():
            await line.close()

    async def close(self) -> None:
        self._closed = True
        lines = [*self._used.values(), *self._current.values(), *([self._listed] if self._listed else [])]
        self._used.clear()
        self._current.clear()
        await asyncio.gather(*(line.close() for line in dict.fromkeys(lines)))

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _line(self, key: FeedKey) -> CcxtLine:
        if self._closed:
            raise StreamTrouble("the streams are closed", feed=str(key))
        if key not in self._used:
            if _place(key) not in self._current:
                self._current[_place(key)] = CcxtLine(self.exchange, self._options)
            self._used[key] = self._current[_place(key)]
        return self._used[key]

    async def _with_markets(self, line: CcxtLine) -> None:
        """Every instance needs the list of markets; it is asked for once."""
        if line.api.markets:
            return
        async with self._loading:
            if self._listed is None:
                listed = CcxtLine(self.exchange, self._options)
                try:
                    await listed.api.load_markets()
                except BaseException:
                    await listed.close()
                    raise
                self._listed = listed
            if not line.api.markets:
                line.api.set_markets_from_exchange(self._listed.api)

    async def _watch(self, line: CcxtLine, key: FeedKey) -> Sequence[Item]:
        if key.channel is Channel.TICKER:
            return (self._ticker(await self._best_prices(line, key.symbol), key),)
        if key.channel is Channel.TRADES:
            return [_trade(row, self.exchange) for row in await self._trades(line, key.symbol)]
        if key.channel is Channel.CANDLES:
            return self._candles(line, key, await line.api.watch_ohlcv(key.symbol, str(key.timeframe)))
        book = await line.api.watch_order_book(key.symbol, self._depth(key))
        if key.symbol in line.bad_books:
            raise StreamTrouble("the book does not have the checksum that the venue sent", feed=str(key))
        return (self._book(book, key, checked=True if key.symbol in line.checked else None),)

    async def _trades(self, line: CcxtLine, symbol: str) -> Sequence[Mapping[str, Any]]:
        # Kraken sends past trades only when asked: without them a quiet pair looks like a subscription that hangs.
        asked = {"snapshot": True} if self.exchange == "kraken" else {}
        told: Sequence[Mapping[str, Any]] = await line.api.watch_trades(symbol, None, None, asked)
        return told

    async def _best_prices(self, line: CcxtLine, symbol: str) -> Mapping[str, Any]:
        """Kraken tells a ticker at trades unless asked for every change of the best prices; elsewhere (Binance) a ticker may have no best
        prices at all, and a channel of their own has."""
        if self.exchange == "kraken":
            told: Mapping[str, Any] = await line.api.watch_ticker(symbol, {"event_trigger": "bbo"})
            return told
        if line.api.has.get("watchBidsAsks"):
            told = (await line.api.watch_bids_asks([symbol]))[symbol]
            return told
        told = await line.api.watch_ticker(symbol)
        return told

    def _depth(self, key: FeedKey) -> int | None:
        if key.depth is None or self.exchange != "kraken":
            return key.depth
        return next((depth for depth in _KRAKEN_DEPTHS if depth >= key.depth), _KRAKEN_DEPTHS[-1])

    def _ticker(self, row: Mapping[str, Any], key: FeedKey) -> Ticker:
        received = self._clock.now()
        stamp = row.get("timestamp")
        return Ticker(
            symbol=key.symbol, bid=_number(row.get("bid")), ask=_number(row.get("ask")),
            bid_volume=_number(row.get("bidVolume")), ask_volume=_number(row.get("askVolume")), last=_number(row.get("last")),
            ts=from_ms(int(stamp)) if stamp else received, received=received,
        )  # fmt: skip

    def _candles(self, line: CcxtLine, key: FeedKey, rows: Sequence[Sequence[Any]]) -> list[Candle]:
        assert key.timeframe is not None
        told = line.interval.get(key.symbol)
        if told is not None and told != key.timeframe.minutes:
            raise StreamTrouble(f"candles of {told} minutes instead of {key.timeframe.value}", feed=str(key))
        found = []
        for row in rows:
            vwap, trades = line.candle_details.get((key.symbol, int(row[0])), (math.nan, None))
            numbers = [float(cell) for cell in row[1:6]]
            found.append(Candle._make((from_ms(int(row[0])), *numbers, vwap, trades)))
        return sorted(found)

    def _book(self, book: Mapping[str, Any], key: FeedKey, *, checked: bool | None) -> Book:
        received = self._clock.now()
        stamp = book.get("timestamp")
        sides = [tuple((float(level[0]), float(level[1])) for level in book[side]) for side in ("bids", "asks")]
        return Book(key.symbol, sides[0], sides[1], from_ms(int(stamp)) if stamp else received, received, checked)


def secrets_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """What of ccxt's options must never be read in a message."""
    return tuple(str(options[name]) for name in _SECRET_OPTIONS if options.get(name))


def _place(key: FeedKey) -> object:
    return (key.channel, key.timeframe, key.depth)


def _trade(row: Mapping[str, Any], exchange: str) -> PublicTrade:
    info = row.get("info")
    ts = from_ms(int(row["timestamp"]))
    if exchange == "kraken" and isinstance(info, Mapping) and info.get("timestamp"):
        ts = kraken_frames.moment_of(str(info["timestamp"]))  # ccxt keeps milliseconds, the venue tells microseconds
    identity = str(row.get("id") or "")
    return PublicTrade(
        ts=ts, price=float(row["price"]), volume=float(row["amount"]), side=str(row.get("side") or "")[:1],
        kind=str(row.get("type") or "")[:1], trade_id=int(identity) if identity.isdigit() else None,
    )  # fmt: skip


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _decimals(step: float) -> int:
    """Decimals of a price step: 0.1 has one."""
    return max(0, round(-math.log10(float(step))))

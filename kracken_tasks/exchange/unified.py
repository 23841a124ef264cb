"""Every venue without a dialect of its own, through ccxt's unified methods with numbers kept as text.

In: a ``VenueClient``.  Out: domain words.  Never: a guess.  What ccxt does not unify (conditional closes, amends, a ledger) is refused
by name instead of imitated; vwap and trade counts are unknown here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import pandas as pd

from kracken_tasks.domain.clock import from_ms, to_ms
from kracken_tasks.domain.market import (
    Balance,
    Fees,
    Instrument,
    OrderBook,
    Quote,
    Timeframe,
)
from kracken_tasks.domain.money import as_decimal, plain
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderRequest, Side, VenueOrder
from kracken_tasks.errors import BadData, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.exchange.client import VenueClient
from kracken_tasks.exchange.dialect import as_documented
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.exchange.unified_history import History
from kracken_tasks.exchange.unified_rows import (
    candles_of,
    fill_of,
    has_prices,
    instrument_of,
    order_of,
    quote_of,
    trades_of,
)

__all__ = ["UnifiedDialect"]

_NEWEST: Final = 300  # candles of a page where no beginning is asked for; every venue gives at least as many
_FEE_UNITS: Final = {"bitstamp": 100}  # ccxt 4.5.90 hands its percentages on as they are
_CLIENT_ID: Final = {
    "coinbase": "client_order_id"
}  # under ccxt's own name 4.5.90 drops it there and sends a random one
# Left to itself ccxt looks an hour ahead of ``since`` here, or refuses a ``since`` without an end: what is wanted goes up to now.
_TRADES_UNTIL_NOW: Final = ("binance", "binanceus", "coinbase")
_TRADES_PAGE: Final = 1_000  # the most that these give at once
_MOST_UNNAMED: Final = 40  # symbols that are asked one by one where the settings name none
_PLAIN_KINDS: Final = (OrderKind.MARKET, OrderKind.LIMIT)

Row = Mapping[str, Any]


class UnifiedDialect:
    """See ``Dialect``."""

    conditional_close = False
    native_kinds = frozenset(_PLAIN_KINDS)
    stream_token: Callable[[], str] | None = None  # what a private stream needs there, ccxt signs by itself

    def __init__(self, client: VenueClient, symbols: Iterable[str] = ()) -> None:
        """``symbols``: those that are traded here, for venues that list an account one symbol at a time."""
        self._client = client
        self._history = History(client)
        self._named = tuple(symbols)
        self._spoken: set[str] = set()  # asked for or ordered here
        self._instruments: dict[str, Instrument] = {}
        self._loading = threading.Lock()
        offered = client.api.timeframes or {}
        self.ohlc_reaches: Mapping[Timeframe, int | None] = {f: None for f in Timeframe if f.value in offered}

    def now(self) -> datetime:
        if not self._client.api.has.get("fetchTime"):
            # The newest thing the venue says about its own time is the stamp of any ticker.
            symbol = next(iter(self.load_instruments(refresh=False)))
            return self._stamp(self._client.read("fetch_ticker", symbol).get("timestamp"), "ticker time")
        return self._stamp(self._client.read("fetch_time"), "time")

    def _stamp(self, ms: Any, what: str) -> datetime:
        if not ms:
            raise RetryLater(f"{self._client.exchange} tells no {what}", venue=self._client.exchange, what=what)
        return from_ms(int(ms))

    def load_instruments(self, *, refresh: bool) -> dict[str, Instrument]:
        if self._instruments and not refresh:
            return self._instruments
        with self._loading:
            if self._instruments and not refresh:
                return self._instruments  # another thread has just asked
            markets = self._client.read("load_markets", True)
            with as_documented(self._client.exchange, "markets"):
                self._instruments = {
                    symbol: instrument_of(self._client.exchange, market)
                    for symbol, market in markets.items()
                    if market.get("spot") and "/" in symbol and ":" not in symbol and market["precision"]["price"]
                }
            return self._instruments

    def _listed(self, symbol: str) -> str:
        if symbol not in self.load_instruments(refresh=False):
            raise Misconfigured(
                f"{self._client.exchange} lists no {symbol}",
                venue=self._client.exchange,
                symbol=symbol,
                listed=len(self._instruments),
            )
        self._spoken.add(symbol)
        return symbol

    def quotes(self, symbols: Sequence[str], ts: datetime) -> dict[str, Quote]:
        if not symbols:
            return {}
        listed = [self._listed(symbol) for symbol in symbols]
        rows: dict[str, Mapping[str, Any]] = {symbol: {} for symbol in listed}
        if self._client.api.has.get("fetchTickers") is True:
            told = self._client.read("fetch_tickers", listed)
            with as_documented(self._client.exchange, "tickers"):
                rows = {symbol: told[symbol] for symbol in listed}
        return {
            symbol: self._quote(symbol, row if has_prices(row) else self._client.read("fetch_ticker", symbol), ts)
            for symbol, row in rows.items()
        }

    def _quote(self, symbol: str, row: Mapping[str, Any], ts: datetime) -> Quote:
        if has_prices(row):
            with as_documented(self._client.exchange, "ticker"):
                return quote_of(symbol, row, ts)
        book = self.order_book(symbol, 1, ts)  # some tickers tell the last trade only
        if not book.bids or not book.asks:
            raise RetryLater(
                f"{self._client.exchange} quotes no {symbol} just now", venue=self._client.exchange, symbol=symbol
            )
        return quote_of(symbol, {"bid": book.bids[0][0], "ask": book.asks[0][0], "last": row.get("last")}, ts)

    def order_book(self, symbol: str, depth: int, ts: datetime) -> OrderBook:
        told = self._client.read("fetch_order_book", self._listed(symbol), depth)
        with as_documented(self._client.exchange, "order book"):
            stamp = from_ms(int(told["timestamp"])) if told.get("timestamp") else ts
            sides = [
                tuple((float(level[0]), float(level[1])) for level in told[side][:depth]) for side in ("bids", "asks")
            ]
            return OrderBook(symbol, sides[0], sides[1], stamp)

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> pd.DataFrame:
        # Left to itself ccxt counts back from this machine's clock on some venues, and market time is the venue's.
        asked = to_ms(self.now() - _NEWEST * timeframe.delta if since is None else since)
        rows = self._client.read("fetch_ohlcv", self._listed(symbol), timeframe.value, asked)
        if not isinstance(rows, list):
            raise RetryLater(f"{self._client.exchange} answered candles with something else than a list", symbol=symbol)
        with as_documented(self._client.exchange, "candles"):
            frame = candles_of(rows)
        return frame if since is None else frame[frame["ts"] >= since].reset_index(drop=True)

    def trades(self, symbol: str, cursor: str | None, since: datetime | None) -> tuple[pd.DataFrame, str]:
        start = int(cursor) if cursor is not None else (None if since is None else to_ms(since))
        asked: list[Any] = [self._listed(symbol), start]
        if start is not None and self._client.exchange in _TRADES_UNTIL_NOW:
            asked += [_TRADES_PAGE, {"until": to_ms(self.now())}]
        rows = self._client.read("fetch_trades", *asked)
        with as_documented(self._client.exchange, "trades"):
            frame = trades_of(rows)
        newest = int(rows[-1]["timestamp"]) if rows else (start or 0)
        return frame, str(newest)

    def fees(self, symbols: Sequence[str]) -> dict[str, Fees]:
        has = self._client.api.has
        if not has.get("fetchTradingFee") and not has.get("fetchTradingFees"):
            raise Misconfigured(f"{self._client.exchange} does not tell an account's fees", venue=self._client.exchange)
        listed = [self._listed(symbol) for symbol in symbols]
        if has.get("fetchTradingFees"):
            told = self._client.read("fetch_trading_fees")
        else:
            told = {symbol: self._client.read("fetch_trading_fee", symbol) for symbol in listed}
        with as_documented(self._client.exchange, "trading fees"):
            unit = _FEE_UNITS.get(self._client.exchange, 1)
            return {
                symbol: Fees(
                    as_decimal(str(told[symbol]["maker"])) / unit, as_decimal(str(told[symbol]["taker"])) / unit
                )
                for symbol in listed
            }

    def balances(self) -> dict[str, Balance]:
        told = self._client.read("fetch_balance")
        with as_documented(self._client.exchange, "balance"):
            held = told["used"]
            return {
                asset: Balance(asset, as_decimal(str(total)), as_decimal(str(held.get(asset) or 0)))
                for asset, total in told["total"].items()
                if total is not None
            }

    def key_rights(self) -> frozenset[str] | None:
        return None  # ccxt has no word for it

    def try_order(self, request: OrderRequest) -> None:
        raise Misconfigured(
            f"{self._client.exchange} cannot check an order without placing it",
            key="exchange",
            venue=self._client.exchange,
        )

    def submit(self, request: OrderRequest) -> str:
        self._refuse_unspoken(request)
        self._spoken.add(request.symbol)
        params: dict[str, Any] = {_CLIENT_ID.get(self._client.exchange, "clientOrderId"): request.client_order_id}
        if request.time_in_force != "GTC":
            params["timeInForce"] = request.time_in_force
        price = None if request.limit_price is None else plain(request.limit_price)
        doing = f"submit {request.client_order_id}"
        side, kind, amount = request.side.value, request.kind.value, plain(request.amount)
        priority = Priority.ENTER if request.side is Side.BUY else Priority.PROTECT
        answer = self._client.send(
            "create_order", request.symbol, kind, side, amount, price, params, doing=doing, priority=priority
        )
        order_id = answer.get("id") if isinstance(answer, dict) else None
        if not order_id:
            raise StateUnknown(
                f"{self._client.exchange} answered the order without an id",
                venue=self._client.exchange,
                client_order_id=request.client_order_id,
                symbol=request.symbol,
            )
        self._client.ages.saw(str(order_id), request.symbol)
        return str(order_id)

    def _refuse_unspoken(self, request: OrderRequest) -> None:
        unspoken = [
            name
            for name, asked in (
                ("kind", request.kind not in _PLAIN_KINDS),
                ("close", request.close is not None),
                ("symbol", request.symbol not in self.load_instruments(refresh=False)),
            )
            if asked
        ]
        if unspoken:
            raise TradeRefused(
                f"{self._client.exchange} is not spoken well enough for this order's {', '.join(unspoken)}",
                venue=self._client.exchange,
                unspoken=unspoken,
                symbol=request.symbol,
            )

    def cancel(self, order_id: str) -> None:
        # Looked up as urgently as it is sent: a stop has to go before the sale can.
        with calls_at(Priority.PROTECT):
            sent = self._client.ages.of(order_id)
            symbol = self._resting_symbol(order_id) if sent is None else sent.pair
            if symbol is None:
                return
            try:
                self._client.send("cancel_order", order_id, symbol, doing=f"cancel {order_id}", repeatable=True)
            except TradeRefused:
                if self._resting_symbol(order_id) is not None:
                    raise

    def _resting_symbol(self, order_id: str) -> str | None:
        """None: it rests no more.  Raises: StateUnknown for an order the venue does not know, or not yet."""
        order = self.orders([order_id]).get(order_id)
        if order is None:
            raise StateUnknown(
                f"{self._client.exchange} knows no order {order_id}: it may not be listed yet",
                venue=self._client.exchange, order_id=order_id,
            )  # fmt: skip
        return order.symbol if order.status.resting else None

    def cancel_all_after(self, seconds: int) -> datetime | None:
        raise Misconfigured(f"{self._client.exchange} has no dead-man switch here", key="trading.dead_man_seconds")

    def amend(
        self,
        order_id: str,
        amount: Decimal | None,
        trigger_price: Decimal | None,
        limit_price: Decimal | None,
        deadline: datetime | None,
    ) -> None:
        raise TradeRefused(f"{self._client.exchange} cannot amend a resting order in place", order_id=order_id)

    def open_orders(self) -> list[VenueOrder]:
        try:
            rows = self._history.open_orders(None)
        except Misconfigured as error:
            if not _wants_symbol(error):
                raise
            rows = [row for symbol in self._traded_symbols() for row in self._history.open_orders(symbol)]
        return self._orders_of(rows)

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        orders = self._orders_of(self._everywhere(self._history.orders, start))
        return sorted(orders, key=lambda order: order.opened_at, reverse=True)

    def _everywhere(self, ask: Callable[[str | None, int], Sequence[Row]], start: datetime) -> list[Row]:
        """One listing of all symbols where the venue has it, else one of each symbol that can have traded."""
        try:
            return list(ask(None, to_ms(start)))
        except Misconfigured as error:
            if not _wants_symbol(error):
                raise
        return [row for symbol in self._traded_symbols() for row in ask(symbol, to_ms(start))]

    def orders(self, order_ids: Sequence[str]) -> dict[str, VenueOrder]:
        wanted = set(order_ids)
        found = {order.order_id: order for order in self.open_orders() if order.order_id in wanted}
        told = (self._order(order_id) for order_id in order_ids if order_id not in found)
        return found | {order.order_id: order for order in told if order is not None}

    def _order(self, order_id: str) -> VenueOrder | None:
        sent = self._client.ages.of(order_id)
        if sent is not None:
            return self._order_of(order_id, sent.pair)
        try:
            return self._order_of(order_id, None)
        except Misconfigured as error:
            if not _wants_symbol(error):
                raise
        found = [order for symbol in self._traded_symbols() if (order := self._order_of(order_id, symbol)) is not None]
        if len(found) > 1:
            raise StateUnknown(
                f"{self._client.exchange} has an order {order_id} of each of {', '.join(one.symbol for one in found)}",
                venue=self._client.exchange, order_id=order_id,
            )  # fmt: skip
        return found[0] if found else None

    def _order_of(self, order_id: str, symbol: str | None) -> VenueOrder | None:
        try:
            row = self._client.read("fetch_order", order_id, symbol)
        except BadData as error:
            if error.fields.get("kind") != "OrderNotFound":
                raise
            return None
        return self._orders_of([{**row, "symbol": row.get("symbol") or symbol}])[0]

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        rows = self._everywhere(self._history.trades, start)
        with as_documented(self._client.exchange, "own trades"):
            told = [fill_of(row) for row in rows]
        return sorted((fill for fill in told if fill.ts >= start), key=lambda fill: fill.ts, reverse=True)

    def orders_with_fills(
        self, order_ids: Sequence[str], known: Container[str] = ()
    ) -> tuple[dict[str, VenueOrder], list[Fill]]:
        orders = self.orders(order_ids)
        if not orders:
            return {}, []
        told = self.fills(min(order.opened_at for order in orders.values()))
        return orders, [fill for fill in told if fill.order_id in orders and fill.trade_id not in known]

    def ledger_lines(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        raise Misconfigured(
            f"{self._client.exchange} has no ledger that ccxt unifies", venue=self._client.exchange, what="ledger"
        )

    def _traded_symbols(self) -> list[str]:
        """Where this account can have traded: what the settings name and what was asked for here, and every coin that is held.

        Where nothing is named, a pair whose coin has been sold whole is known by its quote currency only, and those may be many.
        """
        listed = self.load_instruments(refresh=False)
        held = {asset for asset, balance in self.balances().items() if balance.total}
        sure = {*self._named, *self._spoken} | {name for name, item in listed.items() if item.base in held}
        if not self._named:
            sure |= {name for name, item in listed.items() if item.quote in held}
        found = sorted(sure & listed.keys())
        if not self._named and len(found) > _MOST_UNNAMED:
            raise Misconfigured(
                f"{self._client.exchange} lists an account by symbol, and {len(found)} can have been traded: name those that are",
                key=f"exchanges.{self._client.exchange}.symbols", venue=self._client.exchange, symbols=len(found),
            )  # fmt: skip
        return found

    def _orders_of(self, rows: Sequence[Mapping[str, Any]]) -> list[VenueOrder]:
        with as_documented(self._client.exchange, "orders"):
            return [order_of(row) for row in rows]


def _wants_symbol(error: Misconfigured) -> bool:
    return error.fields.get("kind") == "ArgumentsRequired"

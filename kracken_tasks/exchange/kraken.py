"""Kraken through its raw endpoints, so that vwap, counts and every digit of money arrive as the venue wrote them.

In: a ``VenueClient`` for ccxt's kraken.  Out: domain words.  Never: ccxt's unified structures, which drop vwap and pass through float.

Source: Kraken REST reference, 2026; ccxt 4.5.90 for the encodings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pandas as pd

from kracken_tasks.domain.clock import iso, parse_utc, to_ms, to_ns
from kracken_tasks.domain.market import Balance, Fees, Instrument, OrderBook, Quote, Timeframe
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderRequest, Side, VenueOrder
from kracken_tasks.errors import BadData, Misconfigured, StateUnknown, TradeRefused
from kracken_tasks.exchange import kraken_wire as wire
from kracken_tasks.exchange.client import VenueClient
from kracken_tasks.exchange.dialect import as_documented
from kracken_tasks.exchange.kraken_listing import KrakenListing, quote_asset
from kracken_tasks.exchange.kraken_orders import order_params
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.exchange.rates.counters import current_priority

__all__ = ["OHLC_REACH", "KrakenDialect"]

OHLC_REACH: Final = 720  # entries, the running one included (Kraken, Get OHLC Data)
_PAGE: Final = 50  # rows of a history page (Kraken, Get Closed Orders)
_TRADES_PAGE: Final = 1000
_ORDERS_A_CALL: Final = 50  # QueryOrders
_TRADES_A_CALL: Final = 20  # QueryTrades
# A trade's ledger lines appear with it or moments later.  Where none come in this time (a margin trade has others) history has to do.
_BOOKED_WITHIN: Final = timedelta(minutes=1)
_STRANGER: Final = re.compile(r"(Unknown|Invalid) (order|trade)", re.IGNORECASE)
# The day Kraken's weeks open is not documented, 12 hours exist only in its archive, 2 and 6 nowhere: they are made of finer ones.
_NO_OHLC: Final = (Timeframe.W1, Timeframe.H2, Timeframe.H6, Timeframe.H12)


class KrakenDialect:
    """See ``Dialect``."""

    ohlc_reaches: Mapping[Timeframe, int | None] = {frame: OHLC_REACH for frame in Timeframe if frame not in _NO_OHLC}
    conditional_close = True
    native_kinds = frozenset(OrderKind)

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self._listing = KrakenListing(client)
        self.stream_token: Callable[[], str] | None = self._stream_token

    # -- what is listed ----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        with as_documented(self._client.exchange, "Time"):
            moment = wire.moment_of(self._client.read_result("publicGetTime")["unixtime"])
        self._client.ages.tell_time(moment)
        return moment

    def load_instruments(self, *, refresh: bool) -> dict[str, Instrument]:
        return self._listing.instruments(refresh=refresh)

    # -- public ------------------------------------------------------------------------------------------------------

    def quotes(self, symbols: Sequence[str], ts: datetime) -> dict[str, Quote]:
        if not symbols:
            return {}
        pairs = ",".join(self._listing.pair(symbol) for symbol in symbols)
        rows = self._client.read_result("publicGetTicker", {"pair": pairs})
        with as_documented(self._client.exchange, "Ticker"):
            told = {
                self._listing.symbol(pair): wire.quote_of(self._listing.symbol(pair), row, ts)
                for pair, row in rows.items()
            }
            return {symbol: told[symbol] for symbol in symbols}

    def order_book(self, symbol: str, depth: int, ts: datetime) -> OrderBook:
        result = self._client.read_result("publicGetDepth", {"pair": self._listing.pair(symbol), "count": depth})
        with as_documented(self._client.exchange, "Depth"):
            return wire.order_book_of(symbol, next(iter(result.values())), ts)

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> pd.DataFrame:
        asked = {"pair": self._listing.pair(symbol), "interval": timeframe.minutes}
        if since is not None:
            # Kraken's since is exclusive and in seconds; one interval less makes it inclusive whatever it is rounded to.
            asked["since"] = to_ms(since) // 1000 - timeframe.seconds
        result = self._client.read_result("publicGetOHLC", asked)
        with as_documented(self._client.exchange, "OHLC"):
            frame = wire.candles_of(_series(result))
        return frame if since is None else frame[frame["ts"] >= since].reset_index(drop=True)

    def trades(self, symbol: str, cursor: str | None, since: datetime | None) -> tuple[pd.DataFrame, str]:
        asked: dict[str, Any] = {"pair": self._listing.pair(symbol), "count": _TRADES_PAGE}
        if cursor is not None or since is not None:
            # A nanosecond cursor, exclusive: one less, so that a trade at the very moment is in the page.
            asked["since"] = cursor if cursor is not None else str(max(to_ns(since) - 1, 0) if since else 0)
        result = self._client.read_result("publicGetTrades", asked)
        with as_documented(self._client.exchange, "Trades"):
            return wire.trades_of(_series(result)), str(result["last"])

    # -- private: reading --------------------------------------------------------------------------------------------

    def fees(self, symbols: Sequence[str]) -> dict[str, Fees]:
        pairs = {self._listing.pair(symbol): symbol for symbol in symbols}
        if not pairs:
            return {}
        told = self._client.read_result("privatePostTradeVolume", {"pair": ",".join(pairs)})
        with as_documented(self._client.exchange, "TradeVolume"):
            return {symbol: wire.fees_of(told, pair) for pair, symbol in pairs.items()}

    def balances(self) -> dict[str, Balance]:
        rows = self._client.read_result("privatePostBalanceEx")
        with as_documented(self._client.exchange, "BalanceEx"):
            return {
                self._listing.asset(asset): wire.balance_of(self._listing.asset(asset), row)
                for asset, row in rows.items()
            }

    def key_rights(self) -> frozenset[str] | None:
        told = self._client.read_result("privatePostGetApiKeyInfo")
        with as_documented(self._client.exchange, "GetApiKeyInfo"):
            listed = told["permissions"]
            if isinstance(listed, str):
                raise TypeError("permissions are a list")
            return frozenset(str(right) for right in listed)

    def open_orders(self) -> list[VenueOrder]:
        result = self._client.read_result("privatePostOpenOrders", {"trades": "true"})
        with as_documented(self._client.exchange, "OpenOrders"):
            rows = dict(result["open"])
        return self._orders_of(rows, "OpenOrders")

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        rows = dict(self._pages("privatePostClosedOrders", "closed", {"start": _from_second(start), "trades": "true"}))
        return self._orders_of(rows, "ClosedOrders")

    def orders(self, order_ids: Sequence[str]) -> dict[str, VenueOrder]:
        told = self._orders_of(self._query_orders(order_ids), "QueryOrders")
        return {order.order_id: order for order in told}

    def fills(self, start: datetime, known: Container[str]) -> list[Fill]:
        rows = dict(self._pages("privatePostTradesHistory", "trades", {"start": _from_second(start)}))
        return self._as_booked([fill for fill in self._fills_of(rows, "TradesHistory") if fill.ts >= start], known)

    def orders_with_fills(
        self, order_ids: Sequence[str], known: Container[str]
    ) -> tuple[dict[str, VenueOrder], list[Fill]]:
        rows = self._query_orders(order_ids)
        orders = {order.order_id: order for order in self._orders_of(rows, "QueryOrders")}
        with as_documented(self._client.exchange, "QueryOrders"):
            trade_ids = [str(trade_id) for row in rows.values() for trade_id in row.get("trades") or ()]
        wanted = [trade_id for trade_id in dict.fromkeys(trade_ids) if trade_id not in known]
        trades = self._query("privatePostQueryTrades", wanted, _TRADES_A_CALL)
        return orders, self._as_booked(self._fills_of(trades, "QueryTrades"), known)

    def _as_booked(self, fills: list[Fill], known: Container[str]) -> list[Fill]:
        """What is not ``known``, as the venue's ledger booked it; what it has not booked yet is left out while that may still come."""
        news = [fill for fill in fills if fill.trade_id not in known]
        if not news:
            return fills
        first, last = min(fill.ts for fill in news), max(fill.ts for fill in news)
        span = {"start": _from_second(first), "end": _from_second(last) + 3, "type": "trade"}
        lines = self._lines(span)
        owed = wire.without_lines(news, lines)
        if owed:
            settled = self.now() - _BOOKED_WITHIN
            fills = [fill for fill in fills if fill.trade_id not in owed or fill.ts < settled]
        return wire.as_booked(fills, lines)

    def ledger_lines(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        return [line for line in self._lines({"start": _from_second(start)}, each_page) if line.ts >= start]

    def _lines(self, asked: Mapping[str, Any], each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        rows = list(self._pages("privatePostLedgers", "ledger", asked, each_page))
        with as_documented(self._client.exchange, "Ledgers"):
            return [wire.movement_of(movement_id, row, self._listing.asset) for movement_id, row in rows]

    def _query_orders(self, order_ids: Sequence[str]) -> dict[str, Any]:
        return self._query("privatePostQueryOrders", order_ids, _ORDERS_A_CALL)

    def _query(self, method: str, ids: Sequence[str], size: int) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for chunk in _chunks(ids, size):
            rows.update(self._query_known(method, chunk))
        return rows

    def _query_known(self, method: str, ids: Sequence[str]) -> dict[str, Any]:
        try:
            found = self._client.read_result(method, {"txid": ",".join(ids), "trades": "true"})
        except BadData as error:
            if not _STRANGER.search(str(error.fields.get("venue_text"))):
                raise
            if len(ids) == 1:
                return {}
            # One id the venue does not know (yet) spoils the lot: ask one by one.
            return {key: row for one in ids for key, row in self._query_known(method, [one]).items()}
        with as_documented(self._client.exchange, method):
            return dict(found)

    def _pages(
        self, method: str, name: str, asked: Mapping[str, Any], each_page: Callable[[], None] | None = None
    ) -> Iterator[tuple[str, Any]]:
        # Newest first.  A row that arrives between two pages shifts the rest down: seen twice, never missed.
        seen: set[str] = set()
        offset = 0
        while True:
            # The first page is a question; whoever reads on exports, and gives way to everybody else.
            with calls_at(current_priority(Priority.EXPORT)) if offset else nullcontext():
                result = self._client.read_result(method, {**asked, "ofs": offset})
            with as_documented(self._client.exchange, method):
                page, count = dict(result[name]), int(result.get("count") or offset + len(result[name]) + 1)
            if each_page is not None:
                each_page()
            yield from ((key, row) for key, row in page.items() if key not in seen)
            fresh = len(page.keys() - seen)
            seen |= page.keys()
            offset += len(page)
            if not fresh or len(page) < _PAGE or offset >= count:
                return

    def _orders_of(self, rows: Mapping[str, Any], what: str) -> list[VenueOrder]:
        with as_documented(self._client.exchange, what):
            orders = [wire.order_of(order_id, row, self._listing.symbol) for order_id, row in rows.items()]
        for order in orders:
            if order.status.resting:
                self._client.ages.saw(order.order_id, self._listing.key(order.symbol), order.opened_at)
        return orders

    def _fills_of(self, rows: Mapping[str, Any], what: str) -> list[Fill]:
        with as_documented(self._client.exchange, what):
            return [wire.fill_of(trade_id, row, self._listing.symbol, quote_asset) for trade_id, row in rows.items()]

    def _stream_token(self) -> str:
        result = self._client.read_result("privatePostGetWebSocketsToken")
        with as_documented(self._client.exchange, "GetWebSocketsToken"):
            return str(result["token"])

    # -- private: sending --------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> str:
        pair = self._listed_pair(request.symbol)
        priority = Priority.ENTER if request.side is Side.BUY else Priority.PROTECT
        result = self._client.send_result(
            "privatePostAddOrder", order_params(request, pair), f"submit {request.client_order_id}", priority
        )
        ids = result.get("txid") if isinstance(result, dict) else None
        if not isinstance(ids, list) or not ids or not ids[0]:
            raise StateUnknown(
                f"{self._client.exchange} answered the order without an id",
                venue=self._client.exchange,
                client_order_id=request.client_order_id,
                symbol=request.symbol,
            )
        self._client.ages.saw(str(ids[0]), pair)
        return str(ids[0])

    def try_order(self, request: OrderRequest) -> None:
        asked = order_params(request, self._listed_pair(request.symbol)) | {"validate": "true"}
        self._client.read_result("privatePostAddOrder", asked)

    def _listed_pair(self, symbol: str) -> str:
        try:
            return self._listing.pair(symbol)
        except Misconfigured as error:
            raise TradeRefused(error.message, **error.fields) from None

    def cancel(self, order_id: str) -> None:
        try:
            self._client.send_result("privatePostCancelOrder", {"txid": order_id}, doing=f"cancel {order_id}")
        except TradeRefused as error:
            if not _STRANGER.search(str(error.fields.get("venue_text"))):
                raise  # gone already is what was wanted

    def cancel_all_after(self, seconds: int) -> datetime | None:
        asked = {"timeout": seconds}
        told = self._client.send_result("privatePostCancelAllOrdersAfter", asked, doing="set the dead-man switch")
        moment = str(told.get("triggerTime") or "0") if isinstance(told, dict) else ""
        try:
            return None if moment == "0" else parse_utc(moment)
        except ValueError:
            raise StateUnknown(
                f"{self._client.exchange} does not say when it will cancel every order: {moment!r}",
                venue=self._client.exchange,
            ) from None

    def amend(
        self,
        order_id: str,
        amount: Decimal | None,
        trigger_price: Decimal | None,
        limit_price: Decimal | None,
        deadline: datetime | None,
    ) -> None:
        asked = {"txid": order_id}
        for name, value in (("order_qty", amount), ("trigger_price", trigger_price), ("limit_price", limit_price)):
            if value is not None:
                asked[name] = plain(value)
        if deadline is not None:
            asked["deadline"] = iso(deadline)
        self._client.send_result("privatePostAmendOrder", asked, doing=f"amend {order_id}")


def _series(result: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    # The key is the venue's own name of the pair, whatever name was asked for; the other key is ``last``.
    rows: Sequence[Sequence[Any]] = next(rows for key, rows in result.items() if key != "last")
    return rows


def _from_second(start: datetime) -> int:
    # History listings begin strictly after ``start``, in whole seconds: one less, and the caller cuts to the instant.
    return to_ms(start - timedelta(seconds=1)) // 1000


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[at : at + size] for at in range(0, len(items), size))

"""An account's history at venues without a dialect: all of it, page by page, or an error that says it cannot be had.

In: a ``VenueClient`` and a way to a venue's pages.  Out: ccxt's rows, each once.  Never: a listing that a page's end cut short and nobody
noticed; rows that share a stamp at the edge of two pages left out.

Binance numbers rows: the next page begins behind the last number.  Coinbase hands out a cursor.  Bitstamp counts from the newest on.  Of
any other venue nobody knows how long a page is and at which end it begins: it is walked by time both ways until nothing new comes, and
where that proves nothing (a page full of one stamp, an end that the venue ignores) the question fails instead of half an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kracken_tasks.errors import BadData
from kracken_tasks.exchange.client import VenueClient
from kracken_tasks.exchange.dialect import as_documented
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.exchange.rates.counters import current_priority

__all__ = ["History"]

Rows = Sequence[Mapping[str, Any]]

_NUMBERED: Final = {"fetch_my_trades": "fromId", "fetch_orders": "orderId"}  # Binance: rows from this number on
_NUMBERED_PAGE: Final = 1_000
_NUMBERED_CERTAIN: Final = (
    500  # a page that is shorter than Binance's default is the last, whatever it makes of the limit
)
_CURSOR_PAGE: Final = 100
_BITSTAMP_PAGE: Final = 1_000
_BITSTAMP_CERTAIN: Final = 100  # its default
_BITSTAMP_TRADE: Final = "2"
_OPEN_AT_ONCE: Final = ("binance", "binanceus", "bitstamp")  # these list all that rests in one answer
_PAGES: Final = (20, 25, 30, 40, 50, 100, 200, 500, 1_000)  # what venues are known to cut a listing to
_SURELY_WHOLE: Final = 20  # no venue's pages are as short as this


class History:
    """``trades`` and ``orders`` of an account since a moment (milliseconds); ``symbol`` None: of all symbols at once.

    Raises: Misconfigured with ``kind`` ArgumentsRequired where a venue wants a symbol; BadData where nothing proves the listing whole.
    """

    def __init__(self, client: VenueClient) -> None:
        self._client = client

    def trades(self, symbol: str | None, since_ms: int) -> list[Mapping[str, Any]]:
        """Executions at or after ``since_ms``."""
        if self._client.exchange == "bitstamp":
            return self._bitstamp_trades(symbol, since_ms)
        return self._listed("fetch_my_trades", symbol, since_ms)

    def orders(self, symbol: str | None, since_ms: int) -> list[Mapping[str, Any]]:
        """Orders opened at or after ``since_ms`` that rest no more, cancelled ones included."""
        has = self._client.api.has
        if has.get("fetchOrders") is True:
            methods = ["fetch_orders"]
        elif has.get("fetchCanceledAndClosedOrders") is True:
            methods = ["fetch_canceled_and_closed_orders"]
        else:
            methods = [
                "fetch_closed_orders",
                *(["fetch_canceled_orders"] if has.get("fetchCanceledOrders") is True else []),
            ]
        rows = {str(row["id"]): row for method in methods for row in self._listed(method, symbol, since_ms)}
        return [row for row in rows.values() if row.get("status") != "open"]

    def open_orders(self, symbol: str | None) -> list[Mapping[str, Any]]:
        """Everything that rests.  Of a venue nobody has looked at, a listing as long as a page is not believed."""
        args = () if symbol is None else (symbol,)
        if self._client.exchange == "coinbase":
            return self._by_cursor("fetch_open_orders", symbol, None)
        rows: Rows = self._client.read("fetch_open_orders", *args)
        if len(rows) in _PAGES and self._client.exchange not in _OPEN_AT_ONCE:
            raise self._unproven("fetch_open_orders", f"{len(rows)} is as long as a page may be")
        return list(rows)

    def _listed(self, method: str, symbol: str | None, since_ms: int) -> list[Mapping[str, Any]]:
        if self._client.exchange in ("binance", "binanceus") and method in _NUMBERED:
            return self._by_number(method, symbol, since_ms)
        if self._client.exchange == "coinbase":
            return self._by_cursor(method, symbol, since_ms)
        return self._by_time(method, symbol, since_ms)

    # -- venues whose pages are known ----------------------------------------------------------------------------------------

    def _by_number(self, method: str, symbol: str | None, since_ms: int) -> list[Mapping[str, Any]]:
        page: Rows = self._client.read(method, symbol, since_ms, _NUMBERED_PAGE)
        rows = list(page)
        while len(page) >= _NUMBERED_CERTAIN:
            with as_documented(self._client.exchange, method):
                newest = max(int(row["id"]) for row in page)
            with _reading_on():
                page = self._client.read(method, symbol, None, _NUMBERED_PAGE, {_NUMBERED[method]: newest + 1})
            rows += page
        return rows

    def _by_cursor(self, method: str, symbol: str | None, since_ms: int | None) -> list[Mapping[str, Any]]:
        rows: dict[str, Mapping[str, Any]] = {}
        cursor, used = None, set[str]()
        while True:
            asked: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
            with _reading_on(cursor is not None):
                page: Rows = self._client.read(method, symbol, since_ms, _CURSOR_PAGE, asked)
            with as_documented(self._client.exchange, method):
                rows |= {_id(row): row for row in page}
                # ccxt puts the cursor into the raw row that came first, wherever its own order has moved that row.
                told = [row["info"].get("cursor") for row in page]
            cursor = next((one for one in told if one), None)
            if cursor is None or cursor in used:
                return list(rows.values())
            used.add(cursor)

    def _bitstamp_trades(self, symbol: str | None, since_ms: int) -> list[Mapping[str, Any]]:
        # The raw listing, newest first: ccxt leaves out what is no trade, and with it how long the page was; and Bitstamp's own
        # "since" reaches back thirty days only.  What arrives between two pages shifts the rest down: seen twice, never missed.
        api = self._client.api
        self._client.read("load_markets")
        found: dict[str, Mapping[str, Any]] = {}
        offset, oldest = 0, since_ms
        while oldest >= since_ms:
            with _reading_on(offset > 0):
                page: Rows = self._client.read(
                    "privatePostUserTransactions", {"limit": _BITSTAMP_PAGE, "offset": offset}
                )
            with as_documented(self._client.exchange, "user_transactions"):
                found |= {_id(row): row for row in page if str(row["type"]) == _BITSTAMP_TRADE}
                oldest = min((int(api.parse8601(row["datetime"])) for row in page), default=0)
            if len(page) < _BITSTAMP_CERTAIN:
                break
            offset += len(page)
        rows: Rows = api.parse_trades(list(found.values()))
        return [row for row in rows if symbol in (None, row["symbol"])]

    # -- any venue -----------------------------------------------------------------------------------------------------------

    def _by_time(self, method: str, symbol: str | None, since_ms: int) -> list[Mapping[str, Any]]:
        with as_documented(self._client.exchange, method):
            page: Rows = self._client.read(method, symbol, since_ms)
            rows = {_id(row): row for row in page}
            if len(page) >= _SURELY_WHOLE:
                # A millisecond more each way: some venues leave the bound itself out.
                while self._more(method, rows, self._asked(method, symbol, _newest(rows) - 1)):
                    pass
                while self._more(method, rows, self._asked(method, symbol, since_ms, _oldest(rows) + 1)):
                    pass
        return list(rows.values())

    def _asked(self, method: str, symbol: str | None, since_ms: int, until_ms: int | None = None) -> Rows:
        with _reading_on():
            if until_ms is None:
                page: Rows = self._client.read(method, symbol, since_ms)
                return page
            page = self._client.read(method, symbol, since_ms, None, {"until": until_ms})
        if any(int(row["timestamp"]) > until_ms for row in page):
            raise self._unproven(method, "the venue does not end a page where it was asked to")
        return page

    def _more(self, method: str, rows: dict[str, Mapping[str, Any]], page: Rows) -> bool:
        known = len(rows)
        rows |= {_id(row): row for row in page}
        if len(rows) == known and len(page) >= _SURELY_WHOLE:
            raise self._unproven(method, "a page may be full of one moment")
        return len(rows) > known

    def _unproven(self, method: str, why: str) -> BadData:
        return BadData(
            f"{self._client.exchange}: nothing proves that {method} told everything: {why}",
            venue=self._client.exchange, doing=method, why=why,
        )  # fmt: skip


def _id(row: Mapping[str, Any]) -> str:
    if row["id"] in (None, ""):
        raise ValueError("a row without an id")
    return str(row["id"])


def _newest(rows: Mapping[str, Mapping[str, Any]]) -> int:
    return max(int(row["timestamp"]) for row in rows.values())


def _oldest(rows: Mapping[str, Mapping[str, Any]]) -> int:
    return min(int(row["timestamp"]) for row in rows.values())


@contextmanager
def _reading_on(further: bool = True) -> Iterator[None]:
    """The first page is a question; whoever reads on exports, and gives way to everybody else."""
    if not further:
        yield
        return
    with calls_at(current_priority(Priority.EXPORT)):
        yield

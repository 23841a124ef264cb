"""What a venue's dialect has to be able to say.  ``CcxtVenue`` speaks to every venue through one of these.

In: a ``VenueClient``.  Out: domain words.  Never: retries, locks or error tables, which the client has.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Protocol

import pandas as pd

from kracken_tasks.domain.market import Balance, Fees, Instrument, OrderBook, Quote, Timeframe
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderRequest, VenueOrder
from kracken_tasks.errors import BadData

__all__ = ["Dialect", "as_documented"]


class Dialect(Protocol):
    """See ``CcxtVenue`` for what each method promises."""

    ohlc_reaches: Mapping[Timeframe, int | None]
    conditional_close: bool
    native_kinds: frozenset[OrderKind]
    stream_token: Callable[[], str] | None

    def now(self) -> datetime: ...
    def load_instruments(self, *, refresh: bool) -> dict[str, Instrument]: ...
    def quotes(self, symbols: Sequence[str], ts: datetime) -> dict[str, Quote]: ...
    def order_book(self, symbol: str, depth: int, ts: datetime) -> OrderBook: ...
    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None) -> pd.DataFrame: ...
    def trades(self, symbol: str, cursor: str | None, since: datetime | None) -> tuple[pd.DataFrame, str]: ...
    def fees(self, symbols: Sequence[str]) -> dict[str, Fees]: ...
    def balances(self) -> dict[str, Balance]: ...
    def key_rights(self) -> frozenset[str] | None: ...
    def try_order(self, request: OrderRequest) -> None: ...
    def submit(self, request: OrderRequest) -> str: ...
    def cancel(self, order_id: str) -> None: ...
    def amend(
        self,
        order_id: str,
        amount: Decimal | None,
        trigger_price: Decimal | None,
        limit_price: Decimal | None,
        deadline: datetime | None,
    ) -> None: ...
    def cancel_all_after(self, seconds: int) -> datetime | None: ...
    def open_orders(self) -> list[VenueOrder]: ...
    def closed_orders(self, start: datetime) -> list[VenueOrder]: ...
    def orders(self, order_ids: Sequence[str]) -> dict[str, VenueOrder]: ...
    def fills(self, start: datetime, known: Container[str]) -> list[Fill]: ...
    def orders_with_fills(
        self, order_ids: Sequence[str], known: Container[str]
    ) -> tuple[dict[str, VenueOrder], list[Fill]]: ...
    def ledger_lines(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]: ...


@contextmanager
def as_documented(venue: str, what: str) -> Iterator[None]:
    """Turn an answer that does not have its documented shape into BadData naming where.

    Only around the reading of an answer: a submit whose answer is odd is not BadData but unknown.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise BadData(
            f"{venue} answered {what} in an undocumented shape: {type(error).__name__} {error}", venue=venue, what=what
        ) from error

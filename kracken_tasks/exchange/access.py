"""What may be done at a venue: read its market, read an account, send orders, each apart, because a profile grants them apart.

In: whoever grants.  Out: one value per venue.  Never: ccxt; what is granted is named by protocols.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kracken_tasks.domain.market import Balance, Fees, Instrument, OrderBook, Quote
from kracken_tasks.domain.trading import Fill, OrderRequest, VenueOrder
from kracken_tasks.exchange.market_data import MarketData

__all__ = ["Account", "Market", "OrderDesk", "TellsFees", "VenueAccess"]


class Market(MarketData, Protocol):
    """The public half of a venue, for whoever looks at prices."""

    def instruments(self, *, refresh: bool = False) -> Mapping[str, Instrument]: ...
    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]: ...
    def order_book(self, symbol: str, depth: int = 10) -> OrderBook: ...
    def close(self) -> None: ...


class TellsFees(Protocol):
    """Who knows what the account pays by its own volume."""

    def fees(self, symbols: Iterable[str]) -> dict[str, Fees]: ...


class Account(Protocol):
    """An account, to be read."""

    def balances(self) -> dict[str, Balance]: ...
    def open_orders(self) -> list[VenueOrder]: ...
    def closed_orders(self, start: datetime) -> list[VenueOrder]: ...
    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]: ...
    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]: ...


class OrderDesk(Account, Protocol):
    """An account, to be traded on."""

    def now(self) -> datetime: ...
    def submit(self, request: OrderRequest) -> str: ...
    def cancel(self, order_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class VenueAccess:
    """What may be done at one venue.

    ``account`` None: there is no key.  ``orders`` None: none may be sent, and ``why_no_orders`` says why.  ``symbols``: those named in the
    settings, empty for all.  ``enabled`` False: reachable by name, but not among "all venues".  ``own_fees`` None: only the venue's list of
    fees is known, not the account's tier.
    """

    market: Market
    account: Account | None
    orders: OrderDesk | None
    why_no_orders: str
    symbols: tuple[str, ...] = ()
    enabled: bool = True
    own_fees: TellsFees | None = None

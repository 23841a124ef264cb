"""The broker protocol: everything execution asks of a venue's private half.

In: requests and ids.  Out: domain values in exact amounts.  Never: retries, decisions, the ledger.

The ccxt adapter over a real venue or the sandbox and the paper broker both satisfy it and pass one set of contract tests.  Errors say
what to do: a listing that fails raises ``RetryLater``; ``submit`` raises ``TradeRefused`` (the order surely does not exist),
``RetryLater`` (it surely did not arrive) or ``StateUnknown`` (nobody can tell: reconcile by client order id).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from kracken_tasks.domain.market import Balance, Instrument, Quote
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderRequest, VenueOrder

__all__ = ["Broker", "has_conditional_close", "native_kinds"]


class Broker(Protocol):
    """One account on one venue.  All times are market time (the venue's clock), aware UTC."""

    @property
    def exchange(self) -> str: ...

    def now(self) -> datetime:
        """The venue's clock."""
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """What can be traded, by symbol; loaded once per process."""
        ...

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """Best bid and ask of every symbol asked, in one call."""
        ...

    def balances(self) -> dict[str, Balance]:
        """Totals and holds by asset."""
        ...

    def submit(self, request: OrderRequest) -> str:
        """Send an order and return the venue's order id.  See the module docstring for the three errors."""
        ...

    def cancel(self, order_id: str) -> None:
        """Cancel an order; one that is unknown or already closed is not an error.

        No venue takes a deadline with it: a cancel that was held up does its work when it arrives.
        """
        ...

    def amend(
        self,
        order_id: str,
        *,
        amount: Decimal | None = None,
        trigger_price: Decimal | None = None,
        limit_price: Decimal | None = None,
        deadline: datetime | None = None,
    ) -> None:
        """Change a resting order in place: it keeps its id and never leaves the book.

        ``amount`` is the order's whole amount, what has filled included.  ``deadline``: market time after which the venue must leave the
        order as it is.  Raises: TradeRefused if the order is gone, the deadline has passed or the change is not allowed; StateUnknown if
        nobody can tell.
        """
        ...

    def open_orders(self) -> list[VenueOrder]: ...

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        """Orders that closed, were canceled or expired at or after ``start``; every page, newest first."""
        ...

    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        """The named orders, whatever their state; unknown ids are absent."""
        ...

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        """Executions at or after ``start``; every page.  Cost and fee are exact: what moved the balances, to the last digit.

        One whose cost and fee the venue has not settled yet is not told yet, as if it were listed late.  ``known``: trade ids that are
        booked; they may be left out, or come with rounded cost and fee, so that a quiet look costs little.
        """
        ...

    def orders_with_fills(
        self, order_ids: Iterable[str], known: Container[str] = ()
    ) -> tuple[dict[str, VenueOrder], list[Fill]]:
        """The named orders and their executions, as one look sees them; ``known`` as for ``fills``."""
        ...

    def cash_movements(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        """Lines of the venue's own ledger at or after ``start`` (trades among them are told apart by ``kind``).

        ``each_page`` is called after every page of a longer answer: years of lines take a venue's budget longer than a lease lasts.
        """
        ...


def has_conditional_close(broker: Broker) -> bool:
    """Whether the venue can place a stop by itself the moment an entry fills (``supports_conditional_close``; absent means no)."""
    return bool(getattr(broker, "supports_conditional_close", False))


def native_kinds(broker: Broker) -> frozenset[OrderKind]:
    """The kinds of orders that rest and trigger at the venue itself (``native_kinds``; absent means all but trailing stops)."""
    found: frozenset[OrderKind] | None = getattr(broker, "native_kinds", None)
    trailing = {OrderKind.TRAILING_STOP, OrderKind.TRAILING_STOP_LIMIT}
    return frozenset(OrderKind) - trailing if found is None else found

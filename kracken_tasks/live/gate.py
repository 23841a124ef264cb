"""The gate before a real venue: a broker that buys nothing while the account is not armed.

In: the real broker, and who says whether it is armed.  Out: the same broker.  Never: a sale, a stop, a cancel, or an amend
of one of them held back: they only make risk smaller.

It is the last of several checks and the one that nothing passes by: whatever sends orders of a live profile sends them through here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.market import Balance, Instrument, Quote
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderRequest, Side, VenueOrder
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.broker import Broker, has_conditional_close, native_kinds

__all__ = ["ArmedBroker"]


class ArmedBroker:
    """See the module docstring; obeys ``Broker``.  ``why_not``: asked at market time before every purchase, empty where it may go."""

    def __init__(self, inner: Broker, why_not: Callable[[datetime], str]) -> None:
        self._inner = inner
        self._why_not = why_not
        self._sides: dict[str, Side] = {}
        self.supports_conditional_close = has_conditional_close(inner)
        self.native_kinds: frozenset[OrderKind] = native_kinds(inner)

    @property
    def exchange(self) -> str:
        return self._inner.exchange

    def submit(self, request: OrderRequest) -> str:
        """As the inner one.  Raises: TradeRefused for a purchase while the account is not armed; nothing has been sent."""
        if request.side is Side.BUY:
            why = self._why_not(self._inner.now())
            if why:
                raise TradeRefused(f"nothing is bought: {why}", symbol=request.symbol)
        return self._inner.submit(request)

    def cancel(self, order_id: str) -> None:
        self._inner.cancel(order_id)

    def amend(
        self,
        order_id: str,
        *,
        amount: Decimal | None = None,
        trigger_price: Decimal | None = None,
        limit_price: Decimal | None = None,
        deadline: datetime | None = None,
    ) -> None:
        """As the inner one.  Raises: TradeRefused for a purchase that would be made larger or dearer while the account is not armed."""
        why = self._why_not(self._inner.now()) if self._buys(order_id) else ""
        if why:
            raise TradeRefused(f"no purchase is changed: {why}", order_id=order_id)
        self._inner.amend(
            order_id, amount=amount, trigger_price=trigger_price, limit_price=limit_price, deadline=deadline
        )

    def _buys(self, order_id: str) -> bool:
        if order_id not in self._sides:  # a stop that is moved a hundred times is asked for once
            found = self._inner.orders([order_id]).get(order_id)
            if found is None:
                return False  # the venue says what becomes of an order that is not there
            self._sides[order_id] = found.side
        return self._sides[order_id] is Side.BUY

    def now(self) -> datetime:
        return self._inner.now()

    def instruments(self) -> Mapping[str, Instrument]:
        return self._inner.instruments()

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        return self._inner.quotes(symbols)

    def balances(self) -> dict[str, Balance]:
        return self._inner.balances()

    def open_orders(self) -> list[VenueOrder]:
        return self._inner.open_orders()

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        return self._inner.closed_orders(start)

    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        return self._inner.orders(order_ids)

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        return self._inner.fills(start, known)

    def orders_with_fills(
        self, order_ids: Iterable[str], known: Container[str] = ()
    ) -> tuple[dict[str, VenueOrder], list[Fill]]:
        return self._inner.orders_with_fills(order_ids, known)

    def cash_movements(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        return self._inner.cash_movements(start, each_page)

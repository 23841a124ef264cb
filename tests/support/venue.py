"""A scripted venue: an account in memory that obeys ``Broker`` and misbehaves on request.

In: a hand-moved market and a list of faults.  Out: what a venue would answer, or fail to.  Never: randomness, real time.

Faults of ``submit``, taken in order from ``submit_faults`` ("" is none):

    lost_before      StateUnknown, and the order never existed
    lost_after       StateUnknown, and the order exists
    late             StateUnknown, and the order arrives ``arrival_delay`` later, if its deadline allows
    no_connection    RetryLater, surely not arrived
    refused          TradeRefused
    frozen           the process sleeps ``freeze`` before the request leaves; ``amend_faults`` know it, too
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.market import Balance, Instrument, Quote
from kracken_tasks.domain.trading import CashMovement, Fill, OrderRequest, VenueOrder
from kracken_tasks.errors import RetryLater, StateUnknown, TradeRefused
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_matching import FillRules, PaperBook
from kracken_tasks.execution.paper_tape import PaperTrade
from tests.support.market_data import HandMovedMarket


class ScriptedVenue:
    """See the module docstring.  ``inner`` is the account itself: what it says is the truth."""

    def __init__(
        self, market: HandMovedMarket, *, cash: str = "10000", conditional_close: bool = True, by_trades: bool = False
    ) -> None:
        """``by_trades``: what rests is filled by ``trades`` alone, which the test adds to, and not by quotes."""
        self.market = market
        self.books: dict[str, PaperBook] = {}
        self.trades: dict[str, list[PaperTrade]] = {}
        self.inner = PaperBroker(
            exchange="kraken",
            clock=market.now,
            instruments=market.instruments,
            quotes=market.quotes,
            deposit={"USD": Decimal(cash)},
            rules=FillRules(latency=timedelta(0)),
            book=self.books.get,
            trades=self._traded if by_trades else None,
            work_every=timedelta(0),
        )
        self.supports_conditional_close = conditional_close
        self.exchange = "kraken"
        self.submit_faults: list[str] = []
        self.cancel_faults: list[str] = []
        self.amend_faults: list[str] = []
        self.movements_a_page = 50
        self.between_pages: Callable[[], None] = lambda: None  # what happens in the world while a page is waited for
        self.read_faults = 0
        self.listing_lag = timedelta(0)
        self.fill_lag = timedelta(0)
        self.repeat_fills = False
        self.arrival_delay = timedelta(seconds=3)
        self.freeze = timedelta(minutes=10)
        self.submitted: list[OrderRequest] = []
        self.calls: list[str] = []
        self._on_the_way: list[tuple[datetime, OrderRequest]] = []

    # -- reading -------------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.market.now()

    def instruments(self) -> dict[str, Instrument]:
        return dict(self.inner.instruments())

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        self._read("quotes")
        return self.inner.quotes(symbols)

    def balances(self) -> dict[str, Balance]:
        self._read("balances")
        return self.inner.balances()

    def open_orders(self) -> list[VenueOrder]:
        self._read("open_orders")
        return [order for order in self.inner.open_orders() if self._listed(order)]

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        self._read("closed_orders")
        return [order for order in self.inner.closed_orders(start) if self._listed(order)]

    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        self._read("orders")
        return self.inner.orders(order_ids)

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        self._read("fills")
        return self._shown(self.inner.fills(start))

    def orders_with_fills(
        self, order_ids: Iterable[str], known: Container[str] = ()
    ) -> tuple[dict[str, VenueOrder], list[Fill]]:
        self._read("orders_with_fills")
        orders, fills = self.inner.orders_with_fills(order_ids, known)
        return orders, self._shown(fills)

    def cash_movements(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        self._read("cash_movements")
        lines = self.inner.cash_movements(start)
        for _ in range(0, len(lines), self.movements_a_page):
            self.between_pages()
            if each_page is not None:
                each_page()
        return lines

    # -- changing ------------------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> str:
        self.calls.append("submit")
        fault = self.submit_faults.pop(0) if self.submit_faults else ""
        if fault == "frozen":
            self.market.at += self.freeze
        if fault == "no_connection":
            raise RetryLater("connection refused")
        if fault == "refused":
            raise TradeRefused("EOrder:Insufficient funds")
        if fault == "late":
            self._on_the_way.append((self.now() + self.arrival_delay, request))
        if fault in ("lost_before", "late"):
            raise StateUnknown("time-out while submitting")
        self.submitted.append(request)
        order_id = self.inner.submit(request)
        if fault == "lost_after":
            raise StateUnknown("time-out while submitting")
        return order_id

    def cancel(self, order_id: str) -> None:
        self.calls.append("cancel")
        _raise(self.cancel_faults)
        self.inner.cancel(order_id)

    def amend(
        self,
        order_id: str,
        *,
        amount: Decimal | None = None,
        trigger_price: Decimal | None = None,
        limit_price: Decimal | None = None,
        deadline: datetime | None = None,
    ) -> None:
        self.calls.append("amend")
        if self.amend_faults[:1] == ["frozen"]:
            self.market.at += self.freeze
        _raise(self.amend_faults)
        self.inner.amend(
            order_id, amount=amount, trigger_price=trigger_price, limit_price=limit_price, deadline=deadline
        )

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _read(self, name: str) -> None:
        self.calls.append(name)
        self._deliver()
        if self.read_faults > 0:
            self.read_faults -= 1
            raise RetryLater(f"time-out while reading {name}")

    def _traded(self, symbol: str, after: datetime, until: datetime) -> list[PaperTrade]:
        return [trade for trade in self.trades.get(symbol, []) if after < trade.ts <= until]

    def _deliver(self) -> None:
        for moment, request in list(self._on_the_way):
            if self.now() < moment:
                continue
            self._on_the_way.remove((moment, request))
            if request.deadline is None or moment <= request.deadline:
                self.submitted.append(request)
                self.inner.submit(_without_deadline(request))

    def _listed(self, order: VenueOrder) -> bool:
        return order.opened_at <= self.now() - self.listing_lag

    def _shown(self, fills: list[Fill]) -> list[Fill]:
        shown = [fill for fill in fills if fill.ts <= self.now() - self.fill_lag]
        return shown + shown if self.repeat_fills else shown


def _raise(faults: list[str]) -> None:
    fault = faults.pop(0) if faults else ""
    if fault == "timeout":
        raise StateUnknown("time-out")
    if fault == "no_connection":
        raise RetryLater("connection refused")
    if fault == "refused":
        raise TradeRefused("EOrder:Unknown order")


def _without_deadline(request: OrderRequest) -> OrderRequest:

    return replace(request, deadline=None)  # checked already, for the moment it arrived

"""A bench for advanced orders: a scripted venue, a real ledger, and the checks every test of them ends with.

In: a folder.  Out: ``AdvancedOrders`` on the bench's account, as often as a process may be started anew.  Never: the network, real time.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import OrderStatus, Side, VenueOrder
from kracken_tasks.execution.advanced import AdvancedOrders, Bracket
from kracken_tasks.execution.paper_tape import PaperTrade
from kracken_tasks.ledger import Ledger
from tests.support.bench import Bench
from tests.support.market_data import BTC

__all__ = ["AdvancedBench"]


class AdvancedBench(Bench):
    """A ``Bench`` that also opens ``AdvancedOrders``."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, symbols=(BTC,), **options)
        self.tick()  # the book opens with what the account holds
        self.orders = self.opened()

    def opened(self, broker: Any = None, ledger: Ledger | None = None, **more: Any) -> AdvancedOrders:
        """As a process opens it; ``broker`` and ``ledger`` may be ones that die."""
        return AdvancedOrders(broker or self.venue, ledger or self.ledger, wall=self.wall, holder="the bench", **more)

    def bought(self, amount: str = "0.1", key: str = "first", wait: float = 10, **terms: Any) -> Bracket:
        """A bracket around the market at 50,000, bought at once; then time passes, so that what came with it is listed for sure."""
        terms = {"stop_price": "49000", "take_profit_price": "52000"} | terms
        bracket = self.orders.bracket(BTC, amount, key=key, **terms)
        self.pass_time(wait)
        return bracket

    def traded(self, price: str, amount: str, seconds: float = 1) -> None:
        """Somebody trades: what rests at or beyond ``price`` gets its part (with ``by_trades``)."""
        self.pass_time(seconds)
        self.venue.trades.setdefault(BTC, []).append(PaperTrade(self.market.now(), Decimal(price), Decimal(amount)))

    def moved(self, price: float, seconds: float = 60) -> None:
        self.pass_time(seconds)
        self.market.prices[BTC] = price

    def resting(self) -> tuple[VenueOrder, ...]:
        return tuple(order for order in self.venue.inner.open_orders() if order.side is Side.SELL)

    def entries_open(self) -> tuple[VenueOrder, ...]:
        return tuple(order for order in self.venue.inner.open_orders() if order.side is Side.BUY)

    @property
    def held(self) -> Decimal:
        position = self.ledger.positions().get(BTC)
        return Decimal(0) if position is None else position.amount

    def require_never_sold_twice(self) -> None:
        """Whatever happened: what the account sold is at most what it bought, and what rests at most what it holds."""
        inner = self.venue.inner
        fills = inner.fills(utc(2000, 1, 1))
        bought = sum((fill.amount for fill in fills if fill.side is Side.BUY), Decimal(0))
        sold = sum((fill.amount for fill in fills if fill.side is Side.SELL), Decimal(0))
        resting = sum((order.remaining for order in self.resting()), Decimal(0))
        assert sold <= bought, f"{sold} sold of {bought} bought"
        assert resting <= bought - sold, f"{resting} rest to be sold of {bought - sold} held"

    def require_one_order_per_intent(self) -> None:
        told = [*self.venue.inner.open_orders(), *self.venue.inner.closed_orders(utc(2000, 1, 1))]
        ids = [order.client_order_id for order in told if order.client_order_id]
        assert len(ids) == len(set(ids)), "an intent became two orders"

    def require_kept(self) -> None:
        """After a quiet look: ledger = venue, each position lies under exits of exactly its size, nothing else rests."""
        self.require_books_agree()
        self.require_never_sold_twice()
        self.require_one_order_per_intent()
        resting = sum((order.remaining for order in self.resting()), Decimal(0))
        assert resting == self.held, f"{resting} rest for {self.held} held"
        assert all(order.status is OrderStatus.OPEN for order in self.resting())

"""A hand on a venue without HTTP: place, cancel, let time pass, look.  For exact tests of the matching engine.

In: a market, text amounts.  Out: orders and balances as the venue holds them.  Never: a judgement.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from kracken_tasks.domain.clock import to_ns
from kracken_tasks.sandbox.amounts import scaled
from kracken_tasks.sandbox.assets import asset_from_code
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments
from kracken_tasks.sandbox.dialects.kraken.context import Call
from kracken_tasks.sandbox.dialects.kraken.order_request import order_spec
from kracken_tasks.sandbox.engine.orders import Fill, LedgerRow, Order
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.store import Window
from kracken_tasks.sandbox.venue import Venue
from tests.support.sandbox import sandbox_config
from tests.support.scripted_market import START

__all__ = ["Trader"]

_ALL = 10**6
ACCOUNT = "demo"


class Trader:
    """One account on one venue in memory (or in a file)."""

    def __init__(self, market: Market, path: Path | None = None, **changed: Any) -> None:
        changed = {"opening_balances": {"USD": "10000", "BTC": "10"}, **changed}
        self.config: SandboxConfig = sandbox_config(state_path=path, **changed)
        self.venue = Venue(market, self.config)

    def place(self, side: str, kind: str, volume: str, price: str | None = None, **more: str) -> Order:
        """As AddOrder's arguments spell it; ``close_ordertype`` stands for ``close[ordertype]``."""
        more.setdefault("pair", "XBTUSD")
        values: dict[str, Any] = {"type": side, "ordertype": kind, "volume": volume, "price": price}
        for name, value in more.items():
            values[f"close[{name.removeprefix('close_')}]" if name.startswith("close_") else name] = value
        with self.venue.request() as now_ns:
            call = Call(self.venue, now_ns, Arguments(values), ACCOUNT)
            listing = call.listing(values["pair"])
            return self.venue.desk.place(ACCOUNT, order_spec(call, listing), now_ns)

    def cancel(self, order: Order) -> None:
        with self.venue.request() as now_ns:
            self.venue.desk.cancel(self.venue.desk.live_order(ACCOUNT, order.txid), now_ns)

    def wait_until(self, seconds: float) -> None:
        """Let market time pass, to so many seconds after the script's start."""
        self.venue.move_to(to_ns(START) + round(seconds * 1_000_000_000))

    def look(self, order: Order) -> Order:
        found = self.venue.state.orders.get(order.txid) or self.venue.store.order(order.txid)
        assert found is not None
        return found

    def live(self) -> list[Order]:
        return sorted(self.venue.state.orders.values(), key=lambda order: order.no)

    def closed(self) -> list[Order]:
        page = self.venue.store.closed_orders(ACCOUNT, Window(), _ALL, listed_by_ns=2**62)
        return sorted(page.rows, key=lambda order: order.no)

    def fills(self) -> list[Fill]:
        return self.venue.store.fills(ACCOUNT, Window(), _ALL).rows[::-1]

    def ledger(self) -> list[LedgerRow]:
        return self.venue.store.ledger(ACCOUNT, Window(), _ALL).rows[::-1]

    def total(self, code: str) -> Decimal:
        asset = asset_from_code(code)
        return Decimal(self.venue.state.balances.get((ACCOUNT, asset.key), 0)).scaleb(-asset.decimals)

    def free(self, code: str) -> Decimal:
        asset = asset_from_code(code)
        return Decimal(self.venue.engine.booking.free(ACCOUNT, asset.key)).scaleb(-asset.decimals)

    def deposit(self, code: str, amount: str) -> None:
        asset = asset_from_code(code)
        with self.venue.request() as now_ns:
            self.venue.engine.booking.deposit(ACCOUNT, asset.key, scaled(amount, asset.decimals), now_ns)

    def snapshot(self) -> dict[str, Any]:
        """Everything that must be the same however time was cut."""
        return {
            "live": self.live(),
            "closed": self.closed(),
            "fills": self.fills(),
            "ledger": self.ledger(),
            "balances": dict(self.venue.state.balances),
        }

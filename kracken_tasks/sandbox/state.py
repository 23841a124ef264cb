"""The venue's memory between requests: balances, live orders, counters, settings, and what changed since the last write.

In: changes, through the methods here.  Out: the state as it stands, and the list of changes for the store.
Never: decisions, I/O.  This is the sandbox's one mutable heart; everything it holds is a frozen value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from kracken_tasks.sandbox import ids
from kracken_tasks.sandbox.clock import VenueClock
from kracken_tasks.sandbox.engine.matching import TakenLiquidity
from kracken_tasks.sandbox.engine.orders import Fill, LedgerRow, Order
from kracken_tasks.sandbox.limits import Level

__all__ = ["Changes", "Happening", "Settings", "State"]

Happening = Order | Fill | LedgerRow


@dataclass(frozen=True, slots=True)
class Settings:
    """What the control endpoint may change while the venue runs.  ``pair_status`` overrides the market's own, by symbol."""

    tier: str = "pro"
    listing_lag_ms: int = 0
    clock_skew_ms: int = 0
    fill_share_percent: int = 50
    system_status: str = "online"
    public_calls_per_second: int = 0
    pair_status: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(**body)


@dataclass(slots=True)
class Changes:
    """What the next write must carry.  ``must_write`` stays False for what can be worked out again (a trail's peak)."""

    must_write: bool = False
    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    rows: list[LedgerRow] = field(default_factory=list)
    balances: set[tuple[str, str]] = field(default_factory=set)
    counters: set[str] = field(default_factory=set)
    nonces: set[str] = field(default_factory=set)


@dataclass(slots=True)
class State:
    """See the module docstring.  ``processed_ns`` is the moment up to which the market was worked through."""

    seed: str
    clock: VenueClock
    settings: Settings
    processed_ns: int
    numbers: dict[str, int] = field(default_factory=dict)
    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    taken: dict[str, TakenLiquidity] = field(default_factory=dict)
    counters: dict[str, Level] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)
    switches: dict[str, int] = field(default_factory=dict)
    volumes: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    happened: list[Happening] = field(default_factory=list)  # since the last commit, in order; nothing of it is written

    def next_number(self, kind: str) -> int:
        self.changes.must_write = True
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return self.numbers[kind]

    def put_order(self, order: Order) -> Order:
        self.changes.must_write = True
        self._put(order)
        self.happened.append(order)
        return order

    def put_trail(self, order: Order) -> None:
        """Note a moved trailing stop: written with the next change, worked out again if there is none."""
        self._put(order)

    def _put(self, order: Order) -> None:
        self.changes.orders[order.txid] = order
        if order.status.is_live:
            self.orders[order.txid] = order
        else:
            self.orders.pop(order.txid, None)

    def orders_on(self, symbol: str) -> list[Order]:
        return [order for order in self.orders.values() if order.symbol == symbol]

    def orders_of(self, account: str) -> Iterator[Order]:
        return (order for order in self.orders.values() if order.account == account)

    def add_fill(self, fill: Fill) -> None:
        self.changes.must_write = True
        self.changes.fills.append(fill)
        self.happened.append(fill)
        self.volumes.setdefault(fill.account, deque()).append((fill.ts_ns, fill.volume_usd))

    def book(self, account: str, asset: str, amount: int, fee: int, refid: str, kind: str, ts_ns: int) -> LedgerRow:
        """Move money: one ledger row, one balance."""
        self.changes.must_write = True
        number = self.next_number("ledger")
        balance = self.balances.get((account, asset), 0) + amount - fee
        self.balances[account, asset] = balance
        self.changes.balances.add((account, asset))
        row = LedgerRow(
            ids.ledger_id(self.seed, number), number, account, refid, ts_ns, kind, asset, amount, fee, balance
        )
        self.changes.rows.append(row)
        self.happened.append(row)
        return row

    def set_counter(self, scope: str, level: Level) -> None:
        self.changes.must_write = True
        self.counters[scope] = level
        self.changes.counters.add(scope)

    def set_nonce(self, key: str, nonce: int) -> None:
        self.changes.must_write = True
        self.nonces[key] = nonce
        self.changes.nonces.add(key)

    def set_switch(self, account: str, at_ns: int) -> None:
        """Arm the dead man's switch for a moment; 0 disarms it."""
        self.changes.must_write = True
        self.switches.pop(account, None)
        if at_ns:
            self.switches[account] = at_ns

    def set_clock(self, clock: VenueClock) -> None:
        self.changes.must_write = True
        self.clock = clock

    def change_settings(self, **changed: Any) -> None:
        self.changes.must_write = True
        self.settings = replace(self.settings, **changed)

"""Entries: the frozen records the ledger is made of, one type per kind of fact.

In: facts at market time.  Out: values whose fields are the columns of the table of the same kind, field by field.
Never: wall time, process ids, random ids.  ``seq`` is the running number over all kinds (0: not written yet); ``source`` says what kind of
work wrote the entry, ``cause`` which one: the tick's id, the person's name, the check's day.  The ledger fills in all three.

Business keys (writing the same fact twice leaves one entry):

    decision   tick_id, symbol, strategy          intent     client_order_id (= hash of the intent key)
    outcome    client_order_id, result            order      order_id, fingerprint, ts; nothing when nothing changed
    fill       trade_id                           cash       movement_id
    balance    ts, agrees                         equity     ts, tick_id
    state      ts, state, reason; only a change   plan       position_id, ts, plan; only a change
    tick       tick_id                            alert      dedup_key
    delivery   alert_seq, channel                 note       topic, key
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

from kracken_tasks.domain.trading import (
    CashMovement,
    Decision,
    Fill,
    IntentKey,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Purpose,
    Side,
    TradingState,
    VenueOrder,
)
from kracken_tasks.ledger.words import (
    AlertDraft,
    AlertKind,
    AlertLevel,
    BalanceLine,
    Booking,
    EntryKind,
    IntentResult,
    Plan,
    Source,
)

__all__ = [
    "AlertDraft",
    "AlertEntry",
    "AlertKind",
    "AlertLevel",
    "BalanceEntry",
    "BalanceLine",
    "Booking",
    "CashEntry",
    "DecisionEntry",
    "DeliveryEntry",
    "Entry",
    "EntryKind",
    "EquityEntry",
    "FillEntry",
    "IntentEntry",
    "IntentResult",
    "NoteEntry",
    "OrderEntry",
    "OutcomeEntry",
    "Plan",
    "PlanEntry",
    "Source",
    "StateEntry",
    "TickEntry",
    "Written",
]


@dataclass(frozen=True, slots=True)
class DecisionEntry:
    """``facts``: what sizing and guards were given beside the candles, as canonical JSON; empty where nothing was sized."""

    ts: datetime
    tick_id: str
    symbol: str
    strategy: str
    decision: Decision
    facts: str = ""
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class IntentEntry:
    """An order that was decided and may be sent.  ``lease_token`` is the fencing token it was written under (0: none)."""

    ts: datetime
    client_order_id: str
    account: str
    tick_id: str
    symbol: str
    purpose: Purpose
    leg: int
    attempt: int
    request: OrderRequest
    plan: Plan | None = None
    position_id: str | None = None
    reason: str = ""
    lease_token: int = 0
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""

    @property
    def key(self) -> IntentKey:
        return IntentKey(self.account, self.tick_id, self.symbol, self.purpose, self.leg, self.attempt)


@dataclass(frozen=True, slots=True)
class OutcomeEntry:
    ts: datetime
    client_order_id: str
    result: IntentResult
    order_id: str | None = None
    reason: str = ""
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """An order as the venue showed it at ``ts``; a row is written only when something changed."""

    ts: datetime
    order_id: str
    client_order_id: str | None
    parent_id: str | None
    symbol: str
    side: Side
    kind: OrderKind
    status: OrderStatus
    amount: Decimal
    filled: Decimal
    average_price: Decimal | None
    limit_price: Decimal | None
    trigger_price: Decimal | None
    opened_at: datetime
    closed_at: datetime | None
    fingerprint: str = ""  # what may change in an order's life, in one text
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""

    @property
    def order(self) -> VenueOrder:
        return VenueOrder(
            self.order_id, self.client_order_id, self.parent_id, self.symbol, self.side, self.kind, self.status, self.amount,
            self.filled, self.average_price, self.limit_price, self.trigger_price, self.opened_at, self.closed_at,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FillEntry:
    """A fill with its place in the book.

    ``position_id`` None: a sale of coins no position holds.  ``opens``/``closes``: this fill began or ended the position, decided when
    booked with the lot step of that moment, so that a later change of the step never moves a position's end.
    """

    ts: datetime
    trade_id: str
    order_id: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: str
    purpose: Purpose
    client_order_id: str | None
    reason: str
    position_id: str | None
    opens: bool
    closes: bool
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""

    @property
    def fill(self) -> Fill:
        return Fill(
            self.trade_id, self.order_id, self.symbol, self.side, self.amount, self.price, self.cost, self.fee, self.fee_currency, self.ts,
            self.liquidity,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CashEntry:
    """A line of the venue's own ledger.  Kind ``trade`` is kept as evidence; fills, not those lines, move the folded balance."""

    ts: datetime
    movement_id: str
    reference_id: str
    kind: str
    asset: str
    amount: Decimal
    fee: Decimal
    balance_after: Decimal | None = None
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""

    @property
    def movement(self) -> CashMovement:
        return CashMovement(
            self.movement_id,
            self.reference_id,
            self.kind,
            self.asset,
            self.amount,
            self.fee,
            self.ts,
            self.balance_after,
        )


@dataclass(frozen=True, slots=True)
class BalanceEntry:
    """The venue's statement beside the fold, asset by asset."""

    ts: datetime
    lines: tuple[BalanceLine, ...]
    agrees: bool
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class EquityEntry:
    """Mark to market in quote currency.  ``unit_value`` = equity / units; deposits change ``units``, never ``unit_value``.

    ``peak`` is the highest unit value so far; ``drawdown`` = 1 - unit_value / peak.
    """

    ts: datetime
    equity: Decimal
    cash: Decimal
    units: Decimal
    unit_value: Decimal
    peak: Decimal
    drawdown: Decimal
    currency: str = "USD"
    tick_id: str = ""
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class StateEntry:
    ts: datetime
    state: TradingState
    reason: str
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A position's plan from ``ts`` on; the newest one counts."""

    ts: datetime
    position_id: str
    symbol: str
    plan: Plan
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class TickEntry:
    """The end of a tick: ``result`` in a word, ``detail`` as named facts (text)."""

    ts: datetime
    tick_id: str
    slot: datetime
    result: str
    detail: Mapping[str, str] = field(default_factory=dict)
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class AlertEntry:
    ts: datetime
    kind: AlertKind
    level: AlertLevel
    dedup_key: str
    payload: Mapping[str, str]
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""

    @property
    def visible_id(self) -> str:
        """What the reader sees, so that a message delivered twice is recognised."""
        return f"A{self.seq:06d}"


@dataclass(frozen=True, slots=True)
class DeliveryEntry:
    """An alert left the outbox through ``channel``: ``sent``, or ``rejected`` when the channel will never take it."""

    ts: datetime
    alert_seq: int
    channel: str
    result: str
    reason: str = ""
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


@dataclass(frozen=True, slots=True)
class NoteEntry:
    """A room's own fact, kept in order with everything else: ``topic`` names whose, ``key`` which; ``payload`` is text by name."""

    ts: datetime
    topic: str
    key: str
    payload: Mapping[str, str] = field(default_factory=dict)
    seq: int = 0
    source: Source = Source.UNTOLD
    cause: str = ""


Entry = (
    DecisionEntry
    | IntentEntry
    | OutcomeEntry
    | OrderEntry
    | FillEntry
    | CashEntry
    | BalanceEntry
    | EquityEntry
    | StateEntry
    | PlanEntry
    | TickEntry
    | AlertEntry
    | DeliveryEntry
    | NoteEntry
)

E_co = TypeVar("E_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Written(Generic[E_co]):
    """What the ledger holds after a write; ``new`` is False when the same fact stood there already."""

    entry: E_co
    new: bool

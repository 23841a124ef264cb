"""Words for a decision and what becomes of it: signals, orders, fills, positions, receipts.

Values are frozen and carry their reasons.  Floats stop at sizing: everything from ``OrderRequest`` on is Decimal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

__all__ = [
    "Action",
    "CashMovement",
    "ConditionalClose",
    "Decision",
    "Fill",
    "GuardOutcome",
    "IntentKey",
    "Opinion",
    "OrderKind",
    "OrderRequest",
    "OrderStatus",
    "Position",
    "Purpose",
    "Side",
    "SizeCut",
    "SizeReceipt",
    "TradingState",
    "VenueOrder",
]


class Action(StrEnum):
    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Purpose(StrEnum):
    """Why an order exists."""

    ENTRY = "entry"
    STOP = "stop"
    TAKE_PROFIT = "take_profit"
    EXIT = "exit"
    FLATTEN = "flatten"


class OrderKind(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP_LOSS = "stop-loss"
    STOP_LOSS_LIMIT = "stop-loss-limit"
    TAKE_PROFIT = "take-profit"
    TAKE_PROFIT_LIMIT = "take-profit-limit"
    TRAILING_STOP = "trailing-stop"
    TRAILING_STOP_LIMIT = "trailing-stop-limit"


class OrderStatus(StrEnum):
    """Where an order stands on the venue."""

    OPEN = "open"
    CLOSED = "closed"  # nothing left to fill
    CANCELED = "canceled"  # possibly after partial fills
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def resting(self) -> bool:
        return self is OrderStatus.OPEN


class TradingState(StrEnum):
    """What the account may do; lives in the ledger and nowhere else."""

    NORMAL = "normal"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one signal module thinks of one symbol.

    direction in [-1, 1] (its sign is the side), confidence in [0, 1].  ``direction`` None: no opinion (stale, too little data,
    not champion); ``reason`` says which.  ``values`` are the figures behind it.
    """

    module: str
    direction: float | None
    confidence: float
    reason: str
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def has_opinion(self) -> bool:
        return self.direction is not None


@dataclass(frozen=True, slots=True)
class SizeCut:
    """One step of sizing: the notional before and after, in quote currency.

    ``given``: the figures this step was computed from, by name, so that ``after`` follows from ``before`` and them alone (units as in
    ``risk.sizing``); empty in receipts of the first version.
    """

    rule: str
    before: float
    after: float
    reason: str
    given: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SizeReceipt:
    """How a size came about; the size can be recomputed from it alone."""

    symbol: str
    price: float
    cuts: tuple[SizeCut, ...]
    lots: int
    amount: Decimal
    notional: Decimal


@dataclass(frozen=True, slots=True)
class GuardOutcome:
    """One named guard's answer.  A guard that blocks is a value with a reason, not an exception."""

    guard: str
    passed: bool
    reason: str

    @property
    def objection(self) -> str:
        """How a decision tells that this guard stopped it."""
        return f"blocked by {self.guard}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the tick decided for one symbol, and why, whether or not an order follows.

    ``commit_seq`` and ``bar_ts`` (open time of the newest closed candle seen) pin what was known.
    """

    symbol: str
    action: Action
    confidence: float
    strategy: str
    bar_ts: datetime | None
    commit_seq: int
    opinions: tuple[Opinion, ...]
    guards: tuple[GuardOutcome, ...]
    receipt: SizeReceipt | None
    reason: str

    @property
    def blocked_by(self) -> GuardOutcome | None:
        """The first guard that said no, if any."""
        return next((outcome for outcome in self.guards if not outcome.passed), None)

    def guarded(self, answers: Iterable[GuardOutcome]) -> Decision:
        """The same after further guards have answered; the first guard that says no becomes its reason."""
        asked = replace(self, guards=(*self.guards, *answers))
        against = asked.blocked_by
        return asked if against is None else replace(asked, reason=against.objection)


@dataclass(frozen=True, slots=True)
class IntentKey:
    """What makes an order the order it is: sent at most once, whatever is retried."""

    account: str
    tick_id: str
    symbol: str
    purpose: Purpose
    leg: int = 0
    attempt: int = 0

    def __str__(self) -> str:
        return "|".join((self.account, self.tick_id, self.symbol, self.purpose.value, str(self.leg), str(self.attempt)))

    @property
    def client_order_id(self) -> str:
        """32 hex digits, one of the forms Kraken accepts as ``cl_ord_id``."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ConditionalClose:
    """An order the venue places by itself the moment the entry fills."""

    kind: OrderKind
    trigger_price: Decimal
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as it will be sent.  ``amount`` in base units; ``deadline`` in market time: past it the venue must refuse.

    A trailing stop names its distance behind the best price: ``trail_percent`` (5 is 5 %), or in quote currency as ``trigger_price``;
    the ``limit_price`` of a trailing-stop-limit is an offset from the trigger, in quote currency.
    """

    client_order_id: str
    symbol: str
    side: Side
    kind: OrderKind
    amount: Decimal
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    time_in_force: str = "GTC"
    close: ConditionalClose | None = None
    deadline: datetime | None = None
    trail_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue tells it.

    ``parent_id``: the order whose fill made the venue place this one (a conditional close).  ``fee`` in ``fee_currency``.
    """

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
    closed_at: datetime | None = None

    @property
    def remaining(self) -> Decimal:
        return self.amount - self.filled


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution.  ``amount`` base, ``price`` quote per base, ``cost`` = price x amount without the fee."""

    trade_id: str
    order_id: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    fee_currency: str
    ts: datetime
    liquidity: str  # maker | taker


@dataclass(frozen=True, slots=True)
class CashMovement:
    """One line of the venue's own ledger.  The asset's balance changed by ``amount - fee``.

    ``kind`` is the venue's word in lower case (``deposit``, ``withdrawal``, ``trade``, ``staking``, ...); ``amount`` is signed, ``fee`` is
    never negative and is taken in ``asset``; ``reference_id`` joins the lines of one event (Kraken's ``refid``, a trade's id).
    """

    movement_id: str
    reference_id: str
    kind: str
    asset: str
    amount: Decimal
    fee: Decimal
    ts: datetime
    balance_after: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A holding as the fold over its fills.

    ``amount`` is what is really held (net of base fees); ``entry_price`` averages the entry fills; ``cost`` is all quote money paid in,
    fees included, less what partial exits have taken out in proportion.
    """

    position_id: str
    symbol: str
    amount: Decimal
    entry_price: Decimal
    cost: Decimal
    opened_at: datetime
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    confidence: float = 0.0
    strategy: str = ""
    tags: tuple[str, ...] = ()

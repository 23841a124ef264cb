"""The ledger's own words: kinds, results and levels, and the values callers hand in.

In: plain arguments.  Out: immutable values.  Never: I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from kracken_tasks.domain.trading import Fill, OrderKind, Purpose

__all__ = [
    "AlertDraft",
    "AlertKind",
    "AlertLevel",
    "BalanceLine",
    "Booking",
    "EntryKind",
    "IntentResult",
    "Plan",
    "Source",
]


class EntryKind(StrEnum):
    """The kinds of entries; also the names of their tables."""

    DECISION = "decision"
    INTENT = "intent"
    OUTCOME = "outcome"
    ORDER = "order_state"
    FILL = "fill"
    CASH = "cash"
    BALANCE = "balance"
    EQUITY = "equity"
    STATE = "trading_state"
    PLAN = "position_plan"
    TICK = "tick"
    ALERT = "alert"
    DELIVERY = "delivery"
    NOTE = "note"


class Source(StrEnum):
    """What kind of work wrote an entry; the entry's ``cause`` says which one."""

    UNTOLD = ""  # written before sources were kept
    TICK = "tick"  # cause: tick id
    RECONCILE = "reconcile"  # found on the venue by a tick's look; cause: tick id
    FLATTEN = "flatten"  # an emergency close; cause: its id
    CHECK = "check"  # the books held against the venue; cause: the check's time
    PERSON = "person"  # a command; cause: the person's name
    OUTBOX = "outbox"  # alerts on their way; cause: channel
    FEEDBACK = "feedback"  # weights learned from closed trades; cause: what taught them
    RESTORE = "restore"  # filled from a backup; cause: the file's hash


class IntentResult(StrEnum):
    """What became of sending an intent.  All but ``UNKNOWN`` end it, and only one of them may ever be written."""

    UNKNOWN = "unknown"  # the submit ended in doubt: the intent stays open until reconciled
    ACCEPTED = "accepted"  # the venue has (or had) the order: order_id says which
    REFUSED = "refused"  # the venue said no; the order does not exist
    NEVER_ARRIVED = "never_arrived"  # surely not on the venue: refused connection, or deadline and listing lag passed
    WITHDRAWN = "withdrawn"  # we decided not to send it: lease or trading state changed between commit and send

    @property
    def final(self) -> bool:
        return self is not IntentResult.UNKNOWN


class AlertLevel(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertKind(StrEnum):
    """What an alert is about.  The payload keys its sentence is made from, all values text (others are listed after it):

    trade_opened        symbol side amount price exchange position_id stop_price take_profit_price strategy receipt
    trade_closed        symbol side amount price exchange position_id net currency reason
    stopped             symbol amount price exchange position_id net currency
    blocked             symbol guard reason
    state_changed       state previous reason
    unknown_order       symbol order_id detail
    balance_difference  asset venue ledger difference
    unprotected         symbol position_id seconds
    recovered           symbol client_order_id detail
    error               summary detail context what_to_do
    info                text
    """

    TRADE_OPENED = "trade_opened"
    TRADE_CLOSED = "trade_closed"
    STOPPED = "stopped"
    BLOCKED = "blocked"
    STATE_CHANGED = "state_changed"
    UNKNOWN_ORDER = "unknown_order"
    BALANCE_DIFFERENCE = "balance_difference"
    UNPROTECTED = "unprotected"
    RECOVERED = "recovered"
    ERROR = "error"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a position is to end: goes with the entry's intent, so that it is known even if the fill is booked after a crash.

    Prices in quote; ``trail_fraction`` 0.02 trails the stop 2 % under the best price, ``trail_distance`` by an amount of quote currency;
    ``max_holding`` counts from the first fill.  ``stop_kind``: what rests at the venue for the position, where it can; ``stop_limit_price``
    the limit of the limit forms, ``trail_limit_offset`` of a trailing one (below its trigger, in quote currency).  A stop planned at or
    above the target is a target that was reached: the resting stop is raised to the market and becomes the sale.
    """

    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    max_holding: timedelta | None = None
    trail_fraction: Decimal | None = None
    confidence: float = 0.0
    strategy: str = ""
    tags: tuple[str, ...] = ()
    stop_kind: OrderKind = OrderKind.STOP_LOSS
    stop_limit_price: Decimal | None = None
    trail_distance: Decimal | None = None
    trail_limit_offset: Decimal | None = None

    @property
    def target_reached(self) -> bool:
        """Whether the stop was raised to the market because the target was reached."""
        stop, target = self.stop_price, self.take_profit_price
        return stop is not None and target is not None and stop >= target


@dataclass(frozen=True, slots=True)
class Booking:
    """A fill and why it happened.  ``client_order_id``: the intent it belongs to (of the parent order for a conditional close)."""

    fill: Fill
    purpose: Purpose
    client_order_id: str | None = None
    reason: str = ""
    position_id: str | None = None  # None: the open position of the symbol, or a new one


@dataclass(frozen=True, slots=True)
class AlertDraft:
    """An alert to be written into the outbox; the same ``dedup_key`` is written once."""

    kind: AlertKind
    dedup_key: str
    payload: Mapping[str, str] = field(default_factory=dict)
    level: AlertLevel = AlertLevel.INFO


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One asset in a balance check: ``difference`` = venue - ledger."""

    asset: str
    venue: Decimal
    ledger: Decimal

    @property
    def difference(self) -> Decimal:
        return self.venue - self.ledger

"""All folds of one book together, kept up to a ``seq`` inside the process.

In: entries in order.  Out: positions, cash, open intents, newest orders, state and marks.  Never: I/O.
"""

from __future__ import annotations

from typing import Protocol

from kracken_tasks.domain.trading import OrderStatus
from kracken_tasks.ledger.cash import CashFold
from kracken_tasks.ledger.entries import (
    Entry,
    EntryKind,
    EquityEntry,
    IntentEntry,
    OrderEntry,
    OutcomeEntry,
    StateEntry,
)
from kracken_tasks.ledger.positions import PositionFold

__all__ = ["FOLDED", "Fold", "Folds"]


class Fold(Protocol):
    """Something that is kept up entry by entry."""

    def apply(self, entry: Entry) -> None:
        """Take one entry in; entries come in order of ``seq``, each once."""
        ...


# Decisions, ticks, alerts and balance checks are read when asked for; the rest is folded.
FOLDED = frozenset(
    {
        EntryKind.INTENT,
        EntryKind.OUTCOME,
        EntryKind.ORDER,
        EntryKind.FILL,
        EntryKind.CASH,
        EntryKind.EQUITY,
        EntryKind.STATE,
        EntryKind.PLAN,
    }
)


class Folds:
    """What the book says now, after every entry up to ``seq``."""

    def __init__(self) -> None:
        self.seq = 0
        self.positions = PositionFold()
        self.cash = CashFold()
        self.open_intents: dict[str, IntentEntry] = {}
        self.orders: dict[str, OrderEntry] = {}
        self.resting: dict[str, OrderEntry] = {}
        self.state: StateEntry | None = None
        self.equity: EquityEntry | None = None
        self.of_rooms: dict[str, tuple[Fold, int]] = {}  # what other rooms fold, and up to where each has read

    def apply(self, entry: Entry) -> None:
        """Take one entry in; entries come in order of ``seq``, each once."""
        self.positions.apply(entry)
        self.cash.apply(entry)
        match entry:
            case IntentEntry():
                self.open_intents[entry.client_order_id] = entry
            case OutcomeEntry() if entry.result.final:
                self.open_intents.pop(entry.client_order_id, None)
            case OrderEntry():
                self._see(entry)
            case StateEntry():
                self.state = entry
            case EquityEntry():
                self.equity = entry
            case _:
                pass

    def _see(self, order: OrderEntry) -> None:
        self.orders[order.order_id] = order
        if order.status is OrderStatus.OPEN:
            self.resting[order.order_id] = order
        else:
            self.resting.pop(order.order_id, None)

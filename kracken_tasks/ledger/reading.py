"""Reading the ledger: folds, typed entries, the chain behind an id, the dump.

In: questions.  Out: frozen values.  Never: a write; a fold costs only the entries written since the last question.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from sqlalchemy import exists
from sqlalchemy.sql import ColumnElement

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.trading import Position, TradingState, VenueOrder
from kracken_tasks.ledger import roundtrips
from kracken_tasks.ledger.cash import balance_lines
from kracken_tasks.ledger.chain import Chain, find_chain
from kracken_tasks.ledger.codec import to_plain
from kracken_tasks.ledger.entries import (
    AlertEntry,
    BalanceEntry,
    BalanceLine,
    CashEntry,
    DecisionEntry,
    DeliveryEntry,
    Entry,
    EntryKind,
    EquityEntry,
    FillEntry,
    IntentEntry,
    IntentResult,
    NoteEntry,
    OrderEntry,
    OutcomeEntry,
    Plan,
    PlanEntry,
    StateEntry,
    TickEntry,
)
from kracken_tasks.ledger.folds import FOLDED, Fold, Folds
from kracken_tasks.ledger.roundtrips import RoundTrip
from kracken_tasks.ledger.schema import SPECS, spec_of_type
from kracken_tasks.ledger.store import Store

__all__ = ["Chain", "Reading"]

E = TypeVar("E")
F = TypeVar("F", bound=Fold)

_START = parse_utc("1970-01-01")
_NOTHING = Decimal(0)
_INITIAL = StateEntry(_START, TradingState.NORMAL, "a new ledger")


class Reading:
    """The reading half of the ledger; times are market time, ranges are [start, end)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache = Folds()
        self._cached_at = store.rollbacks

    # --- folds ---

    def positions(self) -> dict[str, Position]:
        """Open positions by symbol."""
        return self._folds().positions.positions()

    def round_trips(self) -> tuple[RoundTrip, ...]:
        """Closed positions in the order they closed."""
        return tuple(self._folds().positions.trips)

    def plan(self, position_id: str) -> Plan | None:
        return self._folds().positions.plan(position_id)

    def cash(self) -> dict[str, Decimal]:
        """Amount per asset, held and free together."""
        return dict(self._folds().cash.amounts)

    def state(self) -> StateEntry:
        """The trading state that holds now; NORMAL in a new ledger."""
        return self._folds().state or _INITIAL

    def open_intents(self) -> tuple[IntentEntry, ...]:
        """Intents that may or may not have become orders, oldest first."""
        return tuple(self._folds().open_intents.values())

    def orders(self) -> dict[str, VenueOrder]:
        """Every order seen, as last seen."""
        return {order_id: entry.order for order_id, entry in self._folds().orders.items()}

    def order(self, order_id: str) -> VenueOrder | None:
        """One order as last seen."""
        entry = self._folds().orders.get(order_id)
        return None if entry is None else entry.order

    def open_orders(self) -> dict[str, VenueOrder]:
        """Orders that were open when last seen."""
        return {order_id: entry.order for order_id, entry in self._folds().resting.items()}

    def consecutive_losses(self, since: datetime | None = None) -> int:
        """The current losing streak over closed trips; ``since``: trips closed up to then are forgotten."""
        return roundtrips.consecutive_losses(self._folds().positions.trips, since)

    def realised_since(self, moment: datetime) -> dict[str, Decimal]:
        """What exits realised from ``moment`` on, by quote currency."""
        return self._folds().positions.realised_since(moment)

    def last_equity(self) -> EquityEntry | None:
        return self._folds().equity

    def check_balances(
        self, venue: Mapping[str, Balance], *, tolerance: Mapping[str, Decimal] | None = None
    ) -> tuple[BalanceLine, ...]:
        """Assets whose venue total differs from the fold by more than ``tolerance`` (default: nothing)."""
        allowed = tolerance or {}
        lines = balance_lines(self._folds().cash.amounts, venue)
        return tuple(line for line in lines if abs(line.difference) > allowed.get(line.asset, Decimal(0)))

    def kept(self, name: str, make: Callable[[], F], kinds: frozenset[EntryKind]) -> F:
        """A fold of another room, kept in this process: it has taken in every entry of ``kinds``, and only new ones are read for it.

        One name, one fold; nobody but this method may change it.  It starts over where the ledger's own folds do.
        """
        with self._store.reading():
            kept, top = self._standing().of_rooms, self._store.top()
            fold, seq = kept.pop(name, (None, 0))  # half a feed is no state
            current = make() if fold is None else cast(F, fold)
            for entry in self._after(seq, kinds):
                current.apply(entry)
            kept[name] = (current, top)
        return current

    def _folds(self) -> Folds:
        """The cached folds, brought up to date."""
        with self._store.reading():
            top = self._store.top()
            if top > self._standing().seq:
                self._feed(top)
        return self._cache

    def _standing(self) -> Folds:
        """The cached folds as they are; rows of a transaction that was rolled back make them start over."""
        if self._cached_at != self._store.rollbacks:
            self._cache, self._cached_at = Folds(), self._store.rollbacks
        return self._cache

    def _feed(self, top: int) -> None:
        try:
            for entry in self._after(self._cache.seq, FOLDED):
                self._cache.apply(entry)
            self._cache.seq = top
        except BaseException:
            self._cache = Folds()  # half a feed is no state
            raise

    # --- entries ---

    def decisions(self, start: datetime | None = None, end: datetime | None = None) -> tuple[DecisionEntry, ...]:
        return self._between(DecisionEntry, EntryKind.DECISION, start, end)

    def decision(self, tick_id: str, symbol: str) -> DecisionEntry | None:
        """What a tick decided for a symbol; the first one, should several strategies have decided."""
        table = self._c(EntryKind.DECISION)
        return self._one(DecisionEntry, table.tick_id == tick_id, table.symbol == symbol)

    def intents(self, start: datetime | None = None, end: datetime | None = None) -> tuple[IntentEntry, ...]:
        return self._between(IntentEntry, EntryKind.INTENT, start, end)

    def outcomes(self, start: datetime | None = None, end: datetime | None = None) -> tuple[OutcomeEntry, ...]:
        return self._between(OutcomeEntry, EntryKind.OUTCOME, start, end)

    def order_history(self, order_id: str) -> tuple[OrderEntry, ...]:
        """An order's states in the order they were seen."""
        return tuple(self._store.select(OrderEntry, self._c(EntryKind.ORDER).order_id == order_id))

    def fills(self, start: datetime | None = None, end: datetime | None = None) -> tuple[FillEntry, ...]:
        return self._between(FillEntry, EntryKind.FILL, start, end)

    def fills_of(self, order_id: str) -> tuple[FillEntry, ...]:
        """Every booked fill of one order."""
        return tuple(self._store.select(FillEntry, self._c(EntryKind.FILL).order_id == order_id))

    def cash_entries(self, start: datetime | None = None, end: datetime | None = None) -> tuple[CashEntry, ...]:
        return self._between(CashEntry, EntryKind.CASH, start, end)

    def balances(self, start: datetime | None = None, end: datetime | None = None) -> tuple[BalanceEntry, ...]:
        return self._between(BalanceEntry, EntryKind.BALANCE, start, end)

    def agreed_until(self, asset: str, tolerance: Decimal = _NOTHING) -> datetime | None:
        """Time of the newest balance check in which the venue's total of ``asset`` was the fold's; None if there is none."""
        table = self._c(EntryKind.BALANCE)
        with self._store.reading():
            whole = self._store.select(BalanceEntry, table.agrees, order_by=table.seq.desc(), limit=1)
            newer = self._store.select(BalanceEntry, table.seq > whole[0].seq if whole else table.seq > 0)
        for entry in [*reversed(newer), *whole]:
            if not any(line.asset == asset and abs(line.difference) > tolerance for line in entry.lines):
                return entry.ts
        return None

    def equity(self, start: datetime | None = None, end: datetime | None = None) -> tuple[EquityEntry, ...]:
        return self._between(EquityEntry, EntryKind.EQUITY, start, end)

    def states(self, start: datetime | None = None, end: datetime | None = None) -> tuple[StateEntry, ...]:
        return self._between(StateEntry, EntryKind.STATE, start, end)

    def plans(self, position_id: str) -> tuple[PlanEntry, ...]:
        """A position's plans, oldest first."""
        return tuple(self._store.select(PlanEntry, self._c(EntryKind.PLAN).position_id == position_id))

    def ticks(self, start: datetime | None = None, end: datetime | None = None) -> tuple[TickEntry, ...]:
        return self._between(TickEntry, EntryKind.TICK, start, end)

    def alerts(self, start: datetime | None = None, end: datetime | None = None) -> tuple[AlertEntry, ...]:
        return self._between(AlertEntry, EntryKind.ALERT, start, end)

    def notes(self, topic: str) -> tuple[NoteEntry, ...]:
        """A room's own facts in the order they were written."""
        return tuple(self._store.select(NoteEntry, self._c(EntryKind.NOTE).topic == topic))

    def deliveries(self) -> tuple[DeliveryEntry, ...]:
        return tuple(self._store.select(DeliveryEntry))

    def intent(self, client_order_id: str) -> IntentEntry | None:
        return self._one(IntentEntry, self._c(EntryKind.INTENT).client_order_id == client_order_id)

    def outcome(self, client_order_id: str) -> OutcomeEntry | None:
        """The newest outcome of an intent: the final one, once there is one."""
        table = self._c(EntryKind.OUTCOME)
        rows = self._store.select(OutcomeEntry, table.client_order_id == client_order_id)
        return next((row for row in rows if row.result.final), rows[-1] if rows else None)

    def intent_of_order(self, order_id: str) -> IntentEntry | None:
        """The intent that became this order, by the outcome that says so."""
        table = self._c(EntryKind.OUTCOME)
        found = self._one(OutcomeEntry, table.order_id == order_id, table.result == IntentResult.ACCEPTED)
        return None if found is None else self.intent(found.client_order_id)

    def tick(self, tick_id: str) -> TickEntry | None:
        return self._one(TickEntry, self._c(EntryKind.TICK).tick_id == tick_id)

    def has_fill(self, trade_id: str) -> bool:
        return self._one(FillEntry, self._c(EntryKind.FILL).trade_id == trade_id) is not None

    def last_fill_ts(self) -> datetime | None:
        """Time of the newest booked fill: where to ask the venue from."""
        return self._newest_ts(FillEntry, EntryKind.FILL)

    def last_cash_ts(self) -> datetime | None:
        return self._newest_ts(CashEntry, EntryKind.CASH)

    def pending_alerts(self, channel: str, limit: int) -> tuple[AlertEntry, ...]:
        """Alerts that have not left through ``channel`` yet, oldest first."""
        alert, delivery = self._store.table(EntryKind.ALERT).c, self._store.table(EntryKind.DELIVERY).c
        left = exists().where(delivery.book == alert.book, delivery.alert_seq == alert.seq, delivery.channel == channel)
        return tuple(self._store.select(AlertEntry, ~left, limit=limit))

    def chain(self, asked: str) -> Chain | None:
        """Everything behind an id: a position, order, trade, intent, tick or alert.  None if the ledger does not know it."""
        with self._store.reading():
            return find_chain(self._store, self._folds().positions.trips, asked)

    # --- the whole ---

    def entries(self) -> tuple[Entry, ...]:
        """All entries of this book in order of ``seq``."""
        with self._store.reading():
            return tuple(self._after(0, frozenset(EntryKind)))

    def dump(self) -> str:
        """All entries as JSON lines in order of ``seq``; the same history gives the same text."""
        lines = []
        for entry in self.entries():
            record = {"entry": spec_of_type(type(entry)).kind.value, **to_plain(entry)}
            lines.append(json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n")
        return "".join(lines)

    def _after(self, seq: int, kinds: frozenset[EntryKind]) -> Iterator[Entry]:
        newer = self._store.kinds_after(seq) & kinds
        runs = [self._store.select(SPECS[kind].type, self._c(kind).seq > seq) for kind in sorted(newer)]
        return heapq.merge(*runs, key=lambda entry: entry.seq)

    def _between(self, kind: type[E], table: EntryKind, start: datetime | None, end: datetime | None) -> tuple[E, ...]:
        ts = self._c(table).ts
        where: list[ColumnElement[bool]] = []
        if start is not None:
            where.append(ts >= start)
        if end is not None:
            where.append(ts < end)
        return tuple(self._store.select(kind, *where))

    def _one(self, kind: type[E], *where: ColumnElement[bool]) -> E | None:
        found = self._store.select(kind, *where, limit=1)
        return found[0] if found else None

    def _newest_ts(self, kind: type[FillEntry] | type[CashEntry], table: EntryKind) -> datetime | None:
        rows = self._store.select(kind, order_by=self._c(table).ts.desc(), limit=1)
        return rows[0].ts if rows else None

    def _c(self, kind: EntryKind) -> Any:
        return self._store.table(kind).c

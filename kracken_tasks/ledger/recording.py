"""Writing the ledger: every fact once, however often it is told.

In: facts of the domain at market time.  Out: ``Written(entry, new)``: what stands in the ledger now.
Never: a second entry for the same business key, a change to the first; a contradiction raises StateUnknown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import (
    CashMovement,
    Decision,
    Fill,
    IntentKey,
    OrderRequest,
    OrderStatus,
    Side,
    TradingState,
    VenueOrder,
)
from kracken_tasks.errors import StateUnknown
from kracken_tasks.ledger.cash import balance_lines
from kracken_tasks.ledger.entries import (
    AlertDraft,
    AlertEntry,
    BalanceEntry,
    Booking,
    CashEntry,
    DecisionEntry,
    DeliveryEntry,
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
    Source,
    StateEntry,
    TickEntry,
    Written,
)
from kracken_tasks.ledger.lease import Lease, Leases
from kracken_tasks.ledger.reading import Reading
from kracken_tasks.ledger.store import acting

__all__ = ["Recording"]

E = TypeVar("E")

_NO_STEP = Decimal(0)
_CLOCK_STEP = timedelta(seconds=1)  # the coarsest venue clock: Kraken tells whole seconds
_MICROSECOND = timedelta(microseconds=1)


class Recording(Reading):
    """The writing half of the ledger.  Each write is its own transaction unless made inside ``transaction``."""

    leases: Leases

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside is committed together, or not at all.

        Nests into an outer one; reads inside see the writes.  An error in a nested one dooms the outer one even if it is caught.
        Raises: RetryLater if the database could not be reached or locked, StateUnknown if the commit itself ended in doubt.
        """
        with self._store.transaction():
            yield

    def acting(self, source: Source, cause: str) -> AbstractContextManager[None]:
        """Everything written inside, in this thread or task, carries this source and cause; the innermost one counts."""
        return acting(source, cause)

    # --- deciding and sending ---

    def record_decision(
        self, tick_id: str, decision: Decision, *, ts: datetime, facts: str = ""
    ) -> Written[DecisionEntry]:
        """What a tick decided for a symbol, and the facts it sized by; of two decisions under one key the first stands."""
        return self._once(DecisionEntry(ts, tick_id, decision.symbol, decision.strategy, decision, facts))

    def record_intent(
        self, key: IntentKey, request: OrderRequest, *, ts: datetime, lease: Lease | None = None, plan: Plan | None = None,
        position_id: str | None = None, reason: str = "",
    ) -> Written[IntentEntry]:  # fmt: skip
        """Write down an order before it is sent; of two requests under one key the first stands.

        ``plan`` becomes the plan of the position this order opens; ``position_id`` the one it reduces or protects.
        Raises: LeaseLost if ``lease`` is not the current one; ValueError if request and key name different orders.
        """
        if request.client_order_id != key.client_order_id:
            raise ValueError(f"request {request.client_order_id} does not carry the id of its intent {key}")
        entry = IntentEntry(
            ts, key.client_order_id, key.account, key.tick_id, key.symbol, key.purpose, key.leg, key.attempt, request, plan,
            position_id, reason, 0 if lease is None else lease.token,
        )  # fmt: skip
        with self._store.transaction():
            if lease is not None:
                self.leases.require(lease)
            return self._once(entry)

    def record_outcome(
        self, client_order_id: str, result: IntentResult, *, ts: datetime, order_id: str | None = None, reason: str = ""
    ) -> Written[OutcomeEntry]:
        """What became of an intent.  Doubt after certainty is passed over.

        Raises: StateUnknown if the intent is not in the ledger, or a different final outcome is.
        """
        with self._store.transaction():
            if self.intent(client_order_id) is None:
                raise StateUnknown(
                    "outcome of an intent the ledger does not know",
                    client_order_id=client_order_id,
                    result=result.value,
                )
            known = self.outcome(client_order_id)
            if known is None or not known.result.final:
                return self._once(OutcomeEntry(ts, client_order_id, result, order_id, reason))
            if result.final and (known.result, known.order_id) != (result, order_id):
                raise StateUnknown(
                    f"intent ended as {known.result.value} and now as {result.value}",
                    client_order_id=client_order_id, known_order_id=known.order_id, order_id=order_id,
                )  # fmt: skip
            return Written(known, new=False)

    def record_order(self, order: VenueOrder, *, ts: datetime) -> Written[OrderEntry]:
        """How the venue shows an order at ``ts``; nothing is written if nothing changed, or if a newer look stands there."""
        entry = OrderEntry(
            ts, order.order_id, order.client_order_id, order.parent_id, order.symbol, order.side, order.kind, order.status,
            order.amount, order.filled, order.average_price, order.limit_price, order.trigger_price, order.opened_at,
            order.closed_at, _fingerprint(order),
        )  # fmt: skip
        with self._store.transaction():
            known = self._folds().orders.get(order.order_id)
            if known is not None and not _is_news(known, entry):
                return Written(known, new=False)
            return self._once(entry)

    # --- booking ---

    def book_fills(
        self, bookings: Iterable[Booking], *, lot_steps: Mapping[str, Decimal] | None = None,
        alerts: Callable[[FillEntry], AlertDraft | None] | None = None,
    ) -> tuple[FillEntry, ...]:  # fmt: skip
        """Book fills, the positions they open and close, and their alerts, in one transaction.

        Returns the fills that were new, oldest first.  ``lot_steps`` per symbol: a remainder below one step closes the position.
        ``alerts`` is asked after each new fill, when positions and round trips include it already.
        Raises: StateUnknown if a fill is in the ledger with another order, symbol, side, amount or price.
        """
        steps = lot_steps or {}
        new: list[FillEntry] = []
        with self._store.transaction():
            for booking in sorted(bookings, key=_booking_order):
                entry = self._book(booking, steps.get(booking.fill.symbol, _NO_STEP))
                if entry is None:
                    continue
                new.append(entry)
                draft = alerts(entry) if alerts is not None else None
                if draft is not None:
                    self.add_alert(draft, ts=entry.ts)
        return tuple(new)

    def _book(self, booking: Booking, lot_step: Decimal) -> FillEntry | None:
        known = self._one(FillEntry, self._c(EntryKind.FILL).trade_id == booking.fill.trade_id)
        if known is not None:
            _require_same_fill(known.fill, booking.fill)
            return None
        intent = self.intent(booking.client_order_id) if booking.client_order_id else None
        if intent is not None and not booking.reason and intent.purpose is booking.purpose:
            booking = dataclasses.replace(booking, reason=intent.reason)
        entry = self._store.append(self._folds().positions.place(booking, lot_step))
        if entry.opens and entry.position_id is not None and intent is not None and intent.plan is not None:
            self._store.append(PlanEntry(entry.ts, entry.position_id, entry.symbol, intent.plan))
        return entry

    def book_cash(self, movements: Iterable[CashMovement]) -> tuple[CashEntry, ...]:
        """Book lines of the venue's own ledger; returns the new ones.

        Raises: StateUnknown if a line is in the ledger with another asset, amount or fee.
        """
        new: list[CashEntry] = []
        with self._store.transaction():
            for line in sorted(movements, key=lambda line: (line.ts, line.movement_id)):
                written = self._once(_cash_entry(line))
                if written.new:
                    new.append(written.entry)
                elif (line.asset, line.amount, line.fee) != (
                    written.entry.asset,
                    written.entry.amount,
                    written.entry.fee,
                ):
                    raise StateUnknown(
                        "a line of the venue's ledger changed after it was booked", movement_id=line.movement_id
                    )
        return tuple(new)

    def record_balances(
        self, venue: Mapping[str, Balance], *, ts: datetime, tolerance: Mapping[str, Decimal] | None = None
    ) -> Written[BalanceEntry]:
        """Write the venue's statement beside the fold; ``agrees`` says whether every asset is within ``tolerance``."""
        with self._store.transaction():
            differences = self.check_balances(venue, tolerance=tolerance)
            return self._once(BalanceEntry(ts, balance_lines(self.cash(), venue), agrees=not differences))

    # --- state and marks ---

    def mark_equity(self, mark: EquityEntry) -> Written[EquityEntry]:
        return self._once(mark)

    def set_state(self, state: TradingState, reason: str, *, ts: datetime) -> Written[StateEntry]:
        """Change what the account may do; the state it is in already, for the same reason, is not written again.

        A change told again late is passed over.  One that comes back within the venue's second, on a clock that tells whole seconds, is
        a change of its own: a halt right after a release holds.  It stands a microsecond after the state it ends.
        """
        with self._store.transaction():
            current = self._folds().state
            if current is not None and (current.state, current.reason) == (state, reason):
                return Written(current, new=False)
            entry = StateEntry(ts, state, reason)
            same_second = current is not None and timedelta(0) <= current.ts - ts < _CLOCK_STEP
            if current is not None and same_second and self._store.existing(entry) is not None:
                entry = dataclasses.replace(entry, ts=current.ts + _MICROSECOND)
            return self._once(entry)

    def set_plan(self, position_id: str, plan: Plan, *, ts: datetime) -> Written[PlanEntry]:
        """Give an open position a new plan.

        Raises: StateUnknown if no such position is open.
        """
        with self._store.transaction():
            known = self.plans(position_id)
            same = [entry for entry in known if entry.plan == plan and (entry is known[-1] or entry.ts == ts)]
            if same:
                return Written(same[-1], new=False)
            symbol = self._folds().positions.symbol_of(position_id)
            if symbol is None:
                raise StateUnknown("a plan for a position that is not open", position_id=position_id)
            return Written(self._store.append(PlanEntry(ts, position_id, symbol, plan)), new=True)

    def record_tick(
        self, tick_id: str, *, slot: datetime, result: str, ts: datetime, detail: Mapping[str, str] | None = None
    ) -> Written[TickEntry]:
        """The end of a tick; of two ends under one id the first stands."""
        return self._once(TickEntry(ts, tick_id, slot, result, dict(detail or {})))

    def note(self, topic: str, key: str, payload: Mapping[str, str], *, ts: datetime) -> Written[NoteEntry]:
        """Keep a room's own fact; of two notes under one topic and key the first stands."""
        return self._once(NoteEntry(ts, topic, key, dict(payload)))

    # --- outbox ---

    def add_alert(self, draft: AlertDraft, *, ts: datetime) -> Written[AlertEntry]:
        return self._once(AlertEntry(ts, draft.kind, draft.level, draft.dedup_key, dict(draft.payload)))

    def record_delivery(
        self, alert_seq: int, channel: str, *, ts: datetime, result: str = "sent", reason: str = ""
    ) -> Written[DeliveryEntry]:
        """The alert left the outbox through ``channel``, or never will (``rejected``)."""
        return self._once(DeliveryEntry(ts, alert_seq, channel, result, reason))

    def _once(self, entry: E) -> Written[E]:
        with self._store.transaction():
            known = self._store.existing(entry)
            return Written(self._store.append(entry), new=True) if known is None else Written(known, new=False)


def _booking_order(booking: Booking) -> tuple[datetime, bool, str]:
    # At one moment buys come before sells, so that an exit finds what it ends.
    return booking.fill.ts, booking.fill.side is Side.SELL, booking.fill.trade_id


def _require_same_fill(known: Fill, told: Fill) -> None:
    # The fee may be told differently by two endpoints; the first telling stands.
    for name in ("order_id", "symbol", "side", "amount", "price"):
        if getattr(known, name) != getattr(told, name):
            raise StateUnknown(
                f"fill {told.trade_id} was booked with another {name}",
                trade_id=told.trade_id, field=name, known=str(getattr(known, name)), told=str(getattr(told, name)),
            )  # fmt: skip


def _cash_entry(line: CashMovement) -> CashEntry:
    return CashEntry(
        line.ts, line.movement_id, line.reference_id, line.kind, line.asset, line.amount, line.fee, line.balance_after
    )


def _fingerprint(order: VenueOrder) -> str:
    """What may change in an order's life, as one text."""
    changing = (order.amount, order.filled, order.limit_price, order.trigger_price)
    return "|".join([order.status.value, *("" if value is None else plain(value.normalize()) for value in changing)])


def _is_news(known: OrderEntry, told: OrderEntry) -> bool:
    if told.fingerprint == known.fingerprint or told.ts < known.ts:
        return False
    # An order that ended stays as it is, unless the venue finds more of it filled.
    return known.status is OrderStatus.OPEN or told.filled > known.filled

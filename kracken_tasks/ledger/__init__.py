"""The ledger: what happened, append-only, exact; positions, cash and trips are folds over it.

In: facts of market time (decisions, intents, orders, fills, cash, marks, states, alerts).  Out: the same facts typed, and folds over them.
Never: floats in money, an entry changed or deleted, wall time or random ids in an entry.

    ledger = Ledger.open("sqlite:///ledger.db", account="main", exchange="kraken")      # or postgresql://...; migrates itself

    lease = ledger.leases.acquire("ticks", holder, ttl, now_wall)                        # Lease | LeaseHeld (a value, not an error)
    ledger.leases.still_held(lease, now_wall); .renew(lease, ttl, now_wall); .release(lease)

    with ledger.acting(Source.TICK, tick_id):                                           # every entry says what wrote it
        ...
    with ledger.transaction():                                                          # all or nothing; nests; a write alone is its own
        ledger.record_decision(tick_id, decision, ts=now)                               # each write is idempotent: Written(entry, new)
        ledger.record_intent(key, request, ts=now, lease=lease, plan=plan, reason="")   # a stale lease raises LeaseLost
        ledger.record_outcome(client_order_id, IntentResult.ACCEPTED, ts=now, order_id="O1")
        ledger.record_order(venue_order, ts=now)
        ledger.book_fills([Booking(fill, purpose, client_order_id)], lot_steps={"BTC/USD": step}, alerts=draft_for)   # the new entries
        ledger.book_cash(movements); ledger.record_balances(venue, ts=now); ledger.mark_equity(EquityEntry(...))
        ledger.set_state(state, reason, ts=now); ledger.set_plan(position_id, plan, ts=now)
        ledger.record_tick(tick_id, slot=slot, result="done", ts=now, detail={}); ledger.add_alert(draft, ts=now)
        ledger.note("arming", key, {"by": "Ada"}, ts=now)                               # a room's own fact; ledger.notes("arming")

    ledger.positions()  ledger.round_trips()  ledger.cash()  ledger.state()  ledger.open_intents()  ledger.plan(position_id)
    ledger.consecutive_losses()  ledger.realised_since(moment)  ledger.check_balances(venue)  ledger.last_equity()  ledger.orders()
    ledger.decisions() .intents() .outcomes() .fills() .cash_entries() .balances() .equity() .states() .ticks() .alerts()   # typed reads
    ledger.pending_alerts(channel, limit); ledger.record_delivery(alert_seq, channel, ts=now); ledger.chain(any_id); ledger.dump()

- ``ledger``     the face: ``recording`` writes facts, ``reading`` reads them
- ``entries``    one type per kind of fact · ``words`` kinds and levels
- ``schema``     the tables · ``store`` transactions and rows · ``opening`` engine and ``migrations`` · ``codec`` values to text, exactly
- ``lease``      who may trade now · ``lock_holder`` who keeps a database locked
- ``positions`` ``cash`` ``roundtrips``   folds, ``folds`` all of them kept up together · ``chain`` what hangs on an id
- ``accounts``   the book in double entry · ``statement`` the venue's beside it · ``books`` the nightly check
- ``checking``   a database as it stands
- ``backup``     one file from which either database can be made again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kracken_tasks.ledger.entries import (
    AlertDraft,
    AlertEntry,
    AlertKind,
    AlertLevel,
    BalanceEntry,
    BalanceLine,
    Booking,
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
    Source,
    StateEntry,
    TickEntry,
    Written,
)

if TYPE_CHECKING:
    from kracken_tasks.ledger.lease import Lease, LeaseHeld, LeaseLost
    from kracken_tasks.ledger.ledger import Ledger
    from kracken_tasks.ledger.reading import Chain
    from kracken_tasks.ledger.roundtrips import RoundTrip

__all__ = [
    "AlertDraft",
    "AlertEntry",
    "AlertKind",
    "AlertLevel",
    "BalanceEntry",
    "BalanceLine",
    "Booking",
    "CashEntry",
    "Chain",
    "DecisionEntry",
    "DeliveryEntry",
    "Entry",
    "EntryKind",
    "EquityEntry",
    "FillEntry",
    "IntentEntry",
    "IntentResult",
    "Lease",
    "LeaseHeld",
    "LeaseLost",
    "Ledger",
    "NoteEntry",
    "OrderEntry",
    "OutcomeEntry",
    "Plan",
    "PlanEntry",
    "RoundTrip",
    "Source",
    "StateEntry",
    "TickEntry",
    "Written",
]

# SQLAlchemy loads with the first of these, not with the words above.
_LAZY = {
    "Chain": "reading",
    "Lease": "lease",
    "LeaseHeld": "lease",
    "LeaseLost": "lease",
    "Ledger": "ledger",
    "RoundTrip": "roundtrips",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)

"""The chain behind an id: from a fill back to the order, the intent, the decision, and on to the trip.

In: an id of any kind.  Out: a Chain of entries.  Never: a guess; an unknown id gives None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import or_
from sqlalchemy.sql import ColumnElement

from kracken_tasks.ledger.entries import (
    AlertEntry,
    CashEntry,
    DecisionEntry,
    EntryKind,
    FillEntry,
    IntentEntry,
    OrderEntry,
    OutcomeEntry,
    PlanEntry,
    TickEntry,
)
from kracken_tasks.ledger.roundtrips import RoundTrip
from kracken_tasks.ledger.store import Store

__all__ = ["Chain", "find_chain"]

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Chain:
    """Every entry an id hangs together with, each kind in order of ``seq``; the names of the four kinds of ids, too."""

    asked: str
    ticks: tuple[TickEntry, ...]
    decisions: tuple[DecisionEntry, ...]
    intents: tuple[IntentEntry, ...]
    outcomes: tuple[OutcomeEntry, ...]
    orders: tuple[OrderEntry, ...]
    fills: tuple[FillEntry, ...]
    plans: tuple[PlanEntry, ...]
    cash: tuple[CashEntry, ...]
    trips: tuple[RoundTrip, ...]

    @property
    def position_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(fill.position_id for fill in self.fills if fill.position_id is not None))

    @property
    def order_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([order.order_id for order in self.orders] + [fill.order_id for fill in self.fills]))


@dataclass(slots=True)
class _Seeds:
    """Ids the answer is gathered from."""

    positions: set[str]
    intents: set[str]
    orders: set[str]


def find_chain(store: Store, trips: Sequence[RoundTrip], asked: str) -> Chain | None:
    """Gather everything that hangs together with ``asked``.

    A trade or order leads to its whole position, a tick to all it decided and sent, an alert (``A000123``) to the position or order
    it names.
    """
    decisions, ticks = _where(store, DecisionEntry, tick_id=asked), _where(store, TickEntry, tick_id=asked)
    seeds = _seeds(store, _named_by_alert(store, asked))
    if not (seeds.positions or seeds.intents or seeds.orders or decisions or ticks):
        return None
    fills = _any(store, FillEntry, position_id=seeds.positions, order_id=seeds.orders, client_order_id=seeds.intents)
    _widen(store, seeds, fills)
    intents = _any(store, IntentEntry, client_order_id=seeds.intents, position_id=seeds.positions)
    seeds.intents |= {intent.client_order_id for intent in intents}
    outcomes = _any(store, OutcomeEntry, client_order_id=seeds.intents)
    seeds.orders |= {outcome.order_id for outcome in outcomes if outcome.order_id}
    wanted = {(intent.tick_id, intent.symbol) for intent in intents}
    behind = _any(store, DecisionEntry, tick_id={tick for tick, _ in wanted})
    return Chain(
        asked=asked,
        ticks=tuple(ticks or _any(store, TickEntry, tick_id={tick for tick, _ in wanted})),
        decisions=tuple(decisions or [entry for entry in behind if (entry.tick_id, entry.symbol) in wanted]),
        intents=tuple(intents),
        outcomes=tuple(outcomes),
        orders=tuple(_any(store, OrderEntry, order_id=seeds.orders, client_order_id=seeds.intents)),
        fills=tuple(fills),
        plans=tuple(_any(store, PlanEntry, position_id=seeds.positions)),
        cash=tuple(_any(store, CashEntry, reference_id={fill.trade_id for fill in fills} | {asked})),
        trips=tuple(trip for trip in trips if trip.position_id in seeds.positions),
    )


def _seeds(store: Store, asked: str) -> _Seeds:
    fills = (
        _where(store, FillEntry, trade_id=asked)
        + _where(store, FillEntry, order_id=asked)
        + _where(store, FillEntry, position_id=asked)
        + _where(store, FillEntry, client_order_id=asked)
    )
    intents = _where(store, IntentEntry, client_order_id=asked) + _where(store, IntentEntry, tick_id=asked)
    outcomes = _where(store, OutcomeEntry, order_id=asked)
    orders = _where(store, OrderEntry, order_id=asked)
    return _Seeds(
        positions={fill.position_id for fill in fills if fill.position_id}
        | {i.position_id for i in intents if i.position_id},
        intents={i.client_order_id for i in intents}
        | {o.client_order_id for o in outcomes}
        | _ids(fills, "client_order_id"),
        orders={order.order_id for order in orders} | {fill.order_id for fill in fills},
    )


def _widen(store: Store, seeds: _Seeds, fills: list[FillEntry]) -> None:
    """From fills to the whole of their positions: an exit leads to its entry."""
    seeds.positions |= _ids(fills, "position_id")
    known = {fill.seq for fill in fills}
    fills += [fill for fill in _any(store, FillEntry, position_id=seeds.positions) if fill.seq not in known]
    fills.sort(key=lambda fill: fill.seq)
    seeds.orders |= {fill.order_id for fill in fills}
    seeds.intents |= _ids(fills, "client_order_id")


def _named_by_alert(store: Store, asked: str) -> str:
    """The position or order an alert's visible id stands for; any other id is itself."""
    number = asked.removeprefix("A")
    if number == asked or not number.isdigit():
        return asked
    found = _where(store, AlertEntry, seq=int(number))
    payload = found[0].payload if found else {}
    return payload.get("position_id") or payload.get("client_order_id") or payload.get("order_id") or asked


def _ids(entries: Iterable[object], name: str) -> set[str]:
    return {value for entry in entries if (value := getattr(entry, name))}


def _where(store: Store, kind: type[E], **equal: Any) -> list[E]:
    table = _columns(store, kind)
    return store.select(kind, *[table[name] == value for name, value in equal.items()])


def _any(store: Store, kind: type[E], **among: set[str]) -> list[E]:
    """Entries with any of these columns among the given ids."""
    table = _columns(store, kind)
    tests: list[ColumnElement[bool]] = [table[name].in_(sorted(ids)) for name, ids in among.items() if ids]
    return store.select(kind, or_(*tests)) if tests else []


def _columns(store: Store, kind: type[Any]) -> Any:
    return store.table(_KINDS[kind]).c


_KINDS: dict[type[Any], EntryKind] = {
    TickEntry: EntryKind.TICK,
    DecisionEntry: EntryKind.DECISION,
    IntentEntry: EntryKind.INTENT,
    OutcomeEntry: EntryKind.OUTCOME,
    OrderEntry: EntryKind.ORDER,
    FillEntry: EntryKind.FILL,
    PlanEntry: EntryKind.PLAN,
    CashEntry: EntryKind.CASH,
    AlertEntry: EntryKind.ALERT,
}

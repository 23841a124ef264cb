"""The tables: one per kind of entry, under one running number, the same on SQLite and PostgreSQL.

In: entry values.  Out: SQLAlchemy tables whose columns are the entry's fields.  Never: NUMERIC (SQLite would pass it through a float),
a sum of money in SQL, a zone-less time.

``entry`` is the spine: it gives ``seq`` its order over all kinds.  ``book`` (account@exchange) lets one database hold several books.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import Decision, OrderKind, OrderRequest, OrderStatus, Purpose, Side, TradingState
from kracken_tasks.ledger import entries as e
from kracken_tasks.ledger.codec import encode, from_plain, micros, moment
from kracken_tasks.ledger.entries import EntryKind

__all__ = ["HEAD", "LEASE", "METADATA", "RELEASED", "SPECS", "SPINE", "Amount", "EntrySpec", "spec_of_type"]

# The newest migration; opening compares it before it loads Alembic.
HEAD: Final = "0002"
# Every schema a version was released with, oldest first.
RELEASED: Final = ("0001", HEAD)

METADATA = MetaData()


class Amount(TypeDecorator[Decimal]):
    """Money and sizes: Decimal as plain text, to the last digit, on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise TypeError(f"{value!r} is no finite Decimal; the ledger keeps nothing else as an amount")
        return plain(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Moment(TypeDecorator[datetime]):
    """Time as microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(value)


class Word(TypeDecorator[StrEnum]):
    """An enumeration by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


class Document(TypeDecorator[Any]):
    """A nested value as canonical JSON."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else encode(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else from_plain(self.kind, json.loads(value))


@dataclass(frozen=True, slots=True)
class EntrySpec:
    """One kind of entry: its value type, its table, and the columns that make the fact what it is."""

    kind: EntryKind
    type: type[Any]
    table: Table
    key: tuple[str, ...]


def _text(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=null)


def _amount(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Amount, nullable=null)


def _moment(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Moment, nullable=null)


def _word(name: str, kind: type[StrEnum]) -> Column[Any]:
    return Column(name, Word(kind), nullable=False)


def _doc(name: str, kind: Any, *, null: bool = False) -> Column[Any]:
    return Column(name, Document(kind), nullable=null)


def _spec(
    kind: EntryKind, entry: type[Any], *columns: Column[Any], key: tuple[str, ...] = (), find: tuple[str, ...] = ()
) -> EntrySpec:
    """A table under the spine; ``key`` becomes a unique constraint, each of ``find`` an index."""
    name = kind.value
    table = Table(
        name,
        METADATA,
        Column("seq", BigInteger, ForeignKey("entry.seq"), primary_key=True, autoincrement=False),
        Column("book", Text, nullable=False),
        Column("ts", Moment, nullable=False),
        *columns,
    )
    if key:
        table.append_constraint(UniqueConstraint("book", *key, name=f"one_{name}"))
    for column in find:
        Index(f"{name}_by_{column}", table.c.book, table.c[column])
    return EntrySpec(kind, entry, table, key)


SPINE = Table(
    "entry",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("book", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # What wrote the entry: beside the number, so that every kind has it.
    Column("source", Word(e.Source), nullable=False, server_default=""),
    Column("cause", Text, nullable=False, server_default=""),
)

# Wall time, changed in place: not an entry and not in the dump.
LEASE = Table(
    "lease",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires", Moment, nullable=False),
)

_STRINGS = dict[str, str]

SPECS: Final[dict[EntryKind, EntrySpec]] = {
    spec.kind: spec
    for spec in (
        _spec(
            EntryKind.DECISION, e.DecisionEntry,
            _text("tick_id"), _text("symbol"), _text("strategy"), _doc("decision", Decision),
            Column("facts", Text, nullable=False, server_default=""),
            key=("tick_id", "symbol", "strategy"), find=("ts",),
        ),
        _spec(
            EntryKind.INTENT, e.IntentEntry,
            _text("client_order_id"), _text("account"), _text("tick_id"), _text("symbol"), _word("purpose", Purpose),
            Column("leg", BigInteger, nullable=False), Column("attempt", BigInteger, nullable=False),
            _doc("request", OrderRequest), _doc("plan", e.Plan, null=True), _text("position_id", null=True), _text("reason"),
            Column("lease_token", BigInteger, nullable=False),
            key=("client_order_id",), find=("tick_id", "position_id"),
        ),
        _spec(
            EntryKind.OUTCOME, e.OutcomeEntry,
            _text("client_order_id"), _word("result", e.IntentResult), _text("order_id", null=True), _text("reason"),
            key=("client_order_id", "result"), find=("order_id",),
        ),
        _spec(
            EntryKind.ORDER, e.OrderEntry,
            _text("order_id"), _text("client_order_id", null=True), _text("parent_id", null=True), _text("symbol"),
            _word("side", Side), _word("kind", OrderKind), _word("status", OrderStatus), _amount("amount"), _amount("filled"),
            _amount("average_price", null=True), _amount("limit_price", null=True), _amount("trigger_price", null=True),
            _moment("opened_at"), _moment("closed_at", null=True),
            _text("fingerprint"),
            key=("order_id", "fingerprint", "ts"), find=("client_order_id",),
        ),
        _spec(
            EntryKind.FILL, e.FillEntry,
            _text("trade_id"), _text("order_id"), _text("symbol"), _word("side", Side), _amount("amount"), _amount("price"),
            _amount("cost"), _amount("fee"), _text("fee_currency"), _text("liquidity"), _word("purpose", Purpose),
            _text("client_order_id", null=True), _text("reason"), _text("position_id", null=True),
            Column("opens", Boolean, nullable=False), Column("closes", Boolean, nullable=False),
            key=("trade_id",), find=("ts", "order_id", "client_order_id", "position_id"),
        ),
        _spec(
            EntryKind.CASH, e.CashEntry,
            _text("movement_id"), _text("reference_id"), _text("kind"), _text("asset"), _amount("amount"), _amount("fee"),
            _amount("balance_after", null=True),
            key=("movement_id",), find=("ts", "reference_id"),
        ),
        _spec(
            EntryKind.BALANCE, e.BalanceEntry,
            _doc("lines", tuple[e.BalanceLine, ...]), Column("agrees", Boolean, nullable=False),
            key=("ts", "agrees"),
        ),
        _spec(
            EntryKind.EQUITY, e.EquityEntry,
            _amount("equity"), _amount("cash"), _amount("units"), _amount("unit_value"), _amount("peak"), _amount("drawdown"),
            _text("currency"), _text("tick_id"),
            key=("ts", "tick_id"),
        ),
        _spec(
            EntryKind.STATE, e.StateEntry,
            _word("state", TradingState), _text("reason"),
            key=("ts", "state", "reason"),
        ),
        _spec(
            EntryKind.PLAN, e.PlanEntry,
            _text("position_id"), _text("symbol"), _doc("plan", e.Plan),
            find=("position_id",),
        ),
        _spec(
            EntryKind.TICK, e.TickEntry,
            _text("tick_id"), _moment("slot"), _text("result"), _doc("detail", _STRINGS),
            key=("tick_id",), find=("ts",),
        ),
        _spec(
            EntryKind.ALERT, e.AlertEntry,
            _word("kind", e.AlertKind), _word("level", e.AlertLevel), _text("dedup_key"), _doc("payload", _STRINGS),
            key=("dedup_key",),
        ),
        _spec(
            EntryKind.DELIVERY, e.DeliveryEntry,
            Column("alert_seq", BigInteger, nullable=False), _text("channel"), _text("result"), _text("reason"),
            key=("alert_seq", "channel"),
        ),
        _spec(
            EntryKind.NOTE, e.NoteEntry,
            _text("topic"), _text("key"), _doc("payload", _STRINGS),
            key=("topic", "key"),
        ),
    )
}  # fmt: skip

_BY_TYPE = {spec.type: spec for spec in SPECS.values()}


def spec_of_type(entry_type: type[Any]) -> EntrySpec:
    """The kind that a type of entry value belongs to."""
    return _BY_TYPE[entry_type]

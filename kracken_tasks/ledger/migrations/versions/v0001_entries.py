"""The first ledger: a spine, one table per kind of entry, the lease; entries append-only by trigger.

Revision ID: 0001
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from kracken_tasks.ledger.migrations.append_only import POSTGRES_FUNCTION, append_only

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# table: columns, unique key, indexed columns.  A column is text unless it says int or bool; "?" may be null.
_ENTRIES = {
    "decision": (
        "tick_id symbol strategy decision",
        "tick_id symbol strategy",
        "ts",
    ),
    "intent": (
        "client_order_id account tick_id symbol purpose leg:int attempt:int request plan? position_id? reason "
        "lease_token:int",
        "client_order_id",
        "position_id tick_id",
    ),
    "outcome": (
        "client_order_id result order_id? reason",
        "client_order_id result",
        "order_id",
    ),
    "order_state": (
        "order_id client_order_id? parent_id? symbol side kind status amount filled average_price? limit_price? "
        "trigger_price? opened_at:int closed_at:int? fingerprint",
        "order_id fingerprint ts",
        "client_order_id",
    ),
    "fill": (
        "trade_id order_id symbol side amount price cost fee fee_currency liquidity purpose client_order_id? reason "
        "position_id? opens:bool closes:bool",
        "trade_id",
        "client_order_id order_id position_id ts",
    ),
    "cash": (
        "movement_id reference_id kind asset amount fee balance_after?",
        "movement_id",
        "reference_id ts",
    ),
    "balance": (
        "lines agrees:bool",
        "ts agrees",
        "",
    ),
    "equity": (
        "equity cash units unit_value peak drawdown currency tick_id",
        "ts tick_id",
        "",
    ),
    "trading_state": (
        "state reason",
        "ts state reason",
        "",
    ),
    "position_plan": (
        "position_id symbol plan",
        "",
        "position_id",
    ),
    "tick": (
        "tick_id slot:int result detail",
        "tick_id",
        "ts",
    ),
    "alert": (
        "kind level dedup_key payload",
        "dedup_key",
        "",
    ),
    "delivery": (
        "alert_seq:int channel result reason",
        "alert_seq channel",
        "",
    ),
}

_TYPES = {"": sa.Text, "int": sa.BigInteger, "bool": sa.Boolean}


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(POSTGRES_FUNCTION)
    op.create_table("entry", _number("seq"), _column("book"), _column("kind"))
    _guard(dialect, "entry", [("seq",)])
    for name, (columns, key, find) in _ENTRIES.items():
        _create(name, columns.split(), key.split(), find.split())
        _guard(dialect, name, [("seq",), ("book", *key.split())] if key else [("seq",)])
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), primary_key=True),
        _column("holder"),
        _column("token:int"),
        _column("expires:int"),
    )


def downgrade() -> None:
    raise NotImplementedError("the ledger is append-only: its first version has no way back")


def _create(name: str, columns: list[str], key: list[str], find: list[str]) -> None:
    unique = [sa.UniqueConstraint("book", *key, name=f"one_{name}")] if key else []
    seq = sa.Column("seq", sa.BigInteger(), sa.ForeignKey("entry.seq"), primary_key=True, autoincrement=False)
    op.create_table(name, seq, _column("book"), _column("ts:int"), *map(_column, columns), *unique)
    for column in find:
        op.create_index(f"{name}_by_{column}", name, ["book", column])


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), primary_key=True, autoincrement=False)


def _column(text: str) -> sa.Column[object]:
    name, _, kind = text.rstrip("?").partition(":")
    return sa.Column(name, _TYPES[kind](), nullable=text.endswith("?"))


def _guard(dialect: str, table: str, keys: Sequence[tuple[str, ...]]) -> None:
    for statement in append_only(dialect, table, keys):
        op.execute(statement)

"""Entries say what wrote them; decisions keep what they were sized by; rooms keep notes of their own.

Entries of before carry an empty source: nobody can tell any more.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from kracken_tasks.ledger.migrations.append_only import append_only

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, name in (("entry", "source"), ("entry", "cause"), ("decision", "facts")):
        op.add_column(table, sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "note",
        sa.Column("seq", sa.BigInteger(), sa.ForeignKey("entry.seq"), primary_key=True, autoincrement=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("topic", "key", "payload")),
        sa.UniqueConstraint("book", "topic", "key", name="one_note"),
    )
    for statement in append_only(op.get_context().dialect.name, "note", [("seq",), ("book", "topic", "key")]):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the ledger is append-only: what its entries say of themselves is not thrown away")

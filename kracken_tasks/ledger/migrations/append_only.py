"""Triggers that make a table append-only, on both databases.

In: a table and its unique keys.  Out: the SQL statements.  Never: a way round them short of dropping the trigger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["POSTGRES_FUNCTION", "append_only"]

_REFUSAL = "ledger entries are append-only"

POSTGRES_FUNCTION = f"""
CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{_REFUSAL}: % on %', TG_OP, TG_TABLE_NAME; END $$
"""


def append_only(dialect: str, table: str, keys: Iterable[Sequence[str]]) -> list[str]:
    """Statements refusing UPDATE and DELETE (and, on PostgreSQL, TRUNCATE) of ``table``.

    ``keys``: its primary and unique keys.  SQLite's INSERT OR REPLACE deletes the row in its way without firing a delete trigger, so
    there an insert that meets an existing key is refused as well.
    """
    if dialect == "postgresql":
        return [
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION ledger_append_only()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()",
        ]
    abort = f"SELECT RAISE(ABORT, '{_REFUSAL}')"
    taken = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} WHERE {' AND '.join(f'{column} = NEW.{column}' for column in key)})"
        for key in keys
    )
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {abort}; END",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {abort}; END",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {taken} BEGIN {abort}; END",
    ]

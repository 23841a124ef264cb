"""Alembic's entry: runs on the connection it is handed, inside that connection's transaction.

In: ``config.attributes["connection"]``.  Out: the schema at the asked version.  Never: a connection of its own, a log configuration.
"""

from __future__ import annotations

from alembic import context

from kracken_tasks.ledger.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()

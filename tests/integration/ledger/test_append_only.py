"""No entry is ever changed or deleted, and the schema is what the migrations make of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, delete, insert, text, update
from sqlalchemy.exc import DBAPIError

import kracken_tasks.ledger.migrations as migrations
from kracken_tasks.ledger import Ledger
from kracken_tasks.ledger.opening import open_engine
from kracken_tasks.ledger.schema import HEAD, METADATA, SPECS, SPINE
from tests.support.ledger import deposit

TABLES = [SPINE, *(spec.table for spec in SPECS.values())]


@pytest.fixture
def engine(ledger: Ledger, url: str) -> Iterator[Engine]:
    """A plain connection that knows nothing of the ledger's manners."""
    ledger.book_cash([deposit("m1", "USD", "1000")])
    plain = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    yield plain
    plain.dispose()


def test_no_entry_can_be_updated(engine: Engine) -> None:
    for table in (SPINE, SPECS["cash"].table):  # type: ignore[index]
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(update(table).values(book="mine"))


def test_no_entry_can_be_deleted(engine: Engine) -> None:
    for table in (SPECS["cash"].table, SPINE):  # type: ignore[index]
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(delete(table))


def test_every_kind_of_entry_carries_the_triggers(engine: Engine) -> None:
    catalogue = (
        "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'"
        if engine.dialect.name == "sqlite"
        else "SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
    )
    with engine.connect() as connection:
        guarded = list(connection.execute(text(catalogue)).scalars())
    for table in TABLES:
        assert guarded.count(table.name) >= 2, table.name


def test_replacing_or_truncating_is_no_way_round(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        attacks = [
            "INSERT OR REPLACE INTO cash SELECT seq, book, ts, movement_id, 'x', kind, asset, '9', fee, balance_after FROM cash",
            "REPLACE INTO entry SELECT 1, book, kind, source, cause FROM entry",
        ]
    else:
        attacks = ["TRUNCATE cash", "TRUNCATE entry CASCADE"]
    for attack in attacks:
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text(attack))


def test_the_database_itself_refuses_a_second_entry_for_one_fact(engine: Engine) -> None:
    table = SPECS["cash"].table  # type: ignore[index]
    with engine.connect() as connection:
        row = dict(connection.execute(table.select()).one()._mapping)
    with engine.connect() as connection:
        connection.execute(insert(SPINE).values(seq=2, book=row["book"], kind="cash"))
        with pytest.raises(DBAPIError):
            connection.execute(insert(table).values(**{**row, "seq": 2}))


def test_the_migrations_make_exactly_the_schema_the_code_speaks(url: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


def test_the_newest_migration_is_the_one_opening_looks_for() -> None:
    assert ScriptDirectory(migrations.__path__[0]).get_current_head() == HEAD

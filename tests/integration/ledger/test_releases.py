"""Ledgers and backups of every released schema, opened by this one, on both databases."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from kracken_tasks.domain.trading import TradingState
from kracken_tasks.ledger import IntentResult, Ledger, Source
from kracken_tasks.ledger.migrations import versions as migrations
from kracken_tasks.ledger.schema import HEAD, RELEASED
from tests.support.ledger import at, deposit, fresh_postgres, sqlite_url
from tests.support.released_ledgers import FOLDER, versions

OLD = [version for version in RELEASED if version != HEAD]


def _rows(version: str) -> list[list[object]]:
    lines = (FOLDER / f"v{version}.rows.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for line in lines if isinstance(record := json.loads(line), list)]


def _columns(version: str) -> dict[str, list[str]]:
    with (FOLDER / f"v{version}.rows.jsonl").open(encoding="utf-8") as file:
        columns: dict[str, list[str]] = json.loads(file.readline())["columns"]
    return columns


def _leave_postgres_as(version: str, url: str) -> None:
    """The schema as that version's migrations made it, and its rows, put in as they were."""
    from alembic import command
    from alembic.config import Config

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0]).parent))
    columns = _columns(version)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        for table, *values in _rows(version):
            names = columns[str(table)]
            marks = ", ".join(f":{name}" for name in names)
            statement = text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})")
            connection.execute(statement, dict(zip(names, values, strict=True)))
        lease = "INSERT INTO lease (name, holder, token, expires) VALUES ('trading:kraken:main', 'pod-1', 1, 0)"
        connection.execute(text(lease))
    engine.dispose()


def _as_told(old: Any, now: Any) -> Any:
    """Today's telling without the words that the old one did not have yet, at any depth."""
    if isinstance(old, dict) and isinstance(now, dict):
        return {name: _as_told(value, now[name]) for name, value in old.items()}
    if isinstance(old, list) and isinstance(now, list):
        return [_as_told(one, other) for one, other in zip(old, now, strict=True)]
    return now


@pytest.fixture(params=[(version, kind) for version in OLD for kind in ("sqlite", "postgresql")], ids="-".join)
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A database as a released version left it: its schema and its address."""
    version, kind = request.param
    if kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
            database.executescript((FOLDER / f"v{version}.sql").read_text(encoding="utf-8"))
        yield version, sqlite_url(tmp_path)
        return
    with fresh_postgres(request.getfixturevalue("postgres"), f"released_{version}") as url:
        _leave_postgres_as(version, url)
        yield version, url


def test_every_schema_that_was_released_before_this_one_has_its_ledger_kept() -> None:
    assert versions() == OLD


def test_a_released_ledger_opens_with_every_entry_as_it_was_told_then(released: tuple[str, str]) -> None:
    version, url = released
    with Ledger.open(url, account="main", exchange="kraken") as ledger:
        told = [json.loads(line) for line in (FOLDER / f"v{version}.entries.jsonl").read_text("utf-8").splitlines()]
        now = [json.loads(line) for line in ledger.dump().splitlines()]
        assert [_as_told(old, entry) for old, entry in zip(told, now, strict=True)] == told
        assert {entry.source for entry in ledger.entries()} == {Source.UNTOLD}
        found = ledger.verify()
        assert found.sound, found.problems


def test_a_released_ledger_goes_on_where_it_stood(released: tuple[str, str]) -> None:
    _, url = released
    with Ledger.open(url, account="main", exchange="kraken") as ledger:
        assert ledger.state().state is TradingState.HALTED
        assert [trip.net for trip in ledger.round_trips()] != []
        (doubt,) = ledger.open_intents()
        with ledger.acting(Source.TICK, "t4"):
            ledger.record_outcome(doubt.client_order_id, IntentResult.NEVER_ARRIVED, ts=at(200))
            ledger.book_cash([deposit("m2", "USD", "5", ts=at(201))])
            ledger.note("test", "first", {"is": "kept"}, ts=at(202))
        assert [(entry.source, entry.cause) for entry in ledger.entries()[-3:]] == [(Source.TICK, "t4")] * 3
        assert ledger.open_intents() == ()
        assert ledger.verify().sound


def test_a_lease_of_before_the_migration_is_still_fenced_by_its_token(released: tuple[str, str]) -> None:
    _, url = released
    with Ledger.open(url, account="main", exchange="kraken") as ledger:
        taken = ledger.leases.take_over("trading:kraken:main", "pod-2", timedelta(minutes=1), at(0))
        assert taken.token == 2


@pytest.mark.parametrize("version", OLD)
def test_a_backup_of_a_released_schema_is_restored_and_proved_row_by_row(
    ledger: Ledger, version: str, tmp_path: Path
) -> None:
    kept = tmp_path / "old.gz"
    kept.write_bytes(gzip.compress((FOLDER / f"v{version}.rows.jsonl").read_bytes()))
    found = ledger.restore(kept, ts=at(300))
    assert found.sound, found.problems
    assert ledger.begins_with(kept)
    assert ledger.state().state is TradingState.HALTED
    ledger.book_cash([deposit("m9", "USD", "1", ts=at(301))])
    assert ledger.verify().sound

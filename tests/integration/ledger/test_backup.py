"""Backup, restore, verify: on both databases, and from one to the other."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from kracken_tasks.domain.trading import Action, Decision, Purpose, TradingState
from kracken_tasks.errors import BadData, KrackenError, Misconfigured
from kracken_tasks.ledger import Booking, EquityEntry, IntentResult, Lease, LeaseLost, Ledger, Plan
from kracken_tasks.ledger.backup import Backup, read_backup
from kracken_tasks.ledger.opening import open_engine
from kracken_tasks.ledger.schema import HEAD
from tests.support.ledger import (
    NOON,
    at,
    deposit,
    entry_key,
    fill,
    fresh_postgres,
    request_for,
    sqlite_url,
    venue_order,
)
from tests.support.ledger_process import book_everything, start

TTL = timedelta(minutes=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger nobody has used yet."""
    if request.param == "sqlite":
        with Ledger.open(sqlite_url(tmp_path / "new"), account="main", exchange="kraken") as book:
            yield book
        return
    with (
        fresh_postgres(request.getfixturevalue("postgres"), f"restored_{tmp_path.name[-30:].lower()}") as url,
        Ledger.open(url, account="main", exchange="kraken") as book,
    ):
        yield book


def _live(ledger: Ledger) -> None:
    """One entry of nearly every kind, and a second book in the same database."""
    key = entry_key("t1")
    ledger.book_cash([deposit("m1", "USD", "10000.00000000000000001", fee="0.5")])
    decision = Decision("BTC/USD", Action.BUY, 0.1 + 0.2, "ensemble", NOON, 3, (), (), None, "näher")
    ledger.record_decision("t1", decision, ts=NOON)
    ledger.record_intent(key, request_for(key), ts=NOON, plan=Plan(stop_price=Decimal("29000")))
    ledger.record_outcome(key.client_order_id, IntentResult.ACCEPTED, ts=at(1), order_id="O1")
    ledger.record_order(venue_order("S1", trigger="29000"), ts=at(1))
    ledger.book_fills(
        [
            Booking(
                fill("T9", "buy", "0.06", "30000", fee="0.1", fee_currency="KFEE"), Purpose.ENTRY, key.client_order_id
            )
        ]
    )
    one = Decimal(1)
    ledger.mark_equity(EquityEntry(at(1), one, one, one, one, one, Decimal(0), tick_id="t1"))
    ledger.record_tick("t1", slot=NOON, result="done", ts=at(1))
    book_everything(ledger)
    ledger.record_delivery(ledger.alerts()[0].seq, "telegram", ts=at(4))
    other = Ledger(ledger._store.of_book("second@kraken"), "second", "kraken")
    other.book_cash([deposit("m1", "EUR", "7")])


def test_a_restored_ledger_is_the_one_that_was_backed_up_and_only_reduces(
    ledger: Ledger, empty: Ledger, tmp_path: Path
) -> None:
    _live(ledger)
    backup = ledger.backup(tmp_path / "ledger.backup")
    before = ledger.dump()
    found = empty.restore(backup.path, ts=at(60))
    assert found.sound
    assert [book.book for book in found.books] == ["main@kraken", "second@kraken"]
    assert empty.dump().startswith(before)
    (added,) = empty.states(at(60))
    assert added.state is TradingState.REDUCE_ONLY
    assert "restored from a backup" in added.reason
    assert empty.cash() == ledger.cash()
    assert empty.positions() == ledger.positions()
    assert empty.begins_with(backup.path)
    assert empty.verify().sound


def test_a_halted_account_is_still_halted_after_a_restore(ledger: Ledger, empty: Ledger, tmp_path: Path) -> None:
    ledger.set_state(TradingState.HALTED, "drawdown: 30 %", ts=NOON)
    empty.restore(ledger.backup(tmp_path / "b").path, ts=at(60))
    assert empty.state().reason == "drawdown: 30 %"


def test_one_state_of_a_ledger_has_one_backup_whatever_the_database(
    ledger: Ledger, empty: Ledger, tmp_path: Path
) -> None:
    _live(ledger)
    ledger.set_state(TradingState.HALTED, "by hand", ts=at(5))
    Ledger(ledger._store.of_book("second@kraken"), "second", "kraken").set_state(TradingState.HALTED, "x", ts=at(5))
    first = ledger.backup(tmp_path / "first")
    empty.restore(first.path, ts=at(60))
    second = empty.backup(tmp_path / "second")
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_ledger_with_entries_is_never_restored_into(ledger: Ledger, empty: Ledger, tmp_path: Path) -> None:
    ledger.book_cash([deposit("m1", "USD", "10")])
    empty.book_cash([deposit("m2", "USD", "20")])
    before = empty.dump()
    with pytest.raises(Misconfigured, match="has 1 entries"):
        empty.restore(ledger.backup(tmp_path / "b").path, ts=NOON)
    assert empty.dump() == before


def test_a_ledger_somebody_is_about_to_trade_on_is_not_restored_into(
    ledger: Ledger, empty: Ledger, tmp_path: Path
) -> None:
    empty.leases.acquire("ticks", "a scheduler", TTL, NOON)
    with pytest.raises(Misconfigured, match="leases"):
        empty.restore(ledger.backup(tmp_path / "b").path, ts=NOON)


def test_a_tick_that_slept_through_a_restore_has_lost_its_lease(ledger: Ledger, empty: Ledger, tmp_path: Path) -> None:
    lease = ledger.leases.acquire("ticks", "sleeper", TTL, NOON)
    assert isinstance(lease, Lease)
    empty.restore(ledger.backup(tmp_path / "b").path, ts=NOON)
    key = entry_key()
    with pytest.raises(LeaseLost):
        empty.record_intent(key, request_for(key), ts=NOON, lease=lease)
    following = empty.leases.acquire("ticks", "next", TTL, NOON)
    assert isinstance(following, Lease)
    assert following.token > lease.token + 1


def test_a_backup_is_not_written_over(ledger: Ledger, tmp_path: Path) -> None:
    ledger.backup(tmp_path / "b")
    with pytest.raises(Misconfigured, match="exists"):
        ledger.backup(tmp_path / "b")
    assert (tmp_path / "b").stat().st_mode & 0o077 == 0, "nobody else reads what we own"


def test_a_backup_cut_short_anywhere_or_changed_is_refused_and_nothing_is_written(
    ledger: Ledger, empty: Ledger, tmp_path: Path
) -> None:
    _live(ledger)
    whole = ledger.backup(tmp_path / "b").path.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    damaged = {
        "cut": whole[: len(whole) // 2],
        "other": b"PK nothing of ours",
        "endless": gzip.compress(b"".join(lines[:-1])),
        "amount": gzip.compress(b"".join(lines).replace(b'"10000.00000000000000001"', b'"90000"')),
        "row taken out": gzip.compress(b"".join(lines[:5] + lines[6:])),
        "row added": gzip.compress(b"".join([*lines[:5], lines[5], *lines[5:]])),
        "text after": gzip.compress(b"".join([*lines, lines[5]])),
        "empty": b"",
    }
    for name, content in damaged.items():
        path = tmp_path / "damaged"
        path.write_bytes(content)
        with pytest.raises(BadData):
            empty.restore(path, ts=NOON)
        assert empty.entries() == (), name


def test_a_backup_of_another_schema_says_which_version_can_restore_it(ledger: Ledger, tmp_path: Path) -> None:
    content = gzip.decompress(ledger.backup(tmp_path / "b").path.read_bytes())
    (tmp_path / "old").write_bytes(gzip.compress(content.replace(f'"schema":"{HEAD}"'.encode(), b'"schema":"0000"')))
    with pytest.raises(Misconfigured, match="schema 0000"):
        read_backup(tmp_path / "old")


def test_a_backup_taken_under_load_is_of_one_moment_and_writers_lose_nothing(url: str, tmp_path: Path) -> None:
    count = 40
    with Ledger.open(url, account="main", exchange="kraken") as ledger:
        writers = [start("write", url, name, str(count)) for name in "ab"]
        backups: list[Backup] = []
        while any(writer.poll() is None for writer in writers):
            backups.append(ledger.backup(tmp_path / f"b{len(backups)}"))
        assert [writer.wait() for writer in writers] == [0, 0]
        assert ledger.cash() == {"USD": Decimal(2 * count), "EUR": Decimal(count)}
        for backup in backups:
            assert backup.entries == backup.top
            assert ledger.begins_with(backup.path)
    with Ledger.open(sqlite_url(tmp_path / "again"), account="main", exchange="kraken") as again:
        assert again.restore(backups[-1].path, ts=NOON).sound


def _tamper(ledger: Ledger, *statements: str) -> None:
    """Change what no program of ours can: as somebody with the database's own tools would."""
    engine = ledger._store.engine
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _drop(ledger: Ledger, table: str) -> list[str]:
    if ledger._store.engine.dialect.name == "sqlite":
        return [f"DROP TRIGGER {table}_{name}" for name in ("no_update", "no_delete", "no_replace")]
    return [f"DROP TRIGGER {table}_{name} ON {table}" for name in ("append_only", "no_truncate")]


def test_verify_finds_a_sound_ledger_sound(ledger: Ledger) -> None:
    assert ledger.verify().sound
    _live(ledger)
    found = ledger.verify()
    assert found.problems == ()
    assert found.entries == sum(book.entries for book in found.books) > 10
    assert {book.book: book.cash for book in found.books}["second@kraken"] == {"EUR": Decimal(7)}


def test_verify_says_what_somebody_with_the_database_s_tools_has_done(ledger: Ledger, tmp_path: Path) -> None:
    _live(ledger)
    backup = ledger.backup(tmp_path / "b")
    assert ledger.begins_with(backup.path)
    _tamper(ledger, *_drop(ledger, "cash"), "UPDATE cash SET amount = '90000' WHERE asset = 'USD'")
    found = ledger.verify()
    assert any("guard cash_no" in problem or "guard cash_append" in problem for problem in found.problems)
    assert not ledger.begins_with(backup.path), "an amount changed since the backup"
    (last,) = [entry.seq for entry in ledger.entries()][-1:]
    _tamper(ledger, *_drop(ledger, "tick"), "DELETE FROM tick")
    assert any("has no row in tick" in problem for problem in ledger.verify().problems)
    _tamper(ledger, *_drop(ledger, "outcome"), "UPDATE outcome SET client_order_id = 'nobody'")
    assert any("outcome of an intent that is not there" in problem for problem in ledger.verify().problems)
    _tamper(ledger, "UPDATE cash SET amount = 'a lot'")
    assert any("cannot be understood" in problem for problem in ledger.verify().problems)
    assert last > 1


def test_verify_finds_entries_that_were_taken_out_whole(ledger: Ledger) -> None:
    ledger.book_cash([deposit(f"m{number}", "USD", "1") for number in range(5)])
    tables = [*_drop(ledger, "cash"), *_drop(ledger, "entry")]
    _tamper(ledger, *tables, "DELETE FROM cash WHERE seq IN (2, 3)", "DELETE FROM entry WHERE seq IN (2, 3)")
    assert "entries 2 to 3 are missing" in ledger.verify().problems


def test_a_file_that_is_no_ledger_schema_is_told_in_a_sentence(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path))
    engine.dispose()
    with pytest.raises(KrackenError, match="there is no file"):
        read_backup(tmp_path / "nothing")

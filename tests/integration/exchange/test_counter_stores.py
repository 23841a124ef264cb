"""Counters in memory, in a SQLite file and in a real PostgreSQL: one protocol, the same tests."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from kracken_tasks.exchange.rates import Charge, Limit, Priority, RateBudget
from kracken_tasks.exchange.rates.counters import Level
from kracken_tasks.exchange.rates.postgres import PostgresCounters
from kracken_tasks.exchange.rates.sqlite import SqliteCounters
from kracken_tasks.exchange.rates.store import CounterStore, MemoryCounters, StoreUnreachable
from tests.support.ledger import fresh_postgres, postgres_server
from tests.support.rates import HeldClock

Opener = Callable[[], CounterStore]
CHARGE = Charge("one", 1.0, Limit(5.0, 1.0))
_NUMBER = count(1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, clock: HeldClock) -> Iterator[Opener]:
    """Opens the same counters, as another process would."""
    if request.param == "memory":
        only = MemoryCounters(clock.now)
        yield lambda: only
    elif request.param == "sqlite":
        yield lambda: SqliteCounters(tmp_path / "deep" / "rates.sqlite", clock.now)
    else:
        with fresh_postgres(request.getfixturevalue("postgres"), f"rates_{next(_NUMBER)}") as url:
            opened: list[PostgresCounters] = []

            def again() -> CounterStore:
                opened.append(PostgresCounters(url, clock.now))
                return opened[-1]

            yield again
            for store in opened:
                store.close()


def test_what_one_writes_another_reads(opener: Opener, clock: HeldClock) -> None:
    first, second = opener(), opener()
    assert first.levels() == {}
    first.change(["one", "two"], lambda levels, now: ({"one": Level(3.0, now)}, None))
    assert second.levels() == {"one": Level(3.0, clock.at)}
    seen = second.change(["one", "two"], lambda levels, now: ({}, dict(levels)))
    assert seen == {"one": Level(3.0, clock.at)}


def test_what_fails_in_the_middle_leaves_nothing_behind(opener: Opener) -> None:
    store = opener()

    def broken(levels: Mapping[str, Level], now: float) -> tuple[Mapping[str, Level], None]:
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        store.change(["one"], broken)
    assert store.levels() == {}
    assert store.change(["one"], lambda levels, now: ({"one": Level(1.0, now)}, "done")) == "done"


def test_a_budget_is_one_whoever_opens_it(opener: Opener, clock: HeldClock) -> None:
    first, second = (RateBudget(opener(), pause=clock.wait) for _ in range(2))
    for budget in (first, second, first, second, first):
        assert budget.spend([CHARGE], Priority.READ) == 0
    assert second.counts([CHARGE]) == {"one": 5.0}
    assert second.spend([CHARGE], Priority.READ) == pytest.approx(1.0)


def test_nobody_gets_between_a_read_and_its_write(opener: Opener, clock: HeldClock) -> None:
    stores = [opener() for _ in range(4)]

    def raise_by_one(levels: Mapping[str, Level], now: float) -> tuple[Mapping[str, Level], None]:
        return {"one": Level(levels["one"].count + 1 if "one" in levels else 1.0, now)}, None

    def many(store: CounterStore) -> None:
        for _ in range(25):
            store.change(["one"], raise_by_one)

    threads = [threading.Thread(target=many, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert stores[0].levels()["one"].count == 100


def test_two_that_want_the_same_counters_in_another_order_do_not_block_each_other(opener: Opener) -> None:
    stores = [opener(), opener()]

    def many(store: CounterStore, names: list[str]) -> None:
        for _ in range(25):
            store.change(names, lambda levels, now: ({name: Level(1.0, now) for name in names}, None))

    threads = [threading.Thread(target=many, args=pair) for pair in zip(stores, (["a", "b"], ["b", "a"]), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_a_clock_that_went_back_forgets_nothing(opener: Opener, clock: HeldClock) -> None:
    budget = RateBudget(opener(), pause=clock.wait)
    for _ in range(5):
        budget.spend([CHARGE], Priority.READ)
    clock.at = 3.0  # the machine was started anew
    assert budget.spend([CHARGE], Priority.READ) == pytest.approx(1.0)


def test_a_file_that_cannot_be_opened_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = SqliteCounters(tmp_path / "file" / "rates.sqlite")
    with pytest.raises(StoreUnreachable):
        store.change(["one"], lambda levels, now: ({}, None))
    assert RateBudget(store).spend([CHARGE], Priority.PROTECT) == 0


def test_a_server_that_is_not_there_is_said_so_without_its_password() -> None:
    store = PostgresCounters("postgresql+psycopg://user:topsecret@127.0.0.1:1/none")
    with pytest.raises(StoreUnreachable) as told:
        store.change(["one"], lambda levels, now: ({}, None))
    assert "topsecret" not in f"{told.value!r} {told.value.__cause__!r}"


def test_the_servers_clock_counts_where_none_is_handed_in(postgres: str) -> None:
    with fresh_postgres(postgres, f"rates_{next(_NUMBER)}") as url:
        store = PostgresCounters(url)
        first = store.seconds()
        assert store.change(["one"], lambda levels, now: ({"one": Level(1.0, now)}, now)) >= first > 1_000_000_000
        store.close()


def test_a_table_that_somebody_emptied_is_counted_in_anew(postgres: str, clock: HeldClock) -> None:
    from sqlalchemy import create_engine, text

    with fresh_postgres(postgres, f"rates_{next(_NUMBER)}") as url:
        store = PostgresCounters(url, clock.now)
        budget = RateBudget(store, pause=clock.wait)
        budget.spend([CHARGE], Priority.READ)
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM rate_counters"))
        engine.dispose()
        budget.spend([CHARGE], Priority.READ)
        assert budget.counts([CHARGE]) == {"one": 1.0}
        store.close()


def test_a_connection_that_the_server_dropped_is_opened_again(postgres: str, clock: HeldClock) -> None:
    from sqlalchemy import create_engine, text

    with fresh_postgres(postgres, f"rates_{next(_NUMBER)}") as url:
        store = PostgresCounters(url, clock.now)
        store.change(["one"], lambda levels, now: ({"one": Level(2.0, now)}, None))
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            )
        engine.dispose()
        assert store.levels()["one"].count == 2.0
        store.close()


def test_a_process_frozen_while_it_holds_the_file_stops_nobody(tmp_path: Path, clock: HeldClock) -> None:
    path = tmp_path / "rates.sqlite"
    SqliteCounters(path, clock.now).levels()
    frozen = sqlite3.connect(path, isolation_level=None)
    frozen.execute("BEGIN IMMEDIATE")
    budget = RateBudget(SqliteCounters(path, clock.now, lock_seconds=0.02), pause=clock.wait)
    assert budget.spend([CHARGE], Priority.PROTECT) == 0
    frozen.execute("ROLLBACK")
    frozen.close()
    assert budget.spend([CHARGE], Priority.PROTECT) == 0
    assert budget.counts([CHARGE]) == {"one": 1.0}


def test_numbers_given_out_only_rise_whoever_asks_and_whatever_their_clocks_say(opener: Opener) -> None:
    first, second = RateBudget(opener()), RateBudget(opener())
    told = [first.next_number("nonce", 1_000), second.next_number("nonce", 400), first.next_number("nonce", 1_001)]
    assert told == [1_000, 1_001, 1_002]
    assert second.next_number("nonce", 1_800_000_000_000) == 1_800_000_000_000
    assert first.next_number("other", 5) == 5


def test_a_lane_is_held_by_one_alone_and_free_when_it_is_left(opener: Opener) -> None:
    first, second = RateBudget(opener()), RateBudget(opener())
    shared = not isinstance(first.store, MemoryCounters)  # counters of one process have nobody to keep out
    with first.lane("key", 0.0) as held:
        assert held
        with second.lane("key", 0.02) as other, second.lane("another key", 0.0) as apart:
            assert other is not shared
            assert apart
    with second.lane("key", 0.0) as held:
        assert held


def test_a_lane_is_left_also_by_a_call_that_fails(opener: Opener) -> None:
    first, second = RateBudget(opener()), RateBudget(opener())
    with pytest.raises(RuntimeError), first.lane("key", 0.0):
        raise RuntimeError("the venue hung up")
    with second.lane("key", 0.0) as held:
        assert held

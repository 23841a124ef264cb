"""Storage primitives: exclusive, atomic puts; sets of time."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.store import LocalStore, Store
from tests.support.lake_stores import STORES, MemoryStore, store_of


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


def test_the_second_writer_of_a_name_is_told_and_changes_nothing(store: Store) -> None:
    assert store.put_if_absent("a/b.json", b"first")
    assert not store.put_if_absent("a/b.json", b"second")
    assert store.get("a/b.json") == b"first"


def test_of_many_writers_of_one_name_exactly_one_wins(store: Store) -> None:
    won: list[int] = []
    gate = threading.Barrier(8)

    def write(number: int) -> None:
        gate.wait()
        if store.put_if_absent("_commits/000000000001.json", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("_commits/000000000001.json") == str(won[0]).encode()
    assert len(won) == 1


def test_scratch_is_replaced_so_that_a_torn_one_does_not_stay(store: Store) -> None:
    store.put_scratch("_staging/a.parquet", b"torn")
    store.put_scratch("_staging/a.parquet", b"whole")
    assert store.get("_staging/a.parquet") == b"whole"
    assert store.list("_staging") == ["_staging/a.parquet"]


def test_many_objects_are_put_once_each_whatever_is_there(store: Store) -> None:
    store.put_if_absent("data/3.parquet", b"old")
    store.put_many({f"data/{number}.parquet": str(number).encode() for number in range(20)})
    assert [store.get(f"data/{number}.parquet") for number in (0, 3, 19)] == [b"0", b"old", b"19"]


def test_a_listing_shows_whole_objects_only(store: Store) -> None:
    store.put_many({"data/k/2.parquet": b"2", "data/k/1.parquet": b"1", "other/x": b""})
    assert store.list("data") == ["data/k/1.parquet", "data/k/2.parquet"]
    assert store.list("nowhere") == []
    path = store.local_path("data/k/.tmp") if isinstance(store, MemoryStore) else None
    assert path is None


def test_a_temporary_file_left_by_a_kill_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".tmp-77-1-0").write_bytes(b"half")
    assert LocalStore(tmp_path).list("data") == []


def test_a_missing_object_is_named(store: Store) -> None:
    for ask in (store.get, lambda name: store.get_part(name, 2, 3)):
        with pytest.raises(BadData) as caught:
            ask("data/gone.parquet")
        assert caught.value.fields["name"] == "data/gone.parquet"


@pytest.mark.parametrize(("start", "size", "part"), [(0, 3, b"abc"), (2, 1, b"c"), (4, 99, b"ef"), (0, 6, b"abcdef")])
def test_a_part_of_an_object_is_its_bytes_from_there_on(store: Store, start: int, size: int, part: bytes) -> None:
    store.put_if_absent("data/1.parquet", b"abcdef")
    assert store.get_part("data/1.parquet", start, size) == part


def test_an_object_that_lies_under_another_name_is_put_like_any_other(store: Store) -> None:
    store.put_scratch("_staging/a", b"rows")
    store.put_many(
        {"data/1": b"rows", "data/2": b"more", "data/3": b"gone"}, {"data/1": "_staging/a", "data/3": "_staging/b"}
    )
    store.put_many({"data/1": b"rows"}, {"data/1": "_staging/a"})
    store.put_scratch("_staging/a", b"other")
    store.delete("_staging/a")
    assert [store.get(f"data/{number}") for number in (1, 2, 3)] == [b"rows", b"more", b"gone"]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", "", "a/../b", ".hidden"])
def test_a_name_cannot_leave_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadData):
        LocalStore(tmp_path).put_if_absent(name, b"")


_SETS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)


def points(parts: object) -> set[int]:
    return {point for start, end in parts for point in range(start, end)}  # type: ignore[attr-defined]


@given(left=_SETS, right=_SETS)
def test_sets_of_time_behave_like_sets_of_moments(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    assert points(spans.union(left, right)) == points(left) | points(right)
    assert points(spans.subtract(left, right)) == points(left) - points(right)
    assert points(spans.intersect(left, right)) == points(left) & points(right)
    merged = spans.union(left, right)
    assert all(a[1] < b[0] for a, b in pairwise(merged))


@given(st.sets(st.integers(0, 60)))
def test_rows_on_a_grid_fill_their_windows(opens: set[int]) -> None:
    ts = np.array(sorted(opens), np.int64) * 10
    assert points(spans.of_grid(ts, 10)) == {moment for start in ts.tolist() for moment in range(start, start + 10)}

"""Old commits are folded into segments: whoever is killed, late or asleep meanwhile, there is one history and all of it is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kracken_tasks.errors import BadData
from kracken_tasks.lake import Lake
from kracken_tasks.lake.log import CommitLog
from kracken_tasks.lake.manifest import Commit, State
from kracken_tasks.lake.segments import SEGMENT
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, candle_frame, commit_frame, hours
from tests.support.lake_stores import Killed, MemoryStore, StoppingStore

LAST = 2 * SEGMENT + 30
FOLDED = SEGMENT


def empty_commit(state: State, kind: str = "compact") -> Commit:
    seq = state.seq + 1
    return Commit(seq, state.hash, 10 * seq, kind, "", "", seq, ())


def extended(store: Store, upto: int) -> None:
    log = CommitLog(store)
    state = log.head()
    while state.seq < upto:
        after = log.append(state, empty_commit(state))
        assert after is not None
        state = after


@pytest.fixture(scope="module")
def written() -> MemoryStore:
    store = MemoryStore()
    extended(store, LAST)
    return store


@pytest.fixture
def store(written: MemoryStore) -> MemoryStore:
    return copied(written)


def copied(store: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    copy.objects = dict(store.objects)
    return copy


def history(store: Store) -> tuple[int, str, list[bytes]]:
    log = CommitLog(store)
    head = log.head()
    return head.seq, head.hash, [commit.to_bytes() for commit in log.commits(head.seq)]


def test_a_folded_log_reads_as_before_and_its_old_files_are_gone(store: MemoryStore) -> None:
    before = history(store)
    states = [CommitLog(store).state(seq).hash for seq in (0, 1, 700, SEGMENT, SEGMENT + 1, LAST - 1)]
    assert CommitLog(store).fold() == FOLDED
    assert len(store.list("_commits")) == LAST - FOLDED
    assert len(store.list("_segments")) == 1
    assert history(store) == before
    assert [CommitLog(store).state(seq).hash for seq in (0, 1, 700, SEGMENT, SEGMENT + 1, LAST - 1)] == states
    assert [CommitLog(store).seq_known_at(moment) for moment in (0, 10, 5009, 10**9)] == [0, 1, 500, LAST]
    assert CommitLog(store).fold() == 0


def test_a_long_log_is_folded_at_once_and_its_head_found_again(store: MemoryStore) -> None:
    extended(store, 6 * SEGMENT)
    before = history(store)
    assert Lake(store).vacuum().commits == 5 * SEGMENT
    assert len(store.list("_commits")) == SEGMENT
    assert history(store) == before
    extended(store, 6 * SEGMENT + 5)
    assert CommitLog(store).head().seq == 6 * SEGMENT + 5


def test_opening_a_folded_log_looks_at_few_objects(store: MemoryStore) -> None:
    CommitLog(store).fold()
    asked: list[str] = []

    class Counting(MemoryStore):
        def get(self, name: str) -> bytes:
            asked.append(name)
            return super().get(name)

        def exists(self, name: str) -> bool:
            asked.append(name)
            return super().exists(name)

    counting = Counting()
    counting.objects = store.objects
    assert CommitLog(counting).head().seq == LAST
    assert len(asked) < 80


def test_killed_anywhere_while_folding_the_history_is_whole_and_the_next_round_ends_it(written: MemoryStore) -> None:
    before = history(written)
    for stop in (1, 2, 3, FOLDED // 2, FOLDED, FOLDED + 1):
        store = copied(written)
        with pytest.raises(Killed):
            CommitLog(StoppingStore(store, stop)).fold()
        assert history(store) == before
        CommitLog(store).fold()
        assert history(store) == before
        assert len(store.list("_commits")) == LAST - FOLDED


class _During(MemoryStore):
    """Does something once, right before a name is put or looked for, after it was armed."""

    armed = False

    def __init__(self, inner: MemoryStore, name: str, act: Callable[[], None], *, putting: bool) -> None:
        super().__init__()
        self.objects = inner.objects
        self._name, self._acts, self._putting = name, [act], putting

    def put_if_absent(self, name: str, data: bytes) -> bool:
        if self.armed and self._putting and name == self._name and self._acts:
            self._acts.pop()()
        return super().put_if_absent(name, data)

    def exists(self, name: str) -> bool:
        if self.armed and not self._putting and name == self._name and self._acts:
            self._acts.pop()()
        return super().exists(name)


def _overtake(store: MemoryStore, upto: int = LAST) -> Callable[[], None]:
    def act() -> None:
        extended(store, upto)
        CommitLog(store).fold()

    return act


def test_a_writer_that_slept_until_its_number_was_folded_loses_and_drafts_again() -> None:
    inner = MemoryStore()
    extended(inner, 5)
    sleepy = _During(inner, "_commits/000000000006.json", _overtake(inner), putting=True)
    sleepy.armed = True
    assert commit_frame(Lake(sleepy), BTC, candle_frame(3), hours(3)) == LAST + 1
    assert not inner.exists("_commits/000000000006.json")
    assert CommitLog(inner).commit(6).kind == "compact"
    assert len(Lake(inner).snapshot().candles(BTC)) == 3


def test_what_a_sleeper_wrote_before_it_was_killed_counts_for_nobody() -> None:
    inner = MemoryStore()
    extended(inner, 5)
    old_reader = CommitLog(inner)
    state = old_reader.head()
    stray = empty_commit(state, "sweep").to_bytes()
    _overtake(inner)()
    before = history(inner)
    assert inner.put_if_absent("_commits/000000000006.json", stray)  # and then it died
    assert old_reader.head().seq == LAST
    assert old_reader.commit(6).kind == "compact"
    assert history(inner) == before
    extended(inner, LAST + 3)
    CommitLog(inner).fold()
    assert not inner.exists("_commits/000000000006.json")
    assert history(inner)[2][: len(before[2])] == before[2]


def test_a_writer_frozen_after_its_commit_until_that_was_folded_has_committed() -> None:
    inner = MemoryStore()
    extended(inner, 5)
    # The look at the segment of its own number is the first thing it does after the commit is there.
    frozen = _During(inner, "_segments/000000000001.zst", _overtake(inner), putting=False)
    log = CommitLog(frozen)
    head = log.head()
    frozen.armed = True
    after = log.append(head, empty_commit(head, "sweep"))
    assert after is not None
    assert (after.seq, CommitLog(inner).commit(6).kind) == (6, "sweep")


@pytest.mark.parametrize("seen", [0, 5, SEGMENT - 1, SEGMENT, SEGMENT + 7])
def test_a_reader_that_looks_for_the_head_while_names_are_freed_finds_it(seen: int) -> None:
    inner = MemoryStore()
    extended(inner, max(seen, 1))
    reader_store = _During(inner, f"_commits/{seen + 1:012d}.json", _overtake(inner), putting=False)
    log = CommitLog(reader_store)
    if seen:
        assert log.head().seq == seen
    reader_store.armed = True
    assert log.head().seq == LAST
    assert log.state(3).seq == 3


def test_a_damaged_segment_is_named(store: MemoryStore) -> None:
    CommitLog(store).fold()
    [name] = store.list("_segments")
    store.objects[name] = b"rot"
    with pytest.raises(BadData, match=name):
        CommitLog(store).commit(3)

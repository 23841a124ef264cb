"""Killed after any change to the store, the lake reads as before or after the commit, and the next run completes it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.refs import StagedBatch, StagedSeries
from kracken_tasks.errors import BadData
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.lake.log import CHECKPOINT_EVERY
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, commit_frame, hours, stage_frame
from tests.support.lake_stores import Killed, MemoryStore, StoppingStore
from tests.support.tape_frames import TRADES, seconds, trade_frame

ROWS = 700


def ingest(store: Store) -> int:
    """One run: stage two series and a tape, commit all of them, one row of the second kept out."""
    lake = Lake(store)
    frame = candle_frame(ROWS + 5)
    changed = frame.copy()
    changed.loc[10, "close"] += 1.0
    kept_out = frame.iloc[[ROWS]].assign(rule="volume_not_negative", reason="because")
    btc = stage_frame(lake, BTC, changed)
    eth = stage_frame(lake, ETH, frame.drop(index=ROWS))
    tape = lake.stage(TRADES, trade_frame(30), asked_from=START, asked_to=seconds(40), source="stream")
    verdict = accepting([btc, eth, tape], quarantined=[lake.stage_rows(eth, kept_out)])
    return lake.commit(verdict, known_at=hours(ROWS + 5)).seq


def prepared() -> MemoryStore:
    """A lake whose next commit writes a checkpoint as well."""
    store = MemoryStore()
    lake = Lake(store)
    frame = candle_frame(ROWS)
    commit_frame(lake, BTC, frame.iloc[: ROWS - CHECKPOINT_EVERY])
    for at in range(ROWS - CHECKPOINT_EVERY, ROWS - 2):
        commit_frame(lake, BTC, frame.iloc[at : at + 1])
    assert lake.snapshot().seq == CHECKPOINT_EVERY - 1
    return store


def copied(store: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    copy.objects = dict(store.objects)
    return copy


def seen(store: Store) -> tuple[int, list[float], list[float], list[int], bool]:
    snap = Lake(store).snapshot()
    closes = [snap.candles(key)["close"].tolist() for key in (BTC, ETH)]
    return snap.seq, closes[0], closes[1], snap.tape(TRADES)["trade_id"].tolist(), snap.in_quarantine(ETH)


def test_killed_after_any_store_call_readers_see_before_or_after_and_a_rerun_completes() -> None:
    base = prepared()
    before = seen(base)
    whole = copied(base)
    counter = StoppingStore(whole)
    ingest(counter)
    after = seen(whole)
    assert after[0] == before[0] + 1
    assert counter.changes >= 7
    outcomes = []
    for stop in range(1, counter.changes + 1):
        store = copied(base)
        with pytest.raises(Killed):
            ingest(StoppingStore(store, stop))
        found = seen(store)
        assert found in (before, after)
        outcomes.append(found == after)
        assert ingest(store) == after[0]
        assert seen(store) == after
        assert Lake(store).verify() == []
    assert outcomes == sorted(outcomes)
    assert outcomes[-1]


@pytest.mark.parametrize("step", ["compact", "vacuum"])
def test_killed_during_upkeep_nothing_that_is_read_changes(step: str) -> None:
    base = prepared()
    ingest(base)
    for at in range(3):  # some files to join and some to delete
        commit_frame(Lake(base), ETH, candle_frame(600, start=hours(1000 + 700 * at)))
    expected = seen(base)[1:]

    def upkeep(store: Store) -> None:
        lake = Lake(store)
        lake.compact(known_at=hours(9000)) if step == "compact" else lake.vacuum(staged_before=utc(2999, 1, 1))

    counter = StoppingStore(copied(base))
    upkeep(counter)
    assert counter.changes > 1
    for stop in range(1, counter.changes + 1):
        store = copied(base)
        with pytest.raises(Killed):
            upkeep(StoppingStore(store, stop))
        assert seen(store)[1:] == expected
        upkeep(store)
        assert seen(store)[1:] == expected
        old = Lake(store).snapshot(as_of=5).candles(BTC)
        pd.testing.assert_frame_equal(old, Lake(base).snapshot(as_of=5).candles(BTC))


def test_killed_while_rows_are_released_they_are_out_or_held_and_asking_again_completes_it() -> None:
    base = prepared()
    ingest(base)

    def release(store: Store) -> None:
        Lake(store).release(ETH, by="Ada", reason="fine", known_at=hours(ROWS + 9))

    counter = StoppingStore(copied(base))
    release(counter)
    for stop in range(1, counter.changes + 1):
        store = copied(base)
        with pytest.raises(Killed):
            release(StoppingStore(store, stop))
        if seen(store)[-1]:  # still held
            release(store)
        assert seen(store)[-1] is False
        assert len(seen(store)[2]) == ROWS + 5
        assert Lake(store).verify() == []


def test_two_writers_that_read_the_same_head_both_commit() -> None:
    frame = candle_frame(40)
    inner = MemoryStore()

    class Overtaken(MemoryStore):
        """Another writer commits just before our first commit lands."""

        overtaken = False

        def put_if_absent(self, name: str, data: bytes) -> bool:
            if name.startswith("_commits/") and not self.overtaken:
                self.overtaken = True
                commit_frame(Lake(inner), BTC, frame.iloc[20:30])
            return super().put_if_absent(name, data)

    store = Overtaken()
    store.objects = inner.objects
    lake = Lake(store)
    ref = lake.commit(accepting([stage_frame(lake, BTC, frame.iloc[:25])]), known_at=hours(40))
    assert (ref.seq, ref.rows_added, ref.rows_unchanged) == (2, 20, 5)
    pd.testing.assert_frame_equal(Lake(inner).snapshot().candles(BTC), frame.iloc[:30])


def test_many_threads_on_one_series_lose_nothing(tmp_path: Path) -> None:
    frame = candle_frame(240)
    gate = threading.Barrier(6)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            lake = Lake(LocalStore(tmp_path))
            gate.wait()
            for at in range(number, 24, 6):
                commit_frame(lake, BTC, frame.iloc[at * 10 : at * 10 + 10])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    snap = Lake(LocalStore(tmp_path)).snapshot()
    assert snap.seq == 24
    pd.testing.assert_frame_equal(snap.candles(BTC), frame)


def _commit_parts(root: Path, number: int) -> None:
    lake = Lake(LocalStore(root))
    frame = candle_frame(200)
    for at in range(number, 20, 2):
        commit_frame(lake, BTC, frame.iloc[at * 10 : at * 10 + 10])


def test_two_processes_on_one_series_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_commit_parts, args=(tmp_path, number)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    snap = Lake(LocalStore(tmp_path)).snapshot()
    assert snap.seq == 20
    pd.testing.assert_frame_equal(snap.candles(BTC), candle_frame(200))


def _commit_for_ever(root: Path) -> None:
    lake = Lake(LocalStore(root))
    frame = candle_frame(5000)
    for at in range(5000):
        commit_frame(lake, BTC, frame.iloc[at : at + 1])


def test_a_process_killed_while_it_commits_leaves_a_whole_lake(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        worker = context.Process(target=_commit_for_ever, args=(tmp_path,))
        worker.start()
        reader, begun = Lake(LocalStore(tmp_path)), Lake(LocalStore(tmp_path)).snapshot().seq
        while worker.is_alive() and reader.snapshot().seq < begun + 20:
            worker.join(timeout=0.005)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        lake = Lake(LocalStore(tmp_path))
        snap = lake.snapshot()
        assert lake.verify() == []
        assert snap.seq >= begun + 20
        pd.testing.assert_frame_equal(snap.candles(BTC), candle_frame(5000).iloc[: snap.seq])


def test_a_batch_is_the_unit_of_committing() -> None:
    # A verdict on two series of which one is unreadable commits neither.
    store = MemoryStore()
    lake = Lake(store)
    btc, eth = stage_frame(lake, BTC, candle_frame(5)), stage_frame(lake, ETH, candle_frame(5))
    batch = StagedBatch((btc, eth))
    assert batch.rows == 10
    store.delete(eth.path)

    with pytest.raises(BadData):
        lake.commit(accepting(batch.series), known_at=hours(9))
    assert Lake(store).snapshot().seq == 0
    assert isinstance(btc, StagedSeries)


class OvertakenStore(LocalStore):
    """Lets another writer commit right before the first deletion."""

    def __init__(self, root: Path, overtake: Callable[[], object]) -> None:
        super().__init__(root)
        self._overtake = [overtake]

    def delete(self, name: str) -> None:
        if self._overtake:
            self._overtake.pop()()
        super().delete(name)


@pytest.mark.parametrize("step", ["commit", "compact"])
def test_a_sweep_deletes_no_file_that_a_writer_takes_over_from_a_dead_one(step: str, tmp_path: Path) -> None:
    frame, disk = candle_frame(2400), LocalStore(tmp_path)
    if step == "compact":
        for start in range(0, 2400, 600):
            commit_frame(Lake(disk), BTC, frame.iloc[start : start + 600])

    def write(store: Store) -> None:
        if step == "compact":
            Lake(store).compact(known_at=hours(9000))
        else:
            commit_frame(Lake(store), BTC, frame)

    written = 2 if step == "commit" else 1  # staged rows and the data file, or the joined file alone
    with pytest.raises(Killed):
        write(StoppingStore(disk, written))
    for path in (tmp_path / "data").rglob("*.parquet"):
        os.utime(path, (1e9, 1e9))
    store = OvertakenStore(tmp_path, lambda: write(disk))
    assert Lake(store).vacuum(replaced_before=hours(-9000), staged_before=utc(2002, 1, 1)).unnamed == 1
    lake = Lake(LocalStore(tmp_path))
    assert lake.verify() == []
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame)

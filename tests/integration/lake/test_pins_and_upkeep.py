"""Snapshots with names, and rounds of upkeep that nobody who reads or writes notices."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import BadData
from kracken_tasks.lake import Lake, LocalStore, UpkeepReport
from kracken_tasks.lake.log import CHECKPOINT_EVERY, KEPT_CHECKPOINT_EVERY, CommitLog
from kracken_tasks.lake.manifest import Commit, State
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, commit_frame, hours, stage_frame
from tests.support.lake_stores import STORES, Killed, MemoryStore, StoppingStore, store_of
from tests.support.tape_frames import TRADES, commit_tape, seconds, trade_frame

LONG_AGO, MUCH_LATER = utc(1999, 1, 1), utc(2999, 1, 1)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


@pytest.fixture
def lake(store: Store) -> Lake:
    return Lake(store)


def round_at(lake: Lake, now: datetime, *, grace: float = 0, wall: datetime = MUCH_LATER) -> UpkeepReport:
    return lake.maintain(known_at=now, wall_now=wall, keep_replaced=timedelta(hours=grace), keep_staged=timedelta(0))


def test_a_pinned_snapshot_is_read_by_its_name_from_then_on(lake: Lake, store: Store) -> None:
    frame = candle_frame(20)
    commit_frame(lake, BTC, frame.iloc[:10])
    pin = lake.pin("before-the-move", pinned_at=hours(10))
    commit_frame(lake, BTC, frame)
    assert (pin.name, pin.seq, pin.pinned_at) == ("before-the-move", 1, hours(10))
    for reader in (lake, Lake(store)):
        pd.testing.assert_frame_equal(reader.snapshot("before-the-move").candles(BTC), frame.iloc[:10])
        assert reader.sql("SELECT count(*) AS n FROM candles", as_of="before-the-move")["n"][0] == 10
    later = lake.pin("all", 2, pinned_at=hours(20))
    assert [one.name for one in Lake(store).pins()] == ["before-the-move", "all"]
    assert lake.pin("all", pinned_at=hours(21)) == later
    lake.unpin("all")
    assert lake.pins() == [pin]


def test_a_name_stays_with_its_snapshot(lake: Lake) -> None:
    commit_frame(lake, BTC, candle_frame(5))
    lake.pin("study", pinned_at=hours(5))
    commit_frame(lake, ETH, candle_frame(5))
    with pytest.raises(BadData, match="'study' pins commit 1 already, not 2"):
        lake.pin("study", pinned_at=hours(6))
    for call in (lambda: lake.snapshot("unknown"), lambda: lake.unpin("unknown")):
        with pytest.raises(BadData, match="no snapshot is pinned as 'unknown'; pinned: study"):
            call()
    with pytest.raises(BadData, match="no name for a pin"):
        lake.pin("../x", pinned_at=hours(6))


def test_a_history_that_is_not_the_one_that_was_pinned_is_refused(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("other", 2)):
        commit_frame(Lake(LocalStore(tmp_path / name)), BTC, candle_frame(5, seed=seed))
    Lake(LocalStore(tmp_path / "one")).pin("study", pinned_at=hours(5))
    pinned = tmp_path / "one" / "_pins" / "study.json"
    (tmp_path / "other" / "_pins").mkdir()
    (tmp_path / "other" / "_pins" / "study.json").write_bytes(pinned.read_bytes())
    with pytest.raises(BadData, match="not the one that was pinned"):
        Lake(LocalStore(tmp_path / "other")).snapshot("study")


def test_a_round_of_upkeep_joins_files_and_deletes_what_is_past_its_time(lake: Lake, store: Store) -> None:
    frame, trades = candle_frame(1800), trade_frame(1800)
    for at in range(0, 1800, 600):
        commit_frame(lake, BTC, frame.iloc[at : at + 600])
        commit_tape(lake, TRADES, trades.iloc[at : at + 600], known_at=hours(at + 600))
    lake.pin("study", 3, pinned_at=hours(2000))
    before = [(lake.snapshot(seq).candles(BTC), lake.snapshot(seq).tape(TRADES)) for seq in range(7)]
    report = round_at(lake, hours(3000))
    assert (report.files_before, report.files_after, report.swept.replaced, report.swept.staged) == (6, 2, 6, 6)
    assert 0 < report.bytes_after == report.rewritten_bytes
    assert len(store.list("data")) == 2
    assert store.list("_staging") == []
    for seq, (candles, tape) in enumerate(before):
        pd.testing.assert_frame_equal(Lake(store).snapshot(seq).candles(BTC), candles)
        pd.testing.assert_frame_equal(Lake(store).snapshot(seq).tape(TRADES), tape)
    pd.testing.assert_frame_equal(lake.snapshot("study").candles(BTC), before[3][0])
    again = round_at(lake, hours(3001))
    assert (again.seq, again.swept.objects, again.rewritten_bytes) == (report.seq, 0, 0)
    assert lake.verify() == []


def test_replaced_files_wait_for_readers_and_writers_at_work(lake: Lake, store: Store) -> None:
    frame = candle_frame(1200)
    commit_frame(lake, BTC, frame.iloc[:600], hours(600))
    commit_frame(lake, BTC, frame.iloc[600:], hours(1200))
    report = round_at(lake, hours(1300), grace=24, wall=LONG_AGO)
    assert (report.files_after, report.swept.objects, len(store.list("data"))) == (1, 0, 3)
    report = round_at(lake, hours(1400), grace=24, wall=LONG_AGO)
    assert (report.swept.replaced, len(store.list("data"))) == (2, 1)


def test_a_writer_that_drafted_on_files_swept_away_meanwhile_commits_on_the_new_head() -> None:
    frame = candle_frame(1300)
    inner = MemoryStore()
    commit_frame(Lake(inner), BTC, frame.iloc[:600])
    commit_frame(Lake(inner), BTC, frame.iloc[600:1200])

    class Swept(MemoryStore):
        """The files of the head are compacted and deleted right before they are read."""

        done = False

        def get(self, name: str) -> bytes:
            if name.startswith("data/") and not self.done:
                self.done = True
                Lake(inner).compact(known_at=hours(1200))
                Lake(inner).vacuum()
            return super().get(name)

    store = Swept()
    store.objects = inner.objects
    assert commit_frame(Lake(store), BTC, frame.iloc[1100:]) == 4
    assert store.done
    pd.testing.assert_frame_equal(Lake(inner).snapshot().candles(BTC), frame)


def test_what_a_killed_writer_left_is_deleted_when_it_is_old_and_not_before(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    lake = Lake(store)
    commit_frame(lake, BTC, candle_frame(10))
    lost = lake.snapshot().files(BTC)[0].name.replace("20230102", "20230103")
    store.put_if_absent(lost, b"never committed")
    os.utime(tmp_path / lost, (START.timestamp(), START.timestamp()))
    assert lake.vacuum(staged_before=START).unnamed == 0
    swept = lake.vacuum(staged_before=START + timedelta(days=1))
    assert (swept.unnamed, swept.staged, store.exists(lost)) == (1, 0, False)
    assert lake.verify() == []


def test_quarantine_that_a_killed_writer_left_is_deleted_and_all_that_was_ever_named_stays() -> None:
    store = MemoryStore()
    lake = Lake(store)

    def keep_out(at: int, into: Store) -> None:
        frame = candle_frame(10 + at)
        staged = stage_frame(Lake(into), BTC, frame.drop(index=at).reset_index(drop=True))
        out = Lake(into).stage_rows(staged, frame.iloc[[at]].assign(rule="jump", reason="prices do not jump"))
        Lake(into).commit(accepting([staged], quarantined=[out]), known_at=hours(20))

    keep_out(3, store)
    lake.release(BTC, by="Ada", reason="fine", known_at=hours(21))
    for at in (7, 8):  # after the rows that were staged twice, the data and the quarantine; before the commit
        with pytest.raises(Killed):
            keep_out(at, StoppingStore(store, 4))
    assert len(store.list("quarantine")) == 3
    assert lake.vacuum(staged_before=store.now).unnamed == 0  # too young
    store.now += timedelta(days=1)
    swept = lake.vacuum(staged_before=store.now)
    assert (swept.unnamed, len(store.list("quarantine"))) == (4, 1)
    assert len(lake.sql("SELECT * FROM quarantine")) == 1
    keep_out(7, store)
    store.now += timedelta(days=1)
    assert lake.vacuum(staged_before=store.now).unnamed == 0
    assert len(Lake(store).sql("SELECT * FROM quarantine")) == 2
    assert Lake(store).verify() == []


def test_staged_rows_of_a_batch_under_way_are_left_alone(lake: Lake) -> None:
    staged = stage_frame(lake, BTC, candle_frame(10))  # of 2023, and staged now
    round_at(lake, hours(9000), wall=LONG_AGO)
    assert lake.commit(accepting([staged]), known_at=hours(9001)).rows_added == 10


def test_old_checkpoints_are_thinned_out_and_old_snapshots_still_found() -> None:
    store = MemoryStore()
    log = CommitLog(store)
    state = State()
    last = KEPT_CHECKPOINT_EVERY * 2 + CHECKPOINT_EVERY
    for seq in range(1, last + 1):
        after = log.append(state, Commit(seq, state.hash, seq, "compact", "", "", seq, ()))
        assert after is not None
        state = after
    assert len(store.list("_checkpoints")) == last // CHECKPOINT_EVERY
    lake = Lake(store)
    hashes = [Lake(store).snapshot(seq).content_hash for seq in (40, 1030, 1900)]
    assert lake.vacuum().checkpoints == KEPT_CHECKPOINT_EVERY // CHECKPOINT_EVERY - 1
    assert [Lake(store).snapshot(seq).content_hash for seq in (40, 1030, 1900)] == hashes
    assert lake.vacuum().checkpoints == 0


def test_a_sweep_reads_only_what_was_committed_since_the_last(lake: Lake, store: Store) -> None:
    commit_tape(lake, TRADES, trade_frame(10), known_at=seconds(10))
    lake.vacuum()
    store.delete("_commits/000000000001.json")  # reading it again would fail
    commit_tape(lake, TRADES, trade_frame(10, first_id=100), known_at=seconds(200))
    assert lake.vacuum().replaced == 1

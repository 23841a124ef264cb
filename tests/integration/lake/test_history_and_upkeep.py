"""Long histories: files stay few, old snapshots stay right, upkeep changes nothing that is read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import BadData
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.lake.log import CHECKPOINT_EVERY
from kracken_tasks.lake.merge import FAN_OUT, SMALL_ROWS
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, commit_frame, hours, stage_frame
from tests.support.lake_stores import MemoryStore

STEPS = 150
MUCH_LATER = utc(2999, 1, 1)


@pytest.fixture(scope="module")
def long_store() -> MemoryStore:
    """A bulk import, then one candle a commit with a late correction now and then."""
    store = MemoryStore()
    lake = Lake(store)
    frame = candle_frame(1000 + STEPS * 4)
    commit_frame(lake, BTC, frame.iloc[:1000])
    for step in range(STEPS):
        part = frame.iloc[1000 + step * 4 : 1004 + step * 4].copy()
        if step % 10 == 0:
            part = pd.concat([frame.iloc[[step]].assign(close=frame["close"][step] + 0.001 * step), part])
        lake.commit(accepting([stage_frame(lake, BTC, part)]), known_at=hours(1004 + step * 4))
    return store


def test_files_stay_few_however_many_commits(long_store: MemoryStore) -> None:
    files = Lake(long_store).snapshot().files(BTC)
    assert len(files) <= 1 + FAN_OUT
    assert all(left.last < right.first for left, right in pairwise(files))
    assert sum(entry.rows < SMALL_ROWS for entry in files) <= 1


def test_every_snapshot_reads_what_was_known_then(long_store: MemoryStore) -> None:
    frame = candle_frame(1000 + STEPS * 4)
    lake = Lake(long_store)
    assert lake.snapshot().seq == STEPS + 1
    for seq in (1, 2, 33, 64, 100, STEPS):
        snap = lake.snapshot(as_of=seq)
        read = snap.candles(BTC)
        assert len(read) == 1000 + 4 * (seq - 1)
        corrected = [step for step in range(0, seq - 1, 10) if step > 0]
        expected = frame["close"].iloc[: len(read)].copy()
        expected.iloc[corrected] = [frame["close"][step] + 0.001 * step for step in corrected]
        assert read["close"].tolist() == expected.tolist()
        pd.testing.assert_frame_equal(snap.candles(BTC, last=300), read.iloc[-300:].reset_index(drop=True))
        assert snap.last_ts(BTC) == read["ts"].iloc[-1]


def test_compaction_and_vacuum_change_no_snapshot(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    lake = Lake(store)
    frame = candle_frame(1600)
    for at in range(0, 1600, 200):
        commit_frame(lake, BTC, frame.iloc[at : at + 200])
        commit_frame(lake, BTC, frame.iloc[at : at + 1].assign(close=frame["close"][at] + 1.0))
    before = [lake.snapshot(as_of=seq).candles(BTC) for seq in range(lake.snapshot().seq + 1)]
    held = lake.snapshot(as_of=5)
    stored = len(store.list("data"))
    ref = lake.compact(known_at=hours(5000))
    assert lake.compact(known_at=hours(5000)).seq == ref.seq
    removed = lake.vacuum(staged_before=MUCH_LATER).objects
    assert removed > stored - 1
    assert len(store.list("data")) == len(lake.snapshot().files(BTC)) == 1
    assert store.list("_staging") == []
    pd.testing.assert_frame_equal(held.candles(BTC), before[5])
    for seq, frame_then in enumerate(before):
        pd.testing.assert_frame_equal(Lake(store).snapshot(as_of=seq).candles(BTC), frame_then)
    assert lake.snapshot(as_of=hours(4999)).seq == ref.seq - 1


def test_a_fresh_reader_folds_only_what_follows_the_checkpoint(long_store: MemoryStore) -> None:
    read: list[str] = []

    class Counting(MemoryStore):
        def get(self, name: str) -> bytes:
            read.append(name)
            return super().get(name)

    store = Counting()
    store.objects = long_store.objects
    Lake(store).snapshot()
    assert len(read) <= 1 + CHECKPOINT_EVERY
    assert read[0].startswith("_checkpoints/")


def test_a_lost_checkpoint_costs_time_and_nothing_else(long_store: MemoryStore) -> None:
    store = MemoryStore()
    store.objects = {name: raw for name, raw in long_store.objects.items() if not name.startswith("_checkpoints/")}
    left, right = Lake(store).snapshot(), Lake(long_store).snapshot()
    assert (left.seq, left.content_hash, left.files(BTC)) == (right.seq, right.content_hash, right.files(BTC))


def test_a_commit_reads_no_more_when_history_is_longer() -> None:
    store = MemoryStore()
    commit_frame(Lake(store), BTC, candle_frame(40_000))
    frame = candle_frame(40_003)
    read: list[str] = []

    class Counting(MemoryStore):
        def get(self, name: str) -> bytes:
            read.append(name)
            return super().get(name)

    counting = Counting()
    counting.objects = store.objects
    lake = Lake(counting)
    commit_frame(lake, BTC, frame.iloc[40_000:40_001])
    commit_frame(lake, BTC, frame.iloc[40_001:40_002])
    assert [name for name in read if name.startswith("data/")] == []


def test_backfill_before_and_between_is_one_series(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    frame = candle_frame(3000)
    for start, end in ((2000, 3000), (0, 700), (650, 1300), (1900, 2100), (1250, 1950)):
        commit_frame(lake, BTC, frame.iloc[start:end])
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame)
    assert lake.snapshot().missing(BTC, START, hours(3000)) == []
    files = lake.snapshot().files(BTC)
    assert all(left.last < right.first for left, right in pairwise(files))


def test_sql_sees_one_snapshot_and_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    frame = candle_frame(10)
    commit_frame(lake, BTC, frame)
    commit_frame(lake, ETH, frame)
    commit_frame(lake, BTC, frame.assign(close=frame["close"] + 1))
    counts = lake.sql("SELECT symbol, count(*) AS n, max(revision) AS r FROM candles GROUP BY symbol ORDER BY symbol")
    assert counts.to_dict("list") == {"symbol": ["BTC/USD", "ETH/USD"], "n": [10, 10], "r": [1, 0]}
    assert lake.sql("SELECT count(*) AS n FROM candles_all")["n"][0] == 30
    assert lake.sql("SELECT count(*) AS n FROM candles_all", as_of=2)["n"][0] == 20
    assert lake.sql("FROM commits SELECT seq, rows_added, rows_revised").to_numpy().tolist() == [
        [1, 10, 0],
        [2, 10, 0],
        [3, 0, 10],
    ]
    assert len(lake.sql("SELECT * FROM findings")) == len(lake.sql("SELECT * FROM quarantine")) == 0
    pd.testing.assert_series_equal(
        lake.sql("SELECT close FROM candles WHERE symbol = 'ETH/USD' ORDER BY ts")["close"], frame["close"]
    )


@pytest.mark.parametrize(
    "query",
    ["SELEC 1", "SELECT nothing FROM candles", "DROP VIEW candles", "SELECT 1; SELECT 2", "", "CREATE TABLE t (a INT)",
     "COPY (SELECT 1) TO '/tmp/leak.csv'", "SELECT * FROM read_csv('/etc/passwd')", "SET memory_limit = '1GB'"],
)  # fmt: skip
def test_a_query_that_is_no_plain_select_is_bad_data_with_the_reason(tmp_path: Path, query: str) -> None:
    lake = Lake(LocalStore(tmp_path))
    commit_frame(lake, BTC, candle_frame(3))

    with pytest.raises(BadData) as caught:
        lake.sql(query)
    assert caught.value.fields["query"] == query


def test_sql_works_on_an_empty_lake_and_on_a_bucket() -> None:
    lake = Lake(MemoryStore())
    assert lake.sql("SELECT * FROM candles").empty
    commit_frame(lake, BTC, candle_frame(5))
    assert lake.sql("SELECT count(*) AS n FROM candles")["n"][0] == 5

"""A staged file whose rows are all new becomes the data file: the judged bytes are the kept ones, and nothing that is read differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.refs import StagedSeries
from kracken_tasks.errors import BadData
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.lake.merge import MOST_TAKEN_OVER, SMALL_ROWS
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, ETH, accepting, candle_frame, commit_frame, hours, stage_frame
from tests.support.lake_stores import STORES, MemoryStore, store_of

MANY = 40_000  # two row groups
MUCH_LATER = utc(2999, 1, 1)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


@pytest.fixture
def lake(store: Store) -> Lake:
    return Lake(store)


def committed(lake: Lake, frame: pd.DataFrame) -> StagedSeries:
    staged = stage_frame(lake, BTC, frame)
    lake.commit(accepting([staged]), known_at=hours(MANY + 10))
    return staged


def test_the_bytes_that_were_judged_are_the_bytes_that_are_kept(lake: Lake, store: Store) -> None:
    frame = candle_frame(MANY)
    frame.loc[5, "vwap"], frame.loc[6, "trades"] = np.nan, pd.NA
    staged = committed(lake, frame)
    (entry,) = lake.snapshot().files(BTC)
    assert (entry.sha256, entry.bare, len(entry.groups)) == (staged.content_hash, True, 2)
    assert store.get(entry.name) == store.get(staged.path)
    for reader in (lake, Lake(store)):
        snap = reader.snapshot()
        pd.testing.assert_frame_equal(snap.candles(BTC), frame)
        pd.testing.assert_frame_equal(
            snap.candles(BTC, hours(32_760), hours(32_790)), frame.iloc[32_760:32_790].reset_index(drop=True)
        )
        told = snap.revisions(BTC, hours(7), hours(9))
        assert told[["revision", "commit_seq"]].to_numpy().tolist() == [[0, 1], [0, 1]]
        assert told["known_at"].tolist() == [hours(MANY + 10)] * 2
    lake.vacuum(staged_before=MUCH_LATER)
    assert store.list("_staging") == []
    assert Lake(store).verify() == []
    pd.testing.assert_frame_equal(Lake(store).snapshot().candles(BTC), frame)


def test_sql_reads_files_with_and_without_bookkeeping_alike(lake: Lake) -> None:
    frame = candle_frame(2000)
    commit_frame(lake, BTC, frame.iloc[:600], hours(600))
    commit_frame(lake, BTC, frame.iloc[1000:2000], hours(2000))
    commit_frame(lake, BTC, frame.iloc[600:700], hours(2100))
    files = lake.snapshot().files(BTC)
    assert [entry.bare for entry in files] == [True, False, True]
    told = lake.sql(
        "SELECT commit_seq, revision, count(*) AS n, max(known_at) AS at FROM candles_all GROUP BY ALL ORDER BY 1"
    )
    assert told[["commit_seq", "revision", "n"]].to_numpy().tolist() == [[1, 0, 600], [2, 0, 1000], [3, 0, 100]]
    assert [at.to_pydatetime() for at in told["at"]] == [hours(600), hours(2000), hours(2100)]
    closes = lake.sql(f"SELECT close FROM candles WHERE ts >= '{hours(590):%Y-%m-%dT%H:%MZ}' ORDER BY ts LIMIT 20")
    assert closes["close"].tolist() == frame["close"].iloc[590:610].tolist()
    assert lake.sql("SELECT count(*) AS n FROM candles", as_of=2)["n"][0] == 1600
    assert lake.sql("SELECT count(vwap) AS n FROM candles WHERE trades IS NOT NULL")["n"][0] == 1700


def test_what_sql_calls_unknown_is_unknown_in_a_file_taken_over_too(lake: Lake) -> None:
    frame = candle_frame(600)
    frame.loc[3, "vwap"], frame.loc[4, "trades"] = np.nan, pd.NA
    commit_frame(lake, BTC, frame)
    told = lake.sql("SELECT count(vwap) AS v, count(trades) AS t, count(*) AS n FROM candles")
    assert told.to_numpy().tolist() == [[599, 599, 600]]


def test_a_correction_and_compaction_of_a_file_taken_over_keep_every_revision(lake: Lake, store: Store) -> None:
    frame = candle_frame(1500)
    commit_frame(lake, BTC, frame.iloc[:700], hours(700))
    commit_frame(lake, BTC, frame.iloc[700:1400], hours(1400))
    changed = frame.iloc[[650]].assign(close=1.0)
    commit_frame(lake, BTC, changed, hours(1500))
    lake.compact(known_at=hours(1600))
    lake.vacuum(staged_before=MUCH_LATER)
    (entry,) = Lake(store).snapshot().files(BTC)
    assert not entry.bare
    told = Lake(store).snapshot().revisions(BTC)
    assert told["commit_seq"].tolist() == [1] * 651 + [3] + [1] * 49 + [2] * 700
    assert Lake(store).snapshot(as_of=2).candles(BTC)["close"].tolist() == frame["close"].tolist()[:1400]
    assert Lake(store).snapshot().candles(BTC)["close"][650] == 1.0


@pytest.mark.parametrize("rows", [SMALL_ROWS - 1, SMALL_ROWS])
def test_small_batches_are_joined_and_larger_ones_are_taken_over(rows: int) -> None:
    lake = Lake(MemoryStore())
    committed(lake, candle_frame(rows))
    assert [entry.bare for entry in lake.snapshot().files(BTC)] == [rows == SMALL_ROWS]
    assert MOST_TAKEN_OVER > 2**20 - 1


def test_rows_that_reach_into_a_file_or_stand_beside_a_small_one_are_joined_with_it(lake: Lake) -> None:
    frame = candle_frame(3000)
    commit_frame(lake, BTC, frame.iloc[1000:2000])
    commit_frame(lake, BTC, frame.iloc[1990:2600])
    assert [(entry.bare, entry.rows) for entry in lake.snapshot().files(BTC)] == [(True, 1000), (False, 600)]
    commit_frame(lake, ETH, frame.iloc[:10])
    commit_frame(lake, ETH, frame.iloc[10:700])
    assert [entry.bare for entry in lake.snapshot().files(ETH)] == [False]
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame.iloc[1000:2600].reset_index(drop=True))
    pd.testing.assert_frame_equal(lake.snapshot().candles(ETH), frame.iloc[:700])


@pytest.mark.parametrize("order", [[*range(600), 599], [1, 0, *range(2, 600)]])
def test_a_large_file_out_of_order_is_refused_whatever_the_verdict_says(lake: Lake, order: list[int]) -> None:
    with pytest.raises(BadData, match="no candles"):
        committed(lake, candle_frame(600).iloc[order].reset_index(drop=True))


def test_a_large_file_with_a_number_missing_is_refused_whatever_the_verdict_says(lake: Lake) -> None:
    frame = candle_frame(600)
    frame.loc[300, "high"] = np.inf
    with pytest.raises(BadData, match="no candles"):
        committed(lake, frame)


def test_the_same_batch_again_after_it_was_taken_over_makes_no_commit(lake: Lake) -> None:
    staged = committed(lake, candle_frame(600))
    again = lake.commit(accepting([staged]), known_at=hours(MANY + 10))
    assert (again.seq, again.rows_added, again.rows_unchanged) == (1, 0, 600)


def test_a_day_of_a_large_file_in_a_bucket_is_fetched_without_the_rest_of_it() -> None:
    fetched: list[int] = []

    class Counting(MemoryStore):
        def get(self, name: str) -> bytes:
            data = super().get(name)
            if name.startswith("data/"):
                fetched.append(len(data))
            return data

        def get_part(self, name: str, start: int, size: int) -> bytes:
            fetched.append(size)
            return super().get(name)[start : start + size]

    frame, store = candle_frame(9 * 32_768), Counting()
    lake = Lake(store)
    lake.commit(accepting([stage_frame(lake, BTC, frame)]), known_at=hours(len(frame)))
    (entry,) = lake.snapshot().files(BTC)
    at = 100_000
    pd.testing.assert_frame_equal(
        lake.snapshot().candles(BTC, hours(at), hours(at + 24)), frame.iloc[at : at + 24].reset_index(drop=True)
    )
    assert 0 < sum(fetched) < entry.bytes / 4
    assert len(fetched) < 8


class _SweptWhileCommitting(LocalStore):
    """Another process' upkeep deletes staged rows right after they were read."""

    def get(self, name: str) -> bytes:
        data = super().get(name)
        if name.startswith("_staging/"):
            self.delete(name)
        return data


def test_staged_rows_swept_away_after_they_were_read_are_written_again(tmp_path: Path) -> None:
    lake = Lake(_SweptWhileCommitting(tmp_path))
    committed(lake, candle_frame(600))
    fresh = Lake(LocalStore(tmp_path))
    assert fresh.verify() == []
    pd.testing.assert_frame_equal(fresh.snapshot().candles(BTC), candle_frame(600))


def test_a_staged_file_taken_over_is_written_once(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    staged = committed(lake, candle_frame(600))
    (entry,) = lake.snapshot().files(BTC)
    assert (tmp_path / entry.name).stat().st_ino == (tmp_path / staged.path).stat().st_ino
    # Staging the same rows again puts a new file in place of the old one, and leaves the data file what it is.
    stage_frame(lake, BTC, candle_frame(600))
    assert lake.verify() == []
    assert (tmp_path / entry.name).stat().st_ino != (tmp_path / staged.path).stat().st_ino


def test_a_taken_over_file_that_rots_is_named(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    committed(lake, candle_frame(600))
    (entry,) = lake.snapshot().files(BTC)
    (tmp_path / entry.name).write_bytes(b"rot")
    assert lake.verify() == [entry.name]

"""The newest rows of many series lie in one file, and each series is read, corrected and tidied as if it had one of its own."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.lake.merge import SMALL_ROWS
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, accepting, candle_frame, hours, stage_frame
from tests.support.lake_stores import STORES, Killed, MemoryStore, StoppingStore, store_of
from tests.support.tape_frames import QUOTES, TRADES, quote_frame, seconds, trade_frame

KEYS = [SeriesKey("kraken", f"C{number}/USD", Timeframe.H1) for number in range(10)]
FRAMES = {key: candle_frame(700, seed=number) for number, key in enumerate(KEYS)}
MUCH_LATER = utc(2999, 1, 1)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


@pytest.fixture
def lake(store: Store) -> Lake:
    return Lake(store)


def tick(lake: Lake, start: int, end: int, keys: list[SeriesKey] = KEYS) -> int:
    """Commit rows start..end of each series, as one batch."""
    staged = [stage_frame(lake, key, FRAMES[key].iloc[start:end]) for key in keys]
    return lake.commit(accepting(staged), known_at=hours(end)).seq


def test_a_commit_of_one_row_a_series_writes_one_file(lake: Lake, store: Store) -> None:
    for at in range(5):
        tick(lake, at, at + 1)
    assert len(store.list("data")) == 5
    names = {entry.name for key in KEYS for entry in lake.snapshot().files(key)}
    assert len(names) == 1
    for reader in (lake, Lake(store)):
        for key in KEYS:
            pd.testing.assert_frame_equal(reader.snapshot().candles(key), FRAMES[key].iloc[:5])
            pd.testing.assert_frame_equal(reader.snapshot(as_of=2).candles(key), FRAMES[key].iloc[:2])
            assert reader.snapshot().missing(key, hours(0), hours(6)) == [(hours(5), hours(6))]


def test_sql_tells_the_series_of_a_pack_apart(lake: Lake) -> None:
    tick(lake, 0, 600)
    tick(lake, 600, 603)
    changed = FRAMES[KEYS[3]].iloc[601:602].assign(close=7.0)
    lake.commit(accepting([stage_frame(lake, KEYS[3], changed)]), known_at=hours(604))
    told = lake.sql("SELECT symbol, count(*) AS n, sum(close) AS closes FROM candles GROUP BY symbol ORDER BY symbol")
    expected = [FRAMES[key].iloc[:603]["close"].sum() for key in KEYS]
    expected[3] += 7.0 - FRAMES[KEYS[3]]["close"][601]
    assert told["n"].tolist() == [603] * 10
    assert told["closes"].tolist() == pytest.approx(expected)
    assert lake.sql("SELECT count(*) AS n FROM candles_all")["n"][0] == 6031
    assert lake.sql("SELECT count(*) AS n, max(revision) AS r FROM candles_all", as_of=2).to_numpy().tolist() == [
        [6030, 0]
    ]
    assert lake.sql("SELECT DISTINCT source FROM candles")["source"].tolist() == ["ohlc"]


def test_a_pack_is_swept_away_when_no_series_needs_it_and_not_before(lake: Lake, store: Store) -> None:
    tick(lake, 0, 1)
    tick(lake, 1, 2, KEYS[:9])
    assert lake.vacuum().replaced == 0
    assert len(store.list("data")) == 2
    tick(lake, 1, 2, KEYS[9:])
    assert (lake.vacuum().replaced, len(store.list("data"))) == (1, 2)
    assert Lake(store).verify() == []
    for key in KEYS:
        pd.testing.assert_frame_equal(Lake(store).snapshot().candles(key), FRAMES[key].iloc[:2])


def test_series_leave_the_pack_as_they_grow_and_upkeep_changes_nothing(lake: Lake, store: Store) -> None:
    for start, end in ((0, 300), (300, SMALL_ROWS + 100), (SMALL_ROWS + 100, SMALL_ROWS + 101)):
        tick(lake, start, end)
    files = lake.snapshot().files(KEYS[0])
    assert [entry.rows for entry in files] == [SMALL_ROWS + 100, 1]
    assert [entry.at is None for entry in files] == [True, False]
    lake.maintain(
        known_at=hours(9000), wall_now=MUCH_LATER, keep_replaced=timedelta(0), keep_staged=timedelta(0)
    )  # fmt: skip
    assert len(store.list("data")) == 10
    for key in KEYS:
        pd.testing.assert_frame_equal(Lake(store).snapshot().candles(key), FRAMES[key].iloc[: SMALL_ROWS + 101])
        pd.testing.assert_frame_equal(Lake(store).snapshot(as_of=1).candles(key), FRAMES[key].iloc[:300])


def test_candles_trades_and_quotes_of_one_commit_lie_in_packs_of_their_own(lake: Lake, store: Store) -> None:
    other = type(TRADES)(TRADES.exchange, "ETH/USD", TRADES.tape)
    quotes = type(QUOTES)(QUOTES.exchange, "ETH/USD", QUOTES.tape)
    staged = [stage_frame(lake, key, FRAMES[key].iloc[:2]) for key in KEYS[:2]]
    staged += [
        lake.stage(key, frame, asked_from=hours(0), asked_to=seconds(60), source="stream")
        for key, frame in (
            (TRADES, trade_frame(9)),
            (other, trade_frame(5)),
            (QUOTES, quote_frame(4)),
            (quotes, quote_frame(3)),
        )
    ]
    lake.commit(accepting(staged), known_at=hours(3))
    assert len(store.list("data")) == 3
    snap = Lake(store).snapshot()
    assert [len(snap.tape(key)) for key in (TRADES, other, QUOTES, quotes)] == [9, 5, 4, 3]
    told = lake.sql("SELECT symbol, count(*) AS n FROM trades GROUP BY symbol ORDER BY symbol")
    assert told["n"].tolist() == [9, 5]
    assert lake.sql("SELECT count(*) AS n FROM quotes")["n"][0] == 7


def test_a_pack_of_a_bucket_is_fetched_once_for_all_its_series() -> None:
    fetched: Counter[str] = Counter()

    class Counting(MemoryStore):
        def get(self, name: str) -> bytes:
            fetched[name.split("/")[0]] += 1
            return super().get(name)

    store = Counting()
    tick(Lake(store), 0, 3)
    fetched.clear()
    snap = Lake(store).snapshot()
    assert [len(snap.candles(key)) for key in KEYS] == [3] * 10
    assert fetched["data"] == 1


def test_killed_after_any_store_call_of_a_packed_commit_readers_see_before_or_after() -> None:
    base = MemoryStore()
    tick(Lake(base), 0, 4)
    objects = dict(base.objects)

    def again() -> MemoryStore:
        store = MemoryStore()
        store.objects = dict(objects)
        return store

    counter = StoppingStore(again())
    tick(Lake(counter), 4, 6)
    for stop in range(1, counter.changes + 1):
        store = again()
        with pytest.raises(Killed):
            tick(Lake(StoppingStore(store, stop)), 4, 6)
        seen = {len(Lake(store).snapshot().candles(key)) for key in KEYS}
        assert seen in ({4}, {6})
        assert tick(Lake(store), 4, 6) == 2
        assert Lake(store).verify() == []
        for key in KEYS:
            pd.testing.assert_frame_equal(Lake(store).snapshot().candles(key), FRAMES[key].iloc[:6])


def test_a_reader_whose_pack_was_swept_away_reads_the_one_that_came_after(tmp_path: Path) -> None:
    lake, other = Lake(LocalStore(tmp_path)), Lake(LocalStore(tmp_path))
    tick(lake, 0, 2)
    held = Lake(LocalStore(tmp_path)).snapshot()
    tick(other, 2, 4)
    other.vacuum()
    for key in KEYS:
        pd.testing.assert_frame_equal(held.candles(key), FRAMES[key].iloc[:2])


def test_a_writer_whose_pack_was_swept_away_meanwhile_drafts_again(tmp_path: Path) -> None:
    tick(Lake(LocalStore(tmp_path)), 0, 2)

    class Overtaken(LocalStore):
        """Another writer commits, and its upkeep sweeps, right before the first look at a data file."""

        done = False

        def local_path(self, name: str) -> Path | None:
            if name.startswith("data/") and not self.done:
                self.done = True
                tick(Lake(LocalStore(tmp_path)), 2, 3)
                Lake(LocalStore(tmp_path)).vacuum()
            return super().local_path(name)

    store = Overtaken(tmp_path)
    assert tick(Lake(store), 2, 5) == 3
    assert store.done
    for key in KEYS:
        pd.testing.assert_frame_equal(Lake(LocalStore(tmp_path)).snapshot().candles(key), FRAMES[key].iloc[:5])
    assert BTC not in Lake(store).snapshot().series()

"""What a reader of the lake may rely on, on a folder and on a bucket alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.market import CANDLE_COLUMNS
from kracken_tasks.errors import BadData
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, commit_frame, hours, stage_frame
from tests.support.lake_stores import STORES, store_of
from tests.support.tape_frames import TRADES, trade_frame


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


@pytest.fixture
def lake(store: Store) -> Lake:
    return Lake(store)


def test_what_was_committed_is_read_back_to_the_last_bit(lake: Lake, store: Store) -> None:
    frame = candle_frame(100)
    frame.loc[3, "vwap"] = np.nan
    frame.loc[4, "trades"] = pd.NA
    commit_frame(lake, BTC, frame)
    for reader in (lake, Lake(store)):
        read = reader.snapshot().candles(BTC)
        assert tuple(read.columns) == CANDLE_COLUMNS
        assert str(read["ts"].dtype) == "datetime64[ms, UTC]"
        pd.testing.assert_frame_equal(read, frame)


def test_an_empty_lake_and_an_unknown_series_read_as_no_rows(lake: Lake) -> None:
    snap = lake.snapshot()
    read = snap.candles(BTC)
    assert (snap.seq, len(read), tuple(read.columns), snap.last_ts(BTC)) == (0, 0, CANDLE_COLUMNS, None)
    assert snap.missing(BTC, START, hours(3)) == [(START, hours(3))]
    assert (snap.series(), snap.coverage(), snap.holes(BTC, START, START)) == ((), [], [])


def test_the_same_verdict_again_makes_no_commit(lake: Lake) -> None:
    verdict = accepting([stage_frame(lake, BTC, candle_frame(10))])
    first = lake.commit(verdict, known_at=hours(10))
    again = lake.commit(verdict, known_at=hours(11))
    assert (first.seq, first.rows_added) == (1, 10)
    assert (again.seq, again.rows_added, again.rows_unchanged) == (1, 0, 10)
    assert again.content_hash == first.content_hash


def test_overlapping_fetches_add_only_what_is_new(lake: Lake) -> None:
    frame = candle_frame(20)
    commit_frame(lake, BTC, frame.iloc[:12])
    ref = lake.commit(accepting([stage_frame(lake, BTC, frame.iloc[8:])]), known_at=hours(20))
    assert (ref.rows_added, ref.rows_revised, ref.rows_unchanged) == (8, 0, 4)
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame)


def test_a_closed_candle_that_changes_gets_a_revision_and_the_old_value_stays_readable(lake: Lake) -> None:
    frame = candle_frame(10)
    commit_frame(lake, BTC, frame, hours(10))
    changed = frame.copy()
    changed.loc[4, "close"] = changed.loc[4, "close"] + 0.01
    ref = lake.commit(accepting([stage_frame(lake, BTC, changed)]), known_at=hours(12))
    assert (ref.rows_added, ref.rows_revised, ref.rows_unchanged) == (0, 1, 9)
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), changed)
    for as_of in (1, hours(10), hours(11)):
        pd.testing.assert_frame_equal(lake.snapshot(as_of=as_of).candles(BTC), frame)
    rows = lake.snapshot().revisions(BTC)
    assert rows["revision"].tolist() == [0] * 5 + [1] + [0] * 5
    assert rows["commit_seq"].tolist() == [1] * 5 + [2] + [1] * 5
    assert rows["known_at"].dt.hour.tolist() == [10] * 5 + [12] + [10] * 5


def test_an_average_price_is_not_kept_for_a_candle_whose_prices_it_does_not_lie_among(lake: Lake) -> None:
    frame = candle_frame(4)
    commit_frame(lake, BTC, frame)
    moved = frame.copy()
    moved[["open", "high", "low", "close"]] *= 2.0
    commit_frame(lake, BTC, moved.assign(vwap=np.nan, source="archive"))
    told = lake.snapshot().candles(BTC)
    assert told["close"].tolist() == moved["close"].tolist()
    assert told["vwap"].isna().all()


def test_float_noise_in_volume_and_an_unknown_vwap_are_no_revision(lake: Lake) -> None:
    frame = candle_frame(10)
    commit_frame(lake, BTC, frame)
    archive = frame.assign(volume=frame["volume"] * (1 + 1e-12), vwap=np.nan, source="archive")
    archive["trades"] = pd.array([pd.NA] * 10, dtype="Int64")
    assert commit_frame(lake, BTC, archive) == 1
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame)


def test_a_source_that_knows_more_adds_what_it_knows(lake: Lake) -> None:
    frame = candle_frame(10)
    commit_frame(lake, BTC, frame.assign(vwap=np.nan, source="archive"))
    ref = lake.commit(accepting([stage_frame(lake, BTC, frame)]), known_at=hours(12))
    assert ref.rows_revised == 10
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame)


def test_ranges_are_by_open_time_and_half_open(lake: Lake) -> None:
    frame = candle_frame(50)
    commit_frame(lake, BTC, frame)
    snap = lake.snapshot()
    middle = snap.candles(BTC, hours(10), hours(20))
    pd.testing.assert_frame_equal(middle, frame.iloc[10:20].reset_index(drop=True))
    assert snap.candles(BTC, last=5)["ts"].tolist() == frame["ts"].tolist()[-5:]
    assert snap.candles(BTC, end=hours(20), last=3)["ts"].tolist() == frame["ts"].tolist()[17:20]
    assert (len(snap.candles(BTC, hours(50))), len(snap.candles(BTC, last=0)), len(snap.candles(BTC, last=99))) == (
        0,
        0,
        50,
    )


def test_a_frame_that_was_read_may_be_changed_without_harm(lake: Lake) -> None:
    commit_frame(lake, BTC, candle_frame(10))
    first = lake.snapshot().candles(BTC)
    first[["close", "vwap"]] = 0.0
    first.loc[:, "trades"] = 0
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), candle_frame(10))


def test_a_snapshot_does_not_see_later_commits(lake: Lake) -> None:
    frame = candle_frame(30)
    commit_frame(lake, BTC, frame.iloc[:10])
    before = lake.snapshot()
    commit_frame(lake, BTC, frame.iloc[10:])
    commit_frame(lake, ETH, frame)
    assert (len(before.candles(BTC)), before.last_ts(BTC), before.series()) == (10, hours(9), (BTC,))
    assert len(before.candles(ETH)) == 0
    assert before.missing(BTC, START, hours(12)) == [(hours(10), hours(12))]
    assert lake.snapshot().series() == (BTC, ETH)


def test_bytes_that_the_verdict_was_not_given_for_are_refused(lake: Lake) -> None:
    staged = stage_frame(lake, BTC, candle_frame(10))
    other = stage_frame(lake, BTC, candle_frame(10, seed=2))
    swapped = replace(staged, path=other.path)
    as_other = replace(staged, key=ETH)
    stretched = replace(staged, asked_to=hours(99))
    for wrong in (swapped, as_other, stretched):
        with pytest.raises(BadData) as caught:
            lake.commit(accepting([wrong]), known_at=hours(10))
        assert caught.value.fields["series"] == str(wrong.key)
    assert lake.snapshot().seq == 0


@pytest.mark.parametrize("order", [[1, 0], [0, 0]])
def test_rows_that_are_no_candles_are_refused_whatever_the_verdict_says(lake: Lake, order: list[int]) -> None:
    with pytest.raises(BadData, match="no candles"):
        lake.commit(accepting([stage_frame(lake, BTC, candle_frame(2).iloc[order])]), known_at=hours(10))


def test_staging_keeps_faults_for_the_contract_to_see(lake: Lake) -> None:
    frame = candle_frame(6).iloc[[3, 1, 1, 5]].reset_index(drop=True)
    frame.loc[0, "close"] = np.nan
    frame.loc[1, "volume"] = np.inf
    pd.testing.assert_frame_equal(lake.read_staged(stage_frame(lake, BTC, frame)), frame)


def test_a_frame_that_cannot_be_candles_is_refused_when_staged(lake: Lake) -> None:
    frame = candle_frame(3)
    naive = frame.assign(ts=frame["ts"].dt.tz_localize(None))
    for wrong in (
        frame.drop(columns="close"),
        naive,
        frame.assign(open="x"),
        frame.assign(ts=frame["ts"] + pd.Timedelta("1us")),
    ):
        with pytest.raises(BadData) as caught:
            stage_frame(lake, BTC, wrong) if wrong is not naive else lake.stage(
                BTC, wrong, asked_from=START, asked_to=hours(3), source="ohlc"
            )
        assert caught.value.fields["series"] == str(BTC)


def test_every_hole_has_a_cause(lake: Lake) -> None:
    frame = candle_frame(10).drop(index=[3, 4]).reset_index(drop=True)
    lake.commit(
        accepting([lake.stage(BTC, frame, asked_from=START, asked_to=hours(10), source="ohlc")]), known_at=hours(10)
    )
    snap = lake.snapshot()
    holes = [(hole.start, hole.windows, hole.cause.value) for hole in snap.holes(BTC, START, hours(15))]
    assert holes == [(hours(3), 2, "no_trades"), (hours(10), 5, "not_fetched")]
    assert snap.unfetched(BTC, START, hours(15)) == [(hours(10), hours(15))]
    assert snap.missing(BTC, START + timedelta(minutes=30), hours(4)) == [(hours(3), hours(4))]
    line = snap.coverage()[0]
    assert (line.candles, line.no_trades, line.not_fetched, line.rejected) == (8, 2, 0, 0)


def test_the_running_window_is_not_called_empty(lake: Lake) -> None:
    staged = lake.stage(BTC, candle_frame(3), asked_from=START, asked_to=hours(9.5), source="ohlc")
    lake.commit(accepting([staged], checked_at=hours(5.5)), known_at=hours(5.5))
    assert lake.snapshot().unfetched(BTC, START, hours(9)) == [(hours(5), hours(9))]


def test_moments_known_never_run_backwards_along_the_log(lake: Lake) -> None:
    frame = candle_frame(20)
    commit_frame(lake, BTC, frame.iloc[:10], hours(50))
    commit_frame(lake, BTC, frame.iloc[10:], hours(20))
    assert lake.snapshot(as_of=hours(49)).seq == 0
    assert lake.snapshot(as_of=hours(50)).seq == 2


def test_a_commit_that_does_not_exist_is_refused_with_what_does(lake: Lake) -> None:
    commit_frame(lake, BTC, candle_frame(3))
    for seq in (-1, 2):
        with pytest.raises(BadData, match="commits 1 to 1"):
            lake.snapshot(as_of=seq)


def test_the_same_inputs_make_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        store = LocalStore(tmp_path / name)
        lake = Lake(store)
        frame = candle_frame(40)
        for end in range(10, 41):
            commit_frame(lake, BTC, frame.iloc[end - 10 : end])
        contents.append({item: store.get(item) for item in store.list(".")})
    assert len(contents[0]) > 60
    assert contents[0] == contents[1]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    commit_frame(lake, BTC, candle_frame(30))
    assert lake.verify() == []
    (entry,) = lake.snapshot().files(BTC)
    (tmp_path / entry.name).write_bytes(b"rot")
    assert lake.verify() == [entry.name]


@pytest.mark.parametrize("year_of", [lambda ms: ms * 1000, lambda ms: -ms * 1000])
def test_milliseconds_told_as_seconds_are_refused_in_words(lake: Lake, year_of: Callable[[int], int]) -> None:
    frame = candle_frame(4)
    far = year_of(int(frame["ts"].astype("int64")[2]))
    stamps = np.array([*frame["ts"].astype("int64")[:2], far, far + 1], "M8[ms]")
    with pytest.raises(
        BadData, match="2 rows with a time before 1677 or after 2262, the first of them row 2"
    ) as caught:
        lake.stage(
            BTC, frame.assign(ts=pd.DatetimeIndex(stamps).tz_localize("UTC")), asked_from=START, asked_to=hours(4), source="ohlc"
        )  # fmt: skip
    assert caught.value.fields["series"] == str(BTC)


def test_a_tape_with_a_time_that_its_unit_cannot_hold_is_refused_in_words(lake: Lake) -> None:
    far = pd.DatetimeIndex(np.array([1_700_000_000_000_000], "M8[s]")).tz_localize("UTC")
    with pytest.raises(BadData, match="milliseconds told as seconds"):
        lake.stage(TRADES, trade_frame(1).assign(ts=far), asked_from=START, asked_to=hours(1), source="stream")

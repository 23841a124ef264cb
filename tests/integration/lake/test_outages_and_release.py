"""Why windows are empty, and rows that a person lets out of quarantine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData
from kracken_tasks.lake import HoleCause, Lake
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, commit_frame, hours, stage_frame
from tests.support.lake_stores import STORES, MemoryStore, store_of
from tests.support.tape_frames import TRADES, commit_tape, seconds, trade_frame


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


@pytest.fixture
def lake(store: Store) -> Lake:
    return Lake(store)


def causes(lake: Lake, key: object, start: float, end: float, unit=hours) -> list[tuple[float, float, str, str]]:  # type: ignore[no-untyped-def]
    step = unit(1) - unit(0)
    return [
        ((hole.start - START) / step, (hole.end - START) / step, hole.cause.value, hole.reason)
        for hole in lake.snapshot().holes(key, unit(start), unit(end))  # type: ignore[arg-type]
    ]


def keeping_out(lake: Lake, frame: pd.DataFrame, bad: list[int], *, key: SeriesKey = BTC) -> int:
    """Commit ``frame`` but for some rows, which go to quarantine with a finding; the head's seq."""
    staged = stage_frame(lake, key, frame.drop(index=bad).reset_index(drop=True))
    out = lake.stage_rows(staged, frame.loc[bad].assign(rule="jump", reason="prices do not jump"))
    finding = Finding("jump", "reject_rows", key, len(bad), hours(bad[0]), "jumps")
    verdict = accepting([staged], quarantined=[out], findings=[finding])
    return lake.commit(verdict, known_at=hours(len(frame))).seq


def test_windows_in_an_outage_are_outages_until_a_source_answers_for_them(lake: Lake, store: Store) -> None:
    frame = candle_frame(20)
    commit_frame(lake, BTC, frame.iloc[:5])
    ref = lake.mark_outage([BTC, ETH], hours(6.5), hours(9.5), "503 Service Unavailable", known_at=hours(10))
    assert ref.seq == 2
    expected = [
        (5, 6, "not_fetched", ""),
        (6, 10, "venue_outage", "503 Service Unavailable"),
        (10, 12, "not_fetched", ""),
    ]
    for reader in (lake, Lake(store)):
        assert causes(reader, BTC, 5, 12) == expected
    assert lake.snapshot().unfetched(BTC, START, hours(12)) == [(hours(5), hours(12))]
    assert lake.mark_outage(BTC, hours(7), hours(8), "503 Service Unavailable", known_at=hours(11)).seq == 2
    staged = lake.stage(BTC, frame.iloc[6:8], asked_from=hours(6), asked_to=hours(9), source="ohlc")
    lake.commit(accepting([staged]), known_at=hours(12))
    assert causes(lake, BTC, 6, 11) == [
        (8, 9, "no_trades", ""), (9, 10, "venue_outage", "503 Service Unavailable"), (10, 11, "not_fetched", ""),
    ]  # fmt: skip
    assert lake.mark_outage(BTC, hours(6), hours(9), "again", known_at=hours(12)).seq == 3
    told = lake.sql("SELECT symbol, reason FROM outages ORDER BY symbol")
    assert told["symbol"].tolist() == ["BTC/USD", "ETH/USD"]
    assert lake.snapshot().coverage()[0].venue_outage == 1  # the one after the newest candle
    commit_frame(lake, BTC, frame.iloc[12:])
    assert lake.snapshot().coverage()[0].venue_outage == 1


def test_an_outage_of_a_week_counts_weeks_from_monday(lake: Lake) -> None:
    weekly = SeriesKey("kraken", "BTC/USD", Timeframe.W1)
    week = timedelta(weeks=1)
    lake.mark_outage(
        weekly, START + week + timedelta(days=1), START + week + timedelta(days=2), "down", known_at=hours(0)
    )
    holes = lake.snapshot().holes(weekly, START, START + 4 * week)
    assert [(hole.windows, hole.cause) for hole in holes] == [
        (1, HoleCause.NOT_FETCHED), (1, HoleCause.VENUE_OUTAGE), (2, HoleCause.NOT_FETCHED),
    ]  # fmt: skip
    assert holes[1].start == START + week


def test_a_tape_knows_which_times_nobody_told_of_and_why(lake: Lake) -> None:
    trades = trade_frame(40)
    commit_tape(lake, TRADES, trades.iloc[:10])
    lake.mark_outage(TRADES, seconds(12), seconds(15), "socket dropped", known_at=seconds(20))
    commit_tape(lake, TRADES, trades.iloc[20:])
    assert causes(lake, TRADES, 10.5, 20, seconds) == [
        (10.5, 12, "not_fetched", ""), (12, 15, "venue_outage", "socket dropped"), (15, 20, "not_fetched", ""),
    ]  # fmt: skip
    (line,) = lake.snapshot().tape_coverage()
    assert (line.events, line.outage, len(line.covered)) == (30, timedelta(seconds=3), 2)
    assert line.not_fetched > timedelta(seconds=7)


def test_released_rows_become_visible_with_who_and_why_and_the_finding_stays(lake: Lake, store: Store) -> None:
    frame = candle_frame(10)
    keeping_out(lake, frame, [3, 4])
    assert causes(lake, BTC, 0, 10) == [(3, 5, "rejected", "")]
    assert lake.sql("SELECT rule, held FROM quarantine")["held"].tolist() == [True, True]
    ref = lake.release(BTC, by="Ada", reason="checked against two other venues", known_at=hours(12))
    assert (ref.seq, ref.rows_added) == (2, 2)
    for reader in (lake, Lake(store)):
        snap = reader.snapshot()
        pd.testing.assert_frame_equal(snap.candles(BTC), frame)
        assert not snap.in_quarantine(BTC)
        assert (snap.held(BTC), snap.unfetched(BTC, START, hours(10))) == ((), [])
        assert [finding.rule for finding in snap.findings(BTC)] == ["jump"]
    assert len(lake.snapshot(as_of=1).candles(BTC)) == 8
    assert lake.snapshot(as_of=1).in_quarantine(BTC)
    told = lake.sql("SELECT kind, released_by, reason, rows_added FROM commits WHERE seq = 2")
    assert told.to_numpy().tolist() == [["release", "Ada", "checked against two other venues", 2]]
    assert lake.sql("SELECT held FROM quarantine")["held"].tolist() == [False, False]
    assert lake.sql("SELECT rule FROM findings")["rule"].tolist() == ["jump"]


def test_a_part_of_what_is_held_can_be_released_and_the_rest_stays(lake: Lake) -> None:
    frame = candle_frame(10)
    keeping_out(lake, frame, [2, 5, 7])
    lake.release(BTC, by="Ada", reason="fine", known_at=hours(12), start=hours(4), end=hours(6))
    assert causes(lake, BTC, 0, 10) == [(2, 3, "rejected", ""), (7, 8, "rejected", "")]
    assert lake.snapshot().in_quarantine(BTC)
    with pytest.raises(BadData, match="nothing is held"):
        lake.release(BTC, by="Ada", reason="fine", known_at=hours(12), start=hours(8))
    lake.release(BTC, by="Ada", reason="fine", known_at=hours(13))
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame)
    assert not lake.snapshot().in_quarantine(BTC)


def test_a_series_that_was_refused_whole_can_be_released_whole(lake: Lake) -> None:
    frame = candle_frame(10)
    staged = stage_frame(lake, ETH, frame)
    out = lake.stage_rows(staged, frame.iloc[::-1].assign(rule="series", reason="too many rejected"))
    lake.commit(accepting([], quarantined=[out]), known_at=hours(10))
    assert lake.snapshot().in_quarantine(ETH)
    assert lake.release(ETH, by="Ada", reason="a split, not an error", known_at=hours(11)).rows_added == 10
    pd.testing.assert_frame_equal(lake.snapshot().candles(ETH), frame)
    assert not lake.snapshot().in_quarantine(ETH)


def test_a_released_row_where_a_candle_is_becomes_its_next_revision(lake: Lake) -> None:
    frame = candle_frame(5)
    commit_frame(lake, BTC, frame)
    changed = frame.assign(close=frame["close"] + 1)
    keeping_out(lake, changed, [2])
    ref = lake.release(BTC, by="Ada", reason="the venue corrected it", known_at=hours(9))
    assert (ref.rows_added, ref.rows_revised) == (0, 1)
    assert lake.snapshot().candles(BTC)["close"][2] == changed["close"][2]


def test_good_rows_for_the_same_windows_end_what_was_held(lake: Lake) -> None:
    frame = candle_frame(6)
    keeping_out(lake, frame.assign(close=frame["close"] * 2), [3])
    commit_frame(lake, BTC, frame)
    assert lake.snapshot().held(BTC) == ()
    with pytest.raises(BadData, match="nothing is held"):
        lake.release(BTC, by="Ada", reason="late", known_at=hours(9))


def test_a_good_row_of_a_table_that_speaks_for_nothing_else_ends_what_was_held(lake: Lake) -> None:
    good = candle_frame(6)
    keeping_out(lake, good.assign(close=good["close"] * 2), [3])
    told = lake.stage(BTC, good.iloc[3:4], asked_from=hours(4), asked_to=hours(4), source="archive")
    assert lake.commit(accepting([told]), known_at=hours(8)).rows_added == 1
    assert lake.snapshot().held(BTC) == ()
    with pytest.raises(BadData, match="nothing is held"):
        lake.release(BTC, by="Ada", reason="late", known_at=hours(9))
    assert lake.commit(accepting([told]), known_at=hours(9)).seq == 2


def test_a_bad_row_that_a_good_one_replaced_does_not_come_back_with_its_neighbours(lake: Lake) -> None:
    good = candle_frame(10)
    keeping_out(lake, good.assign(close=good["close"] * 2), [3, 6])
    told = lake.stage(BTC, good.iloc[:5], asked_from=START, asked_to=hours(5), source="trades")
    lake.commit(accepting([told]), known_at=hours(11))
    assert lake.held(BTC)["ts"].tolist() == [pd.Timestamp(hours(6))]
    assert lake.release(BTC, by="Ada", reason="that one is real", known_at=hours(12)).rows_added == 1
    assert lake.snapshot().candles(BTC)["close"][3] == good["close"][3]
    with pytest.raises(BadData, match="nothing is held"):
        lake.release(BTC, by="Ada", reason="late", known_at=hours(13), start=hours(3), end=hours(4))


def test_rows_held_by_an_earlier_verdict_can_still_be_released(lake: Lake) -> None:
    frame = candle_frame(12)
    keeping_out(lake, frame.iloc[:6], [2])
    commit_frame(lake, BTC, frame.iloc[6:])
    assert not lake.snapshot().in_quarantine(BTC)  # by the newest verdict
    assert lake.release(BTC, by="Ada", reason="fine", known_at=hours(13)).rows_added == 1
    pd.testing.assert_frame_equal(lake.snapshot().candles(BTC), frame)


def test_what_cannot_be_a_candle_is_not_released_whoever_asks(lake: Lake) -> None:
    frame = candle_frame(6)
    frame.loc[2, "close"] = np.nan
    keeping_out(lake, frame, [2, 3])
    with pytest.raises(BadData, match="1 rows, the first at 2023-01-02T02:00:00Z, cannot be kept"):
        lake.release(BTC, by="Ada", reason="fine", known_at=hours(9))
    assert lake.release(BTC, by="Ada", reason="fine", known_at=hours(9), start=hours(3)).rows_added == 1


@pytest.mark.parametrize(("by", "reason"), [("", "fine"), ("Ada", " ")])
def test_nobody_releases_without_a_name_and_a_reason(lake: Lake, by: str, reason: str) -> None:
    keeping_out(lake, candle_frame(5), [2])
    with pytest.raises(BadData, match="a name and a reason"):
        lake.release(BTC, by=by, reason=reason, known_at=hours(9))


def test_trades_are_released_too(lake: Lake) -> None:
    trades = trade_frame(10)
    staged = lake.stage(TRADES, trades.drop(index=[4]), asked_from=START, asked_to=seconds(20), source="stream")
    out = lake.stage_rows(staged, trades.iloc[[4]].assign(rule="misprint", reason="far from its neighbours"))
    lake.commit(accepting([staged], quarantined=[out]), known_at=seconds(20))
    assert [hole.cause for hole in lake.snapshot().holes(TRADES, START, seconds(20))] == [HoleCause.REJECTED]
    assert lake.snapshot().unfetched(TRADES, START, seconds(20)) == []
    assert lake.release(TRADES, by="Ada", reason="it happened", known_at=seconds(30)).rows_added == 1
    assert lake.snapshot().tape(TRADES)["trade_id"].tolist() == list(range(1, 11))
    assert lake.snapshot().holes(TRADES, START, seconds(20)) == []


def test_what_a_silent_venue_was_to_tell_begins_after_the_newest_candle(lake: Lake) -> None:
    assert lake.snapshot().awaited(BTC, hours(12.5)) == (hours(11), hours(12))
    commit_frame(lake, BTC, candle_frame(8))
    assert lake.snapshot().awaited(BTC, hours(12.5)) == (hours(8), hours(12))
    assert lake.snapshot().awaited(BTC, hours(8.5)) == (hours(7), hours(8))
    told = [(key, *lake.snapshot().awaited(key, hours(12)), "timed out") for key in (BTC, ETH)]
    assert lake.mark_outages(told, known_at=hours(12)).seq == 2
    assert causes(lake, BTC, 7, 12) == [(8, 12, "venue_outage", "timed out")]
    assert causes(lake, ETH, 10, 12) == [(10, 11, "not_fetched", ""), (11, 12, "venue_outage", "timed out")]


def test_a_released_row_told_again_stays_released(lake: Lake, store: Store) -> None:
    whole = candle_frame(12)
    frame = whole.iloc[:10]
    keeping_out(lake, frame, [3, 4])
    lake.release(BTC, by="Ada", reason="seen elsewhere", known_at=hours(12), start=hours(3), end=hours(4))
    for reader in (lake, Lake(store)):
        assert keeping_out(reader, frame, [3, 4]) == 2  # the same again: nothing to say
        assert not reader.snapshot().rejects(BTC, hours(3))
    # With news in the batch there is a commit, which keeps out the row that nobody released.
    assert keeping_out(lake, whole, [3, 4]) == 3
    assert causes(lake, BTC, 0, 12) == [(4, 5, "rejected", "")]
    assert lake.snapshot().candles(BTC)["ts"].tolist() == whole.drop(index=4)["ts"].tolist()
    assert lake.held(BTC)["ts"].tolist() == [pd.Timestamp(hours(4))]
    lake.release(BTC, by="Ada", reason="that one, too", known_at=hours(13))
    assert keeping_out(lake, whole, [3, 4]) == 4
    assert not Lake(store).snapshot().in_quarantine(BTC)
    pd.testing.assert_frame_equal(Lake(store).snapshot().candles(BTC), whole)


def test_another_value_for_a_released_time_is_kept_out_like_any_other(lake: Lake) -> None:
    frame = candle_frame(10)
    keeping_out(lake, frame, [3])
    lake.release(BTC, by="Ada", reason="seen elsewhere", known_at=hours(12))
    wild = frame.copy()
    wild.loc[3, "high"] = 10_000.0
    assert keeping_out(lake, wild, [3]) == 3
    assert lake.snapshot().rejects(BTC, hours(3))
    assert lake.snapshot().candles(BTC)["high"][3] == frame["high"][3]


def test_a_released_trade_told_again_stays_released_and_its_neighbours_do_not(lake: Lake, store: Store) -> None:
    trades = trade_frame(10)

    def keep_out(rows: list[int]) -> int:
        staged = lake.stage(TRADES, trades.drop(index=[4, 6]), asked_from=START, asked_to=seconds(20), source="stream")
        out = lake.stage_rows(staged, trades.iloc[rows].assign(rule="misprint", reason="far from its neighbours"))
        return lake.commit(accepting([staged], quarantined=[out]), known_at=seconds(20)).seq

    keep_out([4, 6])
    lake.release(TRADES, by="Ada", reason="it happened", known_at=seconds(30), start=seconds(4.5), end=seconds(5.5))
    assert keep_out([4, 6]) == 2
    assert keep_out([4]) == 3  # this verdict keeps out nothing that is not released
    assert not lake.snapshot().in_quarantine(TRADES)
    assert Lake(store).snapshot().tape(TRADES)["trade_id"].tolist() == [1, 2, 3, 4, 5, 6, 8, 9, 10]


def test_rows_kept_out_again_and_again_are_stored_once(lake: Lake, store: Store) -> None:
    for end in range(6, 10):
        keeping_out(lake, candle_frame(10).iloc[:end], [3])
    assert len(store.list("quarantine")) == 1
    assert Lake(store).verify() == []
    assert len(lake.sql("SELECT * FROM quarantine")) == 4


class _LostAnswers(MemoryStore):
    """A bucket whose answer to a commit is lost: the client asks again, and is told that the name is taken."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        done = super().put_if_absent(name, data)
        return done and not name.startswith("_commits/")


def test_a_release_whose_answer_was_lost_is_done_and_not_refused() -> None:
    lake = Lake(_LostAnswers())
    keeping_out(lake, candle_frame(12), [5])
    ref = lake.release(BTC, by="Ada", reason="seen elsewhere", known_at=hours(13))
    assert (ref.seq, ref.rows_added) == (2, 1)
    assert len(lake.snapshot().candles(BTC)) == 12

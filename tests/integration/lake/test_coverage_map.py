"""The map shows everything that is known: rows, and before and after them what was asked for, lost or never fetched."""

from __future__ import annotations

from datetime import timedelta

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.lake import HoleCause, Lake
from kracken_tasks.lake.coverage_map import coverage_png
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, commit_frame, hours
from tests.support.lake_stores import MemoryStore
from tests.support.tape_frames import TRADES, commit_tape, seconds, trade_frame

Told = list[tuple[float, float, HoleCause]]


def told(lake: Lake, key: SeriesKey) -> Told:
    snapshot = lake.snapshot()
    span = snapshot.known_span(key)
    assert span is not None
    hour = timedelta(hours=1)
    return [((hole.start - START) / hour, (hole.end - START) / hour, hole.cause) for hole in snapshot.holes(key, *span)]


def test_what_was_asked_for_or_lost_beyond_the_rows_is_told_with_its_cause() -> None:
    lake = Lake(MemoryStore())
    rows = candle_frame(10).iloc[4:8]
    staged = lake.stage(BTC, rows, asked_from=hours(2), asked_to=hours(10), source="ohlc")
    lake.commit(accepting([staged]), known_at=hours(10))
    lake.mark_outage(BTC, hours(12.5), hours(13.5), "503", known_at=hours(14))
    assert lake.snapshot().known_span(BTC) == (hours(2), hours(14))
    assert told(lake, BTC) == [
        (2, 4, HoleCause.NO_TRADES), (8, 10, HoleCause.NO_TRADES), (10, 12, HoleCause.NOT_FETCHED), (12, 14, HoleCause.VENUE_OUTAGE),
    ]  # fmt: skip


def test_a_series_of_which_only_an_outage_is_known_is_on_the_map_and_an_unknown_one_is_not() -> None:
    lake = Lake(MemoryStore())
    lake.mark_outage(ETH, hours(3), hours(5), "down", known_at=hours(6))
    assert told(lake, ETH) == [(3, 5, HoleCause.VENUE_OUTAGE)]
    assert lake.snapshot().known_span(BTC) is None
    assert coverage_png(lake.snapshot()) != coverage_png(Lake(MemoryStore()).snapshot())


def test_a_row_kept_out_for_a_time_years_away_does_not_stretch_the_map() -> None:
    lake = Lake(MemoryStore())
    staged = lake.stage(BTC, candle_frame(5), asked_from=START, asked_to=hours(5), source="ohlc")
    far = candle_frame(1, start=START - timedelta(days=10_000)).assign(rule="time", reason="long ago")
    lake.commit(accepting([staged], quarantined=[lake.stage_rows(staged, far)]), known_at=hours(5))
    assert lake.snapshot().known_span(BTC) == (START, hours(5))


def test_weeks_reach_from_monday_to_monday() -> None:
    weekly = SeriesKey("kraken", "BTC/USD", Timeframe.W1)
    lake = Lake(MemoryStore())
    lake.mark_outage(weekly, START + timedelta(days=8), START + timedelta(days=9), "down", known_at=hours(0))
    assert lake.snapshot().known_span(weekly) == (START + timedelta(weeks=1), START + timedelta(weeks=2))


def test_the_map_of_one_snapshot_is_the_same_picture_twice() -> None:
    lake = Lake(MemoryStore())
    commit_frame(lake, BTC, candle_frame(50))
    commit_tape(lake, TRADES, trade_frame(30))
    lake.mark_outage(TRADES, seconds(40), seconds(50), "socket dropped", known_at=hours(60))
    picture = coverage_png(lake.snapshot())
    assert picture.startswith(b"\x89PNG")
    assert picture == coverage_png(lake.snapshot())
    assert picture != coverage_png(lake.snapshot(as_of=1))

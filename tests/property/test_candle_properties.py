"""What must hold for any trades, any holes and any pages."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.candles.fetch import fetch
from kracken_tasks.candles.frames import join_candles
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.history import candles_from_history
from kracken_tasks.candles.windows import Window, plan
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from tests.support.candle_source import CandleVenue, candles_between, trades_at

KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
BEGIN, NOW = utc(2026, 1, 1), utc(2026, 1, 5, 12, 20)
HOURS = (NOW.replace(minute=0) - BEGIN) // timedelta(hours=1)
ALL = candles_between(BEGIN, NOW.replace(minute=0) + timedelta(hours=1), Timeframe.H1)

hours = st.integers(0, HOURS + 5).map(lambda at: BEGIN + timedelta(hours=at))
holes = st.lists(st.tuples(hours, hours).filter(lambda pair: pair[0] < pair[1]), max_size=6)
reaches = st.one_of(st.none(), st.integers(1, 150))


def opens(start: datetime, end: datetime) -> set[datetime]:
    return {start + timedelta(hours=at) for at in range((end - start) // timedelta(hours=1))}


@given(holes, hours, reaches)
def test_every_missing_closed_candle_is_either_asked_for_or_named_as_out_of_reach(
    missing: list[tuple[datetime, datetime]], asked_from: datetime, reach: int | None
) -> None:
    told = plan(KEY, asked_from=asked_from, now=NOW, missing=missing, reach=reach)
    wanted = {ts for start, end in missing for ts in opens(start, end) if asked_from <= ts < NOW.replace(minute=0)}
    asked = [ts for window in told.windows for ts in opens(window.start, window.end)]
    beyond = [ts for gap in told.unreachable for ts in opens(gap.window.start, gap.window.end)]
    assert sorted(asked + beyond) == sorted(wanted)  # all of them, each once


@settings(deadline=None)
@given(holes, reaches)
def test_what_is_fetched_lies_in_the_windows_is_closed_and_is_covered_or_a_gap(
    missing: list[tuple[datetime, datetime]], reach: int | None
) -> None:
    told_plan = plan(KEY, asked_from=BEGIN, now=NOW, missing=missing, reach=reach)
    told = fetch(CandleVenue(ALL, now=NOW, reach=reach), told_plan, NOW)
    covered = {ts for window in told.covered for ts in opens(window.start, window.end)}
    gaps = {ts for gap in told.gaps for ts in opens(gap.window.start, gap.window.end)}
    wanted = {ts for start, end in missing for ts in opens(start, end) if ts < NOW.replace(minute=0)}
    assert covered | gaps == wanted
    assert not covered & gaps
    assert {ts.to_pydatetime() for ts in told.frame["ts"]} == covered


@settings(deadline=None)
@given(st.integers(1, HOURS - 1), st.integers(0, 20))
def test_two_overlapping_fetches_equal_one(split: int, overlap: int) -> None:
    middle = BEGIN + timedelta(hours=split)
    back = max(BEGIN, middle - timedelta(hours=overlap))
    pieces = [
        fetch(
            CandleVenue(ALL, now=NOW), plan(KEY, asked_from=BEGIN, now=NOW, missing=[(start, end)], reach=None), NOW
        ).frame
        for start, end in ((BEGIN, middle), (back, NOW))
    ]
    whole = fetch(
        CandleVenue(ALL, now=NOW), plan(KEY, asked_from=BEGIN, now=NOW, missing=[(BEGIN, NOW)], reach=None), NOW
    ).frame
    pd.testing.assert_frame_equal(join_candles(pieces), whole)


@st.composite
def market(draw: st.DrawFn) -> pd.DataFrame:
    gaps = draw(st.lists(st.integers(0, 4_000), min_size=1, max_size=80))
    moments = [BEGIN + timedelta(seconds=int(at)) for at in np.cumsum(gaps)]
    ticks = draw(st.lists(st.integers(1, 10**6), min_size=len(gaps), max_size=len(gaps)))
    lots = draw(st.lists(st.integers(1, 10**12), min_size=len(gaps), max_size=len(gaps)))
    return trades_at(moments, [tick / 10 for tick in ticks], [lot / 10**8 for lot in lots])


@settings(deadline=None)
@given(market(), st.sampled_from([Timeframe.M5, Timeframe.H1, Timeframe.H4]))
def test_candles_keep_every_trade_and_every_lot_and_hold_together(trades: pd.DataFrame, timeframe: Timeframe) -> None:
    frame = candles_from_trades(trades, timeframe)
    assert frame["trades"].sum() == len(trades)
    lots = np.rint(trades["volume"].to_numpy() * 1e8).astype("int64").sum()
    assert np.rint(frame["volume"].to_numpy() * 1e8).astype("int64").sum() == lots
    assert (frame["low"] <= frame[["open", "close", "vwap"]].min(axis=1)).all()
    assert (frame["high"] >= frame[["open", "close", "vwap"]].max(axis=1)).all()
    assert (frame["open"].iloc[0], frame["close"].iloc[-1]) == (trades["price"].iloc[0], trades["price"].iloc[-1])
    assert {timeframe.floor(ts.to_pydatetime()) for ts in trades["ts"]} == {ts.to_pydatetime() for ts in frame["ts"]}


@settings(deadline=None)
@given(market())
def test_hours_folded_from_five_minutes_equal_hours_from_trades(trades: pd.DataFrame) -> None:
    fine, coarse = candles_from_trades(trades, Timeframe.M5), candles_from_trades(trades, Timeframe.H1)
    folded = fine.groupby(fine["ts"].dt.floor("h")).agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "trades": "sum"}
    )
    assert folded.reset_index(drop=True).astype("float64").equals(coarse[list(folded.columns)].astype("float64"))


@settings(deadline=None)
@given(market(), st.integers(1, 90), st.integers(1, 5))
def test_history_read_in_pieces_equals_history_read_at_once(trades: pd.DataFrame, page: int, most: int) -> None:
    # One trade a second, so that a cursor by time loses nothing.
    trades = trades.drop_duplicates("ts").reset_index(drop=True)
    venue, window = CandleVenue(trades=trades, now=NOW, page=page), Window(BEGIN, NOW.replace(minute=0))
    whole = candles_from_history(venue, KEY, window, NOW).frame
    pieces, start, spent = [], window.start, 0
    while start is not None and spent < 200:
        told = candles_from_history(venue, KEY, Window(start, window.end), NOW, most_pages=most + spent)
        pieces.append(told.frame)
        start, spent = told.next_start, spent + 1
    pd.testing.assert_frame_equal(join_candles(pieces), join_candles([whole]))

"""What must hold for any trades, any holes and any pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.candles.aggregate import aggregate
from kracken_tasks.candles.fetch import fetch
from kracken_tasks.candles.frames import join_candles
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.lots import exact_sums
from kracken_tasks.candles.sources import Offers, Source, choose_sources
from kracken_tasks.candles.spool import MemorySpool
from kracken_tasks.candles.trade_pages import read_trades
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
@given(market(), st.integers(2, 90), st.integers(1, HOURS - 1))
def test_a_span_read_in_two_parts_and_pages_of_any_size_holds_every_trade_once(
    trades: pd.DataFrame, page: int, split: int
) -> None:
    # At most two trades of one instant, so that a page boundary between them can be noticed and stepped over.
    trades = trades[trades.groupby("ts").cumcount() < 2].reset_index(drop=True)
    trades["trade_id"] = pd.array(range(1, len(trades) + 1), dtype="Int64")
    venue, middle, end = CandleVenue(trades=trades, now=NOW, page=page), BEGIN + timedelta(hours=split), NOW
    parts = [
        read_trades(venue, "BTC/USD", window, MemorySpool()).trades
        for window in (Window(BEGIN, middle), Window(middle, end))
    ]
    read = [trade_id for part in parts for trade_id in part["trade_id"]]
    assert read == trades[trades["ts"] < end]["trade_id"].tolist()


def exact(values: pd.Series) -> float:
    return float(sum((Decimal(repr(float(value))) for value in values), Decimal(0)))


@settings(deadline=None)
@given(market(), st.sampled_from([Timeframe.M15, Timeframe.H2, Timeframe.H12, Timeframe.W1]))
def test_candles_made_of_candles_equal_candles_made_of_the_trades(trades: pd.DataFrame, into: Timeframe) -> None:
    known = [(into.floor(BEGIN), into.floor(NOW) + into.delta)]
    made = aggregate(candles_from_trades(trades, Timeframe.M5), Timeframe.M5, into, known).frame
    straight = candles_from_trades(trades, into)
    pd.testing.assert_frame_equal(made.drop(columns="vwap"), straight.drop(columns="vwap"), check_exact=True)
    np.testing.assert_allclose(made["vwap"], straight["vwap"], rtol=1e-12)
    by_bucket = trades.groupby([into.floor(ts.to_pydatetime()) for ts in trades["ts"]])["volume"]
    assert made["volume"].tolist() == [exact(volumes) for _, volumes in by_bucket]


@given(st.lists(st.floats(0, 1e12, allow_nan=False, width=64), min_size=1, max_size=30), st.data())
def test_sums_of_any_decimals_are_the_nearest_float_to_the_exact_sum(values: list[float], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(values)), max_size=4)) - {len(values)})
    first = np.array([0, *cuts], np.int64)
    sums = exact_sums(np.array(values), first)
    assert sums.tolist() == [exact(pd.Series(values[a:b])) for a, b in pairwise([0, *cuts, len(values)])]


@given(
    st.lists(
        st.tuples(hours, hours).filter(lambda pair: pair[0] < pair[1]), max_size=4, unique_by=lambda pair: pair[0]
    ),
    st.one_of(st.none(), hours),
    st.lists(st.tuples(hours, hours).filter(lambda pair: pair[0] < pair[1]), max_size=2),
    st.one_of(st.none(), st.floats(0, 1e6)),
    st.one_of(st.none(), st.integers(0, 50)),
    st.sets(st.sampled_from(list(Source))),
)
def test_every_missing_hour_has_exactly_one_source_or_none_and_none_beyond_its_reach(
    missing: list[tuple[datetime, datetime]], ohlc_from: datetime | None, files: list[tuple[datetime, datetime]],
    trades_a_day: float | None, most_calls: int | None, allowed: set[Source],
) -> None:  # fmt: skip
    archive = tuple(Window(*span) for span in files)
    offers = Offers(ohlc_from, archive, trades_a_day, 1.0, most_calls, frozenset(allowed))
    for hole in missing:
        legs = choose_sources(KEY, [hole], offers)
        assert [ts for leg in legs for ts in sorted(opens(leg.window.start, leg.window.end))] == sorted(opens(*hole))
        for leg in legs:
            assert leg.source is None or leg.source in allowed
            if leg.source is Source.OHLC:
                assert ohlc_from is not None
                assert leg.window.start >= ohlc_from
            if leg.source is Source.ARCHIVE:
                assert any(span.start <= leg.window.start and leg.window.end <= span.end for span in archive)
            if leg.source is Source.TRADES:
                assert trades_a_day is not None
                assert most_calls is None or leg.calls <= most_calls
            assert len(leg.passed_over) == len(Source) - (leg.source is not None)

"""The whole way from the sandbox exchange to a candle frame, through the real ccxt: reach, holes, and trades that agree with candles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pandas as pd
import pytest

from kracken_tasks.candles.fetch import fetch
from kracken_tasks.candles.windows import GapCause, Window, plan
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.exchange.venue import CcxtVenue
from tests.support.sandbox import RunningSandbox, running_sandbox

START = utc(2025, 1, 6)
BTC = "BTC/USD"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        running.control.advance(20 * 60)  # into the running hour
        yield running


@pytest.fixture(scope="module")
def venue(sandbox: RunningSandbox) -> CcxtVenue:
    return CcxtVenue("kraken", {**sandbox.ccxt_options(), "rateLimit": 1}, clock_keeps_seconds=0)


def test_a_month_and_a_half_of_hours_brings_thirty_days_and_names_the_rest(venue: CcxtVenue) -> None:
    key, now = SeriesKey("kraken", BTC, Timeframe.H1), venue.now()
    asked_from = START - timedelta(days=45)
    told = fetch(
        venue,
        plan(key, asked_from=asked_from, now=now, missing=[(asked_from, now)], reach=venue.ohlc_reach(key.timeframe)),
        now,
    )
    [gap] = told.gaps
    assert gap.cause is GapCause.BEYOND_REACH
    assert (len(told.frame), gap.candles) == (719, 45 * 24 - 719)
    assert told.frame["ts"].iloc[-1] == START - timedelta(hours=1)
    assert told.calls == 1


def test_a_planner_that_ignores_the_reach_is_caught_by_the_late_first_row(venue: CcxtVenue) -> None:
    key, now = SeriesKey("kraken", BTC, Timeframe.M15), venue.now()
    asked_from = START - timedelta(days=10)
    told = fetch(venue, plan(key, asked_from=asked_from, now=now, missing=[(asked_from, now)], reach=None), now)
    assert [gap.cause for gap in told.gaps] == [GapCause.LATE_START]
    assert told.gaps[0].window.start == asked_from
    assert told.covered == (Window(told.gaps[0].window.end, START + timedelta(minutes=15)),)


def test_fetching_twice_brings_the_same_rows(venue: CcxtVenue) -> None:
    key, now = SeriesKey("kraken", "ETH/USD", Timeframe.H1), venue.now()
    asked = plan(
        key, asked_from=START - timedelta(days=5), now=now, missing=[(START - timedelta(days=5), now)], reach=720
    )
    pd.testing.assert_frame_equal(fetch(venue, asked, now).frame, fetch(venue, asked, now).frame)

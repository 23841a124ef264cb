"""Candles for people: page by page up to now, only closed ones, and a refusal where a venue gives less than was asked."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import TRADE_COLUMNS, Timeframe
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.exchange.candle_pages import candle_frame

NOW, H1 = utc(2026, 1, 10, 12, 30), Timeframe.H1


class PagedVenue:
    """A candle an hour from ``first`` to now, ``page`` at a time; ``deaf``: it does not look at ``since``.

    ``hole``: nobody traded from its first to its second moment; ``windowed``: a page is what opened within ``page`` hours, and empty where
    nothing did.
    """

    exchange = "paged"

    def __init__(
        self,
        first: datetime,
        *,
        page: int = 100,
        reach: int | None = None,
        deaf: bool = False,
        hole: tuple[datetime, datetime] = (NOW, NOW),
        windowed: bool = False,
    ) -> None:
        self.first, self.page, self.reach, self.deaf = first, page, reach, deaf
        self.hole, self.windowed = hole, windowed
        self.asked: list[datetime | None] = []

    def now(self) -> datetime:
        return NOW

    def ohlc_reach(self, timeframe: Timeframe) -> int | None:
        return self.reach

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None = None) -> pd.DataFrame:
        self.asked.append(since)
        stamps = pd.date_range(self.first, NOW, freq="h")
        stamps = stamps[(stamps < self.hole[0]) | (stamps >= self.hole[1])]
        if self.windowed and since is not None:
            stamps = stamps[(stamps >= since) & (stamps < since + self.page * H1.delta)]
        newest = since is None or self.deaf
        stamps = stamps[-self.page :] if newest else stamps[stamps >= since][: self.page]
        return pd.DataFrame(
            {
                "ts": stamps,
                **{name: float(place) for place, name in enumerate(("open", "high", "low", "close", "volume"))},
            }
        )

    def trades(self, symbol: str, cursor: str | None = None, since: datetime | None = None) -> tuple[pd.DataFrame, str]:
        return pd.DataFrame(columns=list(TRADE_COLUMNS)), ""


def test_as_many_pages_are_read_as_it_takes_and_the_running_candle_is_left_out() -> None:
    venue, since = PagedVenue(utc(2025, 1, 1)), NOW.replace(minute=0) - timedelta(hours=250)
    frame = candle_frame(venue, "BTC/USD", H1, since, None, running=False)
    assert (len(frame), frame.index[0], frame.index[-1]) == (250, since, utc(2026, 1, 10, 11))
    assert len(venue.asked) == 3
    assert frame.index.is_unique


def test_the_running_candle_comes_when_it_is_asked_for() -> None:
    frame = candle_frame(PagedVenue(utc(2025, 1, 1)), "BTC/USD", H1, None, 5, running=True)
    assert list(frame.index) == list(pd.date_range(utc(2026, 1, 10, 8), utc(2026, 1, 10, 12), freq="h"))


def test_a_limit_is_counted_from_since_on_or_from_the_newest_back() -> None:
    venue = PagedVenue(utc(2025, 1, 1))
    since = utc(2026, 1, 1)
    assert list(candle_frame(venue, "BTC/USD", H1, since, 2, running=False).index) == [since, since + H1.delta]
    assert candle_frame(venue, "BTC/USD", H1, None, 1, running=False).index[0] == utc(2026, 1, 10, 11)


def test_a_beginning_within_a_candle_means_the_next_one() -> None:
    frame = candle_frame(PagedVenue(utc(2025, 1, 1)), "BTC/USD", H1, utc(2026, 1, 10, 9, 1), None, running=False)
    assert frame.index[0] == utc(2026, 1, 10, 10)


def test_what_is_out_of_reach_is_refused_before_it_is_asked() -> None:
    venue = PagedVenue(utc(2025, 1, 1), reach=100)
    with pytest.raises(Misconfigured, match=r"newest 100 candles.*from 2026-01-06T09:00:00Z"):
        candle_frame(venue, "BTC/USD", H1, utc(2026, 1, 1), None, running=False)
    assert venue.asked == []


def test_a_venue_that_does_not_look_at_since_is_found_out() -> None:
    with pytest.raises(BadData, match=r"from 2026-01-06T09:00:00Z on, 1\d\d candles later than asked"):
        candle_frame(PagedVenue(utc(2025, 1, 1), deaf=True), "BTC/USD", H1, utc(2026, 1, 1), None, running=False)


def test_a_quiet_beginning_is_no_fault() -> None:
    frame = candle_frame(PagedVenue(utc(2026, 1, 9)), "BTC/USD", H1, utc(2026, 1, 8), None, running=False)
    assert frame.index[0] == utc(2026, 1, 9)
    assert candle_frame(PagedVenue(utc(2027, 1, 1)), "BTC/USD", H1, utc(2026, 1, 8), None, running=False).empty


@pytest.mark.parametrize("hours", [250, 299, 300, 700, 1500])
def test_a_hole_longer_than_a_page_does_not_end_the_history(hours: int) -> None:
    since = utc(2025, 10, 1)
    hole = (utc(2025, 10, 5), utc(2025, 10, 5) + timedelta(hours=hours))
    venue = PagedVenue(utc(2025, 1, 1), page=300, hole=hole, windowed=True)
    frame = candle_frame(venue, "BTC/USD", H1, since, None, running=False)
    wanted = pd.date_range(since, utc(2026, 1, 10, 11), freq="h")
    assert list(frame.index) == [ts for ts in wanted if not hole[0] <= ts < hole[1]]


def test_a_market_that_has_gone_silent_is_asked_about_up_to_now_and_no_further() -> None:
    venue = PagedVenue(utc(2025, 1, 1), page=300, hole=(utc(2025, 10, 5), utc(2027, 1, 1)), windowed=True)
    frame = candle_frame(venue, "BTC/USD", H1, utc(2025, 10, 1), None, running=False)
    assert frame.index[-1] == utc(2025, 10, 4, 23)
    asked = [moment for moment in venue.asked if moment is not None]
    assert asked[-1] <= NOW < asked[-1] + 300 * H1.delta


def test_an_empty_answer_of_a_venue_that_gives_all_it_has_at_once_is_the_end() -> None:
    venue = PagedVenue(utc(2027, 1, 1), reach=720)
    assert candle_frame(venue, "BTC/USD", H1, utc(2026, 1, 8), None, running=False).empty
    assert len(venue.asked) == 1

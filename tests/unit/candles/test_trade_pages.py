"""Reading trades page by page: the span's trades each once, whatever the pages, and never a page twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.candles.spool import FolderSpool, MemorySpool, Page, Spool
from kracken_tasks.candles.trade_pages import Patience, read_trades
from kracken_tasks.candles.windows import Window
from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import RetryLater
from tests.support.candle_source import CandleVenue, trades_at

T0, END = utc(2026, 1, 10, 10), utc(2026, 1, 10, 17)
BTC = "BTC/USD"
MOMENTS = [T0 + timedelta(minutes=7 * at) for at in range(60)]  # 10:00 to 16:53


def venue(page: int, moments: list[datetime] = MOMENTS) -> CandleVenue:
    count = len(moments)
    trades = trades_at(moments, [100.0 + at for at in range(count)], [1.0] * count)
    return CandleVenue(trades=trades, now=utc(2026, 1, 10, 17, 30), page=page)


@pytest.fixture(params=["folder", "memory"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    return MemorySpool() if request.param == "memory" else FolderSpool(tmp_path / "spool")


def ids(frame: pd.DataFrame) -> list[int]:
    return frame["trade_id"].tolist()


@pytest.mark.parametrize("page", [1, 7, 59, 60, 1000])
def test_the_trades_of_a_span_are_the_same_whatever_the_page_size(page: int, spool: Spool) -> None:
    read = read_trades(venue(page), BTC, Window(T0, END), spool)
    assert (ids(read.trades), read.first_ts) == (list(range(1, 61)), T0)


@pytest.mark.parametrize("page", [2, 3, 5])
def test_two_trades_of_one_nanosecond_on_two_pages_are_both_read(page: int, spool: Spool) -> None:
    moments = sorted(MOMENTS + MOMENTS[1::2])
    assert ids(read_trades(venue(page, moments), BTC, Window(T0, END), spool).trades) == list(range(1, 91))


def test_a_read_that_was_stopped_goes_on_where_it_was_and_asks_for_no_page_again(spool: Spool) -> None:
    market, window = venue(7), Window(T0, END)
    with pytest.raises(RetryLater, match="3 calls did not reach"):
        read_trades(market, BTC, window, spool, most_calls=3)
    rest = read_trades(market, BTC, window, spool)
    assert ids(rest.trades) == list(range(1, 61))
    assert market.trade_calls == 3 + rest.calls == 11  # nine pages of seven, and two that say there is no more


def test_what_the_last_page_told_beyond_the_span_is_handed_on_and_saves_the_next_span_its_call(spool: Spool) -> None:
    market, middle = venue(25), utc(2026, 1, 10, 12)
    first = read_trades(market, BTC, Window(T0, middle), spool)
    assert first.rest is not None
    assert ids(first.trades) + ids(first.rest.trades) == list(range(1, 26))
    following = MemorySpool()
    following.add(first.rest)
    called = market.trade_calls
    read = read_trades(market, BTC, Window(middle, utc(2026, 1, 10, 12, 30)), following)
    assert (ids(read.trades), market.trade_calls) == ([19, 20, 21, 22], called)


def test_a_silent_market_has_no_trades_and_tells_of_no_first_one(spool: Spool) -> None:
    read = read_trades(venue(7, []), BTC, Window(T0, END), spool)
    assert (len(read.trades), read.first_ts, read.rest, read.calls) == (0, None, None, 1)


def test_a_market_that_began_later_tells_its_first_trade(spool: Spool) -> None:
    read = read_trades(venue(7), BTC, Window(T0 - timedelta(days=3), T0 - timedelta(days=2)), spool)
    assert (len(read.trades), read.first_ts) == (0, T0)


def test_it_says_how_far_it_came_after_every_page(spool: Spool) -> None:
    heard: list[tuple[datetime, int]] = []
    read_trades(venue(25), BTC, Window(T0, END), spool, heard=lambda until, calls: heard.append((until, calls)))
    assert heard == [(MOMENTS[24], 1), (MOMENTS[49], 2), (MOMENTS[59], 3)]


class Tired(CandleVenue):
    """Does not answer the first ``failures`` questions."""

    failures = 0

    def trades(self, symbol: str, cursor: str | None = None, since: datetime | None = None) -> tuple[pd.DataFrame, str]:
        if self.failures:
            self.failures -= 1
            raise RetryLater("busy")
        return super().trades(symbol, cursor, since)


def test_a_venue_that_is_busy_is_asked_again_after_growing_pauses(spool: Spool) -> None:
    market, slept = Tired(trades=trades_at(MOMENTS, [1.0] * 60, [1.0] * 60), now=END, page=30), list[float]()
    market.failures = 3
    read = read_trades(market, BTC, Window(T0, END), spool, patience=Patience(tries=4, pause=slept.append))
    assert (len(read.trades), slept) == (60, [1.0, 2.0, 4.0])
    market.failures = 4
    with pytest.raises(RetryLater, match="busy"):
        read_trades(market, BTC, Window(T0, END), MemorySpool(), patience=Patience(tries=4, pause=slept.append))


def test_pages_on_disk_come_back_to_the_last_bit_and_go_when_they_are_cleared(tmp_path: Path) -> None:
    spool, page = FolderSpool(tmp_path / "day"), venue(5).trades(BTC, None, T0)[0]
    page.loc[2, "side"] = None
    page.loc[1, "trade_id"] = pd.NA
    spool.add(Page(page, "17"))
    spool.add(Page(page.iloc[:1], "18"))
    [first, second] = FolderSpool(tmp_path / "day").pages()
    pd.testing.assert_frame_equal(first.trades, page)
    assert (first.cursor, second.cursor, len(second.trades)) == ("17", "18", 1)
    spool.clear()
    assert (spool.pages(), (tmp_path / "day").exists()) == ([], False)

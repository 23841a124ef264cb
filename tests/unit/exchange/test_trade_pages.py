"""A page of trades begins where it was asked to, or the caller hears from where the venue has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import BadData
from kracken_tasks.exchange.trade_pages import trade_page

START = utc(2024, 3, 1)
MINUTE = timedelta(minutes=1)


@dataclass
class Trades:
    """A venue with a trade a minute, which looks at ``since`` or gives its newest ``page`` whatever it is asked."""

    exchange: str = "somewhere"
    page: int = 10
    looks: bool = True
    asked: int = 0

    def trades(self, symbol: str, cursor: str | None = None, since: datetime | None = None) -> tuple[pd.DataFrame, str]:
        self.asked += 1
        stamps = [START + MINUTE * at for at in range(100)]
        if since is not None and self.looks:
            stamps = [ts for ts in stamps if ts >= since][: self.page]
        else:
            stamps = [ts for ts in stamps[-self.page :] if since is None or ts >= since]
        frame = {"ts": stamps, "price": [100.0 + ts.minute for ts in stamps], "volume": 1.0}
        return pd.DataFrame(frame), ""

    def now(self) -> datetime:
        return START + MINUTE * 100

    def ohlc_reach(self, timeframe: Timeframe) -> int | None:
        return None

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None = None) -> pd.DataFrame:
        raise NotImplementedError


def test_newest_trades_are_not_taken_for_those_that_were_asked_for() -> None:
    with pytest.raises(BadData, match="from 2024-03-01T01:30:00") as error:
        trade_page(Trades(looks=False), "BTC/USD", START + 5 * MINUTE)
    assert error.value.fields["venue"] == "somewhere"


def test_a_market_that_was_quiet_at_first_is_believed() -> None:
    told = trade_page(Trades(), "BTC/USD", START + 5 * MINUTE - timedelta(seconds=30))
    assert told["ts"].iloc[0] == START + 5 * MINUTE


def test_a_page_that_begins_on_the_moment_needs_no_second_question() -> None:
    venue = Trades()
    assert len(trade_page(venue, "BTC/USD", START + 5 * MINUTE)) == 10
    assert len(trade_page(venue, "BTC/USD", None)) == 10
    assert venue.asked == 2


def test_a_recent_moment_is_answered_by_a_venue_that_gives_its_newest_only() -> None:
    since = START + 95 * MINUTE - timedelta(seconds=30)
    assert len(trade_page(Trades(looks=False), "BTC/USD", since)) == 5

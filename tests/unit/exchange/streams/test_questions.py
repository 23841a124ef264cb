"""Questions beside a stream: a quote waits behind no listing, and a listing gives way to everything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from datetime import datetime

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import TRADE_COLUMNS, OrderBook, Quote, Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.rates import Priority
from kracken_tasks.exchange.rates.counters import current_priority
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.questions import ThreadedQuestions

NOW = utc(2024, 3, 1)


class SlowListing:
    """A venue whose listing of trades takes until it is let go."""

    exchange = "kraken"

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.priorities: dict[str, Priority] = {}

    def now(self) -> datetime:
        return NOW

    def ohlc_reach(self, timeframe: Timeframe) -> int | None:
        return None

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None = None) -> pd.DataFrame:
        raise NotImplementedError

    def order_book(self, symbol: str, depth: int = 10) -> OrderBook:
        raise NotImplementedError

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        self.priorities["quotes"] = current_priority(Priority.READ)
        return {symbol: Quote(symbol, 1.0, 3.0, 2.0, NOW) for symbol in symbols}

    def trades(self, symbol: str, cursor: str | None = None, since: datetime | None = None) -> tuple[pd.DataFrame, str]:
        self.priorities["trades"] = current_priority(Priority.READ)
        self.begun.set()
        assert self.go.wait(20)
        return pd.DataFrame(columns=list(TRADE_COLUMNS)), "0"


async def test_a_quote_is_told_while_a_long_listing_of_trades_is_on_its_way() -> None:
    venue, clock = SlowListing(), StreamClock()
    clock.told(NOW)
    asking = ThreadedQuestions(venue, clock=clock, together_seconds=0.1)
    listing = asyncio.create_task(asking.trades("BTC/USD", None, NOW))
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(venue.begun.wait, 20)
        assert (await asking.ticker("BTC/USD")).bid == 1.0
        assert not listing.done()
        venue.go.set()
        assert await listing == ([], "0")
    await asking.close()
    assert venue.priorities == {"quotes": Priority.READ, "trades": Priority.EXPORT}


class Delisting(SlowListing):
    """A venue that refuses a question which names one pair too many."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = {"BTC/USD", "ETH/USD", "GONE/USD"}

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        told = super().quotes(symbols)
        if strangers := sorted(told.keys() - self.listed):
            raise Misconfigured(f"kraken lists no {strangers[0]}")
        return told


async def test_a_pair_that_is_taken_off_the_list_takes_no_other_pairs_quotes_along() -> None:
    venue, clock = Delisting(), StreamClock()
    clock.told(NOW)
    asking = ThreadedQuestions(venue, clock=clock, together_seconds=-1.0)
    for symbol in sorted(venue.listed):
        await asking.ticker(symbol)
    venue.listed.remove("GONE/USD")
    for _ in range(2):
        assert (await asking.ticker("BTC/USD")).bid == 1.0
        with pytest.raises(Misconfigured, match="lists no GONE/USD"):
            await asking.ticker("GONE/USD")
        assert (await asking.ticker("ETH/USD")).bid == 1.0
    await asking.close()

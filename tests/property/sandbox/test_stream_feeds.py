"""Streams told in any steps end where REST stands: books, candles, trades, tickers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import to_ns, utc
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments
from kracken_tasks.sandbox.dialects.kraken.context import Call
from kracken_tasks.sandbox.dialects.kraken.public import PUBLIC
from kracken_tasks.sandbox.dialects.kraken.streams.books import BookFeed, book_checksum
from kracken_tasks.sandbox.dialects.kraken.streams.feeds import Feed, Frame, OhlcFeed, TickerFeed, TradeFeed
from kracken_tasks.sandbox.dialects.kraken.streams.wire import encoded
from kracken_tasks.sandbox.market.synthetic import SyntheticMarket
from kracken_tasks.sandbox.venue import Venue

SYMBOL = "BTC/USD"
START_NS = to_ns(utc(2025, 1, 6))
VENUE = Venue(SyntheticMarket(7), SandboxConfig(clock_mode=ClockMode.MANUAL, tier="unlimited"))
LISTING = VENUE.listings.by_symbol[SYMBOL]

# Market seconds between looks: mostly less than a refresh of the book, sometimes many minutes.
steps = st.lists(st.one_of(st.integers(1, 12_000), st.integers(60_000, 900_000)), min_size=1, max_size=8)
starts = st.integers(0, 86_400_000)


def told(feed: Feed, start_ms: int, waits_ms: list[int]) -> tuple[int, list[Frame], list[Frame]]:
    """The end of the walk, the snapshot, and all updates."""
    at_ns = START_NS + start_ms * 1_000_000
    snapshot, updates = list(feed.snapshot(at_ns)), []
    for wait in waits_ms:
        updates.extend(feed.updates(at_ns, at_ns + wait * 1_000_000))
        at_ns += wait * 1_000_000
    return at_ns, snapshot, updates


def rest(endpoint: str, now_ns: int, **arguments: str) -> Any:
    return PUBLIC[endpoint](Call(VENUE, now_ns, Arguments({"pair": "XBTUSD", **arguments})))["XXBTZUSD"]


class Book:
    """What a subscriber holds: levels by price, cut to the depth after every frame."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}

    def take(self, frame: Frame) -> None:
        (row,) = frame.message["data"]
        for name, levels in self.sides.items():
            for level in row[name]:
                price, lots = int(level["price"].replace(".", "")), int(level["qty"].replace(".", ""))
                assert lots > 0 or price in levels, "a level taken away that was never there"
                levels[price] = lots
            self.sides[name] = {price: levels[price] for price, lots in self.best(name) if lots}
        assert row["checksum"] == book_checksum(self.best("bids"), self.best("asks"))

    def best(self, name: str) -> list[tuple[int, int]]:
        levels = [(price, lots) for price, lots in self.sides[name].items() if lots]
        return sorted(levels, reverse=name == "bids")[: self.depth]


@given(start=starts, waits=steps, depth=st.sampled_from([10, 25, 100]))
@settings(max_examples=15)
def test_a_book_rebuilt_from_its_updates_is_the_book_of_rest(start: int, waits: list[int], depth: int) -> None:
    now_ns, snapshot, updates = told(BookFeed(VENUE, LISTING, depth), start, waits)
    book = Book(depth)
    for frame in (*snapshot, *updates):
        book.take(frame)
    shown = rest("Depth", now_ns, count=str(depth))
    for name in ("bids", "asks"):
        assert [f"{price / 10:.5f}" for price, _ in book.best(name)] == [row[0] for row in shown[name]]
    assert (book.best("bids"), book.best("asks")) == VENUE.engine.execution.matcher.book(SYMBOL, now_ns, depth)


FEEDS = {
    "trade": lambda: TradeFeed(VENUE, LISTING),
    "ticker": lambda: TickerFeed(VENUE, LISTING),
    "best prices": lambda: TickerFeed(VENUE, LISTING, on_bbo=True),
    "ohlc": lambda: OhlcFeed(VENUE, LISTING, 5),
    "book": lambda: BookFeed(VENUE, LISTING, 10),
}


@pytest.mark.parametrize("name", FEEDS)
@given(start=starts, waits=steps)
@settings(max_examples=8)
def test_how_often_one_looks_changes_nothing_that_is_told(name: str, start: int, waits: list[int]) -> None:
    _, _, often = told(FEEDS[name](), start, waits)
    _, _, once = told(FEEDS[name](), start, [sum(waits)])
    assert [encoded(frame.message) for frame in often] == [encoded(frame.message) for frame in once]
    assert [frame.ts_ns for frame in once] == sorted(frame.ts_ns for frame in once)


@given(start=starts, waits=steps, interval=st.sampled_from([1, 15, 60, 240]))
@settings(max_examples=15)
def test_the_last_state_of_every_candle_is_the_candle_of_rest(start: int, waits: list[int], interval: int) -> None:
    now_ns, snapshot, updates = told(OhlcFeed(VENUE, LISTING, interval), start, waits)
    last = {row["interval_begin"]: row for frame in (*snapshot, *updates) for row in frame.message["data"]}
    shown = {row[0]: row for row in rest("OHLC", now_ns, interval=str(interval))}
    names = ("open", "high", "low", "close", "vwap", "volume", "trades")
    for row in last.values():
        opened = utc(*(int(part) for part in row["interval_begin"][:10].split("-")))
        hours, minutes = int(row["interval_begin"][11:13]), int(row["interval_begin"][14:16])
        assert [row[name] for name in names] == shown[to_ns(opened) // 10**9 + hours * 3600 + minutes * 60][1:]


@given(start=starts, waits=steps)
@settings(max_examples=15)
def test_the_trades_told_are_the_trades_of_rest_with_their_numbers(start: int, waits: list[int]) -> None:
    now_ns, snapshot, updates = told(TradeFeed(VENUE, LISTING), start, waits)
    since = START_NS + start * 1_000_000
    shown = list(rest("Trades", now_ns, since=str(since)))
    rows = [row for frame in updates for row in frame.message["data"]][: len(shown)]
    assert [(row["trade_id"], float(row["price"]), row["qty"], row["side"][0]) for row in rows] == [
        (row[6], float(row[0]), row[1], row[3]) for row in shown
    ]
    before = snapshot[0].message["data"][-1]["trade_id"]
    assert [row["trade_id"] for row in rows] == list(range(before + 1, before + 1 + len(rows)))


@given(start=starts, waits=steps)
@settings(max_examples=15)
def test_the_ticker_told_is_the_ticker_of_rest(start: int, waits: list[int]) -> None:
    _, snapshot, updates = told(TickerFeed(VENUE, LISTING), start, waits)
    for frame in (*snapshot, *updates[-1:]):
        (row,), shown = frame.message["data"], rest("Ticker", frame.ts_ns)
        pairs = {"bid": "b", "ask": "a", "last": "c"}
        assert {name: float(row[name]) for name in pairs} == {n: float(shown[key][0]) for n, key in pairs.items()}
        day = {"low": "l", "high": "h", "volume": "v", "vwap": "p"}
        assert {name: float(row[name]) for name in day} == {
            name: round(float(shown[key][1]), 8 if name == "volume" else 1) for name, key in day.items()
        }
        assert row["trades"] == shown["t"][1]

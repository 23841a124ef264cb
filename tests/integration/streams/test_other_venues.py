"""Streams of other venues than Kraken: through ccxt.pro where the local exchange speaks it, polled where it does not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import pytest

from kracken_tasks.exchange import WebSocketManager
from kracken_tasks.exchange.streams import Channel, FeedKey, FeedSource, StreamTiming
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.sandbox.client_config import VENUE_OPTIONS
from tests.support.listening import Ear
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

TIMING = StreamTiming(
    backup_polling_interval=0.1, quiet=0.3, silence=5.0, subscribe=2.0, patience=15.0, settle=0.05, stable=5.0,
    backoff_first=0.01, backoff_most=0.05, clock=0.05,
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config()) as found:
        yield found


async def test_binance_quotes_have_both_sides_and_its_trades_are_those_of_rest(sandbox: RunningSandbox) -> None:
    options = VENUE_OPTIONS["binance"](sandbox.base_url)
    async with WebSocketManager("binance", options={"binance": options}, timing=TIMING) as manager:
        quotes = Ear(manager, FeedKey("binance", "BTC/USDT", Channel.TICKER))
        trades = Ear(manager, FeedKey("binance", "BTC/USDT", Channel.TRADES))
        for ear in (quotes, trades):
            await ear.until(lambda ear=ear: ear.status.source is not FeedSource.NONE)  # type: ignore[misc]
        for _ in range(4):
            await asyncio.to_thread(sandbox.control.advance, 30)
            await trades.until(lambda: trades.status.polls >= 0)
        await quotes.until(lambda: any(batch.source is FeedSource.STREAM for batch in quotes.batches))
        await trades.until(lambda: len(trades.items) >= 2)
        venue = CcxtVenue("binance", options)
        frame, _ = await asyncio.to_thread(lambda: venue.trades("BTC/USDT", None, trades.items[0].ts))
        wanted = frame["trade_id"].tolist()
        await trades.until(lambda: {trade.trade_id for trade in trades.items} >= set(wanted))
    assert all(quote.bid < quote.ask and not math.isnan(quote.bid_volume) for quote in _streamed(quotes))
    heard = [trade.trade_id for trade in trades.items]
    assert len(heard) == len(set(heard))


def _streamed(ear: Ear) -> list[Any]:
    return [item for batch in ear.batches if batch.source is FeedSource.STREAM for item in batch.items]


@pytest.mark.parametrize("exchange", ["bitstamp", "coinbase"])
async def test_a_venue_without_local_streams_is_polled_and_never_looked_for_elsewhere(
    sandbox: RunningSandbox, exchange: str
) -> None:
    options = VENUE_OPTIONS[exchange](sandbox.base_url)
    async with WebSocketManager(exchange, options={exchange: options}, timing=TIMING) as manager:
        ear = Ear(manager, FeedKey(exchange, "BTC/USD", Channel.TICKER))
        await ear.until(lambda: ear.status.source is FeedSource.POLLING and bool(ear.items))
        assert ear.status.reconnects == 0


@pytest.mark.parametrize("exchange", ["bitstamp", "coinbase"])
async def test_trades_of_a_venue_without_local_streams_are_polled_one_after_the_other(
    sandbox: RunningSandbox, exchange: str
) -> None:
    options = VENUE_OPTIONS[exchange](sandbox.base_url)
    async with WebSocketManager(exchange, options={exchange: options}, timing=TIMING) as manager:
        ear = Ear(manager, FeedKey(exchange, "BTC/USD", Channel.TRADES))
        await ear.until(lambda: ear.status.source is FeedSource.POLLING)
        for _ in range(3):
            heard = len(ear.items)
            await asyncio.to_thread(sandbox.control.advance, 60)
            await ear.until(lambda heard=heard: len(ear.items) > heard)  # type: ignore[misc]
    assert ear.gaps == []
    ids = [trade.trade_id for trade in ear.items]
    assert ids == list(range(ids[0], ids[0] + len(ids)))

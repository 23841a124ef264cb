"""``WebSocketManager`` as it was announced: iterators, callbacks, polling behind them, built from nothing but names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange import WebSocketManager
from tests.support.sandbox import running_sandbox, sandbox_config
from tests.support.streams import BTC, FAST, ScriptedStreams


async def test_tickers_trades_candles_and_books_are_iterated() -> None:
    venue = ScriptedStreams()
    venue.happen(90)
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as streams:
        quote = await asyncio.wait_for(anext(streams.ticker(BTC)), 10)
        book = await asyncio.wait_for(anext(streams.book(BTC, depth=10)), 10)
        candle = await asyncio.wait_for(anext(streams.candles(BTC, "1m")), 10)
    assert quote.bid < quote.ask
    assert book.bids[0][0] < book.asks[0][0]
    assert candle.trades == 59


async def test_it_falls_back_to_polling_and_says_so() -> None:
    venue = ScriptedStreams()
    venue.happen(1)
    venue.reject()
    async with WebSocketManager("kraken", backup_polling_interval=0.02, timing=FAST, halves=venue.halves) as streams:
        quotes = streams.ticker(BTC)
        await asyncio.wait_for(anext(quotes), 10)
        (status,) = streams.status()
    assert status.source == "polling"


async def test_built_without_a_word_it_streams_what_the_settings_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running_sandbox(config=sandbox_config()) as sandbox:
        monkeypatch.setenv("KRACKEN_HOME", str(tmp_path))
        monkeypatch.setenv("KRACKEN_CONFIG_DIR", str(tmp_path / "config"))
        monkeypatch.setenv("KRACKEN_SANDBOX__PORT", sandbox.base_url.rsplit(":", 1)[1])
        async with WebSocketManager() as streams:
            assert streams.exchanges == ("kraken",)
            quote = await asyncio.wait_for(anext(streams.ticker(BTC)), 20)
            balance = await asyncio.wait_for(anext(streams.watch_balance()), 20)
    assert quote.bid < quote.ask
    assert balance["USD"].total > 0


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(Misconfigured, match="backup_polling_interval"):
        WebSocketManager(backup_polling_interval=0)

"""A stream that falls silent is known to other processes within the bound, by market time, and so is its return."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kracken_tasks.exchange import WebSocketManager
from kracken_tasks.exchange.streams import Channel, FeedKey, StreamTiming
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.feeds import FeedBoard, Recorder, RecorderRules
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.settings import load_settings
from kracken_tasks.wiring.feeds import feed_age
from tests.support.candle_frames import accepting
from tests.support.sandbox import running_sandbox, sandbox_config

TICKER = FeedKey("kraken", "BTC/USD", Channel.TICKER)
TIMING = StreamTiming(
    backup_polling_interval=0.1, quiet=0.1, silence=1.6, subscribe=0.6, patience=15.0, settle=0.05, stable=5.0,
    backoff_first=0.01, backoff_most=0.05, clock=0.05,
)  # fmt: skip
BOUND = 15.0


async def test_a_muted_market_is_told_to_whoever_asks_and_so_is_its_return(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    board = FeedBoard(store)
    age = feed_age(
        load_settings(tmp_path, env={}), FeedBoard(LocalStore(tmp_path))
    )  # as a tick in another process has it
    with running_sandbox(config=sandbox_config()) as sandbox:
        venue = CcxtVenue("kraken", sandbox.ccxt_options(), clock_keeps_seconds=0)

        async def told() -> tuple[float, str]:
            found = age("BTC/USD", await asyncio.to_thread(venue.now))
            return found or (float("nan"), "nobody records it")

        async def until(fresh: bool) -> str:
            async with asyncio.timeout(20):
                while (found := await told()) and (found[0] <= BOUND) is not fresh:
                    await asyncio.wait({run}, timeout=0.01)
            return found[1]

        async with WebSocketManager("kraken", options={"kraken": sandbox.ccxt_options()}, timing=TIMING) as streams:
            recorder = Recorder(
                streams, [TICKER], Lake(store), lambda batch, now: accepting(batch.series), board, holder="r1",
                rules=RecorderRules(beat_seconds=0.05), record=False,
            )  # fmt: skip
            run = asyncio.create_task(recorder.run())
            await until(fresh=True)
            control = sandbox.control
            await asyncio.to_thread(lambda: control.fault("ws/send/*", mute=True, count=None))
            await asyncio.to_thread(lambda: control.fault("Ticker", status=503, count=None))
            await asyncio.to_thread(control.advance, BOUND + 5.0)
            sentence = await until(fresh=False)
            assert "ticker feed of kraken BTC/USD was last whole" in sentence
            await asyncio.to_thread(control.clear_faults)
            await asyncio.to_thread(control.advance, 1.0)
            await until(fresh=True)
            run.cancel()
            await asyncio.wait({run})
        assert (await told())[1] == "nobody records it"

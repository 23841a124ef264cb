"""Recorders for tests: a scripted venue, a lake in a folder, a judge that lets everything through.

In: a folder and a script.  Out: recorders that run and end, and what the lake then holds.  Never: a sleep, the network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.exchange.streams import Channel, FeedKey, PublicTrade, StreamTiming, WebSocketManager
from kracken_tasks.exchange.streams.questions import trades_of
from kracken_tasks.feeds import FeedBoard, Recorder, RecorderReport, RecorderRules
from kracken_tasks.lake import Lake, LocalStore
from tests.support.candle_frames import accepting
from tests.support.streams import BTC, FAST, ScriptedStreams

__all__ = ["CANDLES", "QUICK", "TICKER", "TRADES", "Studio", "recorded_trades"]

TRADES = FeedKey("kraken", BTC, Channel.TRADES)
TICKER = FeedKey("kraken", BTC, Channel.TICKER)
CANDLES = FeedKey("kraken", BTC, Channel.CANDLES, Timeframe.M1)
QUICK = RecorderRules(batch_seconds=0.02, batch_rows=7, beat_seconds=0.01)
PATIENCE = 20.0


class Studio:
    """A lake in a folder and one recorder over it at a time."""

    def __init__(self, folder: Path, venue: ScriptedStreams, *, timing: StreamTiming = FAST) -> None:
        self.venue, self.timing = venue, timing
        self.store = LocalStore(folder / "lake")
        self.lake = Lake(self.store)
        self.board = FeedBoard(self.store)
        self.recorder: Recorder | None = None
        self._streams: WebSocketManager | None = None
        self._run: asyncio.Task[RecorderReport] | None = None

    async def start(self, keys: Sequence[FeedKey] = (TRADES,), rules: RecorderRules = QUICK) -> None:
        """Returns when every feed has been subscribed once."""
        self._streams = WebSocketManager("kraken", timing=self.timing, halves=self.venue.halves)
        self.recorder = Recorder(self._streams, keys, self.lake, self.judge, self.board, holder="studio", rules=rules)
        before = self.venue.subscriptions
        self._run = asyncio.create_task(self.recorder.run())
        await self.until(lambda: self.venue.subscriptions >= before + len(keys))

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so, looking every few milliseconds; a recorder that fails meanwhile fails the test."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                assert self._run is not None
                if self._run.done():
                    self._run.result()
                await asyncio.wait({self._run}, timeout=0.003)

    async def stop(self) -> RecorderReport:
        """End it as Ctrl-C does, and wait until everything is committed."""
        assert self._run is not None
        assert self.recorder is not None
        self._run.cancel()
        await asyncio.wait({self._run}, timeout=PATIENCE)
        report = self.recorder.report()
        await self._close()
        return report

    async def kill(self) -> None:
        """As near to ``kill -9`` as one process gets: nothing more is committed."""
        assert self.recorder is not None
        self.recorder.backlog.clear()
        self.recorder._record = False
        self.recorder._board = FeedBoard(_Nowhere())
        await self.stop()

    async def _close(self) -> None:
        assert self._streams is not None
        await self._streams.close()
        self._streams = self._run = None

    def follow_the_clock(self) -> None:
        """The venue tells its time."""
        assert self._streams is not None
        self._streams.clock().told(self.venue.market_now)

    def judge(self, batch: StagedBatch, now: datetime) -> Verdict:
        return accepting(list(batch.series))

    def trades(self) -> list[PublicTrade]:
        return recorded_trades(self.lake)

    def candles(self) -> list[tuple[datetime, float, float]]:
        frame = self.lake.snapshot().candles(SeriesKey("kraken", BTC, Timeframe.M1))
        return [(row.ts.to_pydatetime(), row.close, row.volume) for row in frame.itertuples()]


class _Nowhere:
    """A store of pulses that keeps none: what a killed recorder can no longer do."""

    def put_scratch(self, name: str, data: bytes) -> None: ...

    def get(self, name: str) -> bytes:
        raise KeyError(name)

    def list(self, prefix: str) -> list[str]:
        return []

    def delete(self, name: str) -> None: ...


def recorded_trades(lake: Lake) -> list[PublicTrade]:
    """The trades of the lake, in its order."""
    return trades_of(lake.snapshot().tape(TapeKey("kraken", BTC, Tape.TRADES)))

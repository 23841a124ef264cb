"""Whatever happens to a stream, the lake ends with the venue's trades: each once, and only candles that are closed."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.market import Timeframe
from tests.support.recording import CANDLES, TRADES, Studio
from tests.support.streams import ScriptedStreams, candles_of

# Market seconds between trades are drawn too: candles with many, few and no trades.
TRADE = st.tuples(st.just("happen"), st.integers(1, 12), st.sampled_from([0.5, 7.0, 90.0]))
FAULT = st.sampled_from(["cut", "mute", "loud", "reject", "accept", "deaf", "answer", "restart", "kill", "wait"])


@settings(max_examples=25, deadline=None)
@given(script=st.lists(st.one_of(TRADE, FAULT), max_size=12), consecutive=st.booleans())
def test_any_sequence_of_faults_leaves_the_venues_trades_each_once(
    script: list[str | tuple[str, int, float]], consecutive: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live_through(Path(folder), script, consecutive))


async def _live_through(folder: Path, script: list[str | tuple[str, int, float]], consecutive: bool) -> None:
    if not consecutive:  # without numbers nothing shows that a living socket has swallowed a frame
        script = [step for step in script if step != "mute"]
    venue = ScriptedStreams(consecutive_ids=consecutive)
    studio = Studio(folder, venue)
    await studio.start([TRADES, CANDLES])
    venue.happen(3)  # where the tape begins is where recording began: the first trade is heard
    await studio.until(lambda: len(studio.trades()) == 3)
    for step in script:
        if isinstance(step, tuple):
            venue.happen(step[1], seconds=step[2])
        elif step == "restart":
            await studio.stop()
            await _begin_again(studio, venue)
        elif step == "kill":
            await studio.kill()
            await _begin_again(studio, venue)
        elif step == "wait":
            asked = len(venue.questions)
            await studio.until(lambda asked=asked: len(venue.questions) > asked)  # type: ignore[misc]
        else:
            getattr(venue, step)()
    for mended in ("answer", "accept", "loud"):
        getattr(venue, mended)()
    venue.happen(1, seconds=200.0)
    studio.follow_the_clock()
    await studio.until(lambda: len(studio.trades()) >= len(venue.tape))
    await studio.stop()
    assert studio.trades() == venue.tape
    closed = {candle.ts: (candle.ts, candle.close, candle.volume) for candle in candles_of(venue.tape, Timeframe.M1)}
    recorded = studio.candles()
    assert [candle for candle in recorded if candle != closed[candle[0]]] == []
    assert len({candle[0] for candle in recorded}) == len(recorded)


async def _begin_again(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start([TRADES, CANDLES])

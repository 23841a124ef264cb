"""What a recorder commits, when, and what is left of a run that ended badly."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from kracken_tasks.domain.market import Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.exchange.streams import WebSocketManager
from kracken_tasks.feeds import FeedBoard, Recorder, RecorderRules
from kracken_tasks.feeds.render import report_text
from kracken_tasks.lake.holes import HoleCause
from tests.support.recording import CANDLES, QUICK, TICKER, Studio
from tests.support.streams import BTC, FAST, ScriptedStreams, candles_of

SLOW = RecorderRules(batch_seconds=3600, batch_rows=200_000, beat_seconds=0.01)


@pytest.fixture
def venue() -> ScriptedStreams:
    return ScriptedStreams()


@pytest.fixture
def studio(tmp_path: Path, venue: ScriptedStreams) -> Studio:
    return Studio(tmp_path, venue)


async def test_trades_are_committed_in_small_batches_while_they_come(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start()
    venue.happen(20)
    await studio.until(lambda: len(studio.trades()) == 20)
    report = await studio.stop()
    assert studio.trades() == venue.tape
    assert report.commits >= 1
    assert report.rows == 20
    assert report.messages >= 20
    assert "| kraken BTC/USD trades | stream |" in report_text(report)


async def test_stopped_recorder_leaves_everything_that_came_committed(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start(rules=SLOW)
    venue.happen(9)
    await studio.until(lambda: studio.recorder is not None and studio.recorder.backlog.rows == 9)
    assert studio.trades() == []
    await studio.stop()
    assert studio.trades() == venue.tape


async def test_next_run_fetches_what_a_killed_one_had_not_committed(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start()
    venue.happen(8)
    await studio.until(lambda: len(studio.trades()) == 8)
    studio.recorder._rules = SLOW
    venue.happen(5)
    await studio.until(lambda: studio.recorder.report().messages >= 13)
    await studio.kill()
    assert len(studio.trades()) == 8
    venue.happen(7)
    await studio.start()
    await studio.until(lambda: len(studio.trades()) == 20)
    venue.happen(1)
    await studio.until(lambda: len(studio.trades()) == 21)
    await studio.stop()
    assert studio.trades() == venue.tape


async def test_feed_that_ended_too_long_ago_begins_afresh_and_its_hole_is_told(
    studio: Studio, venue: ScriptedStreams
) -> None:
    await studio.start()
    venue.happen(3)
    await studio.until(lambda: len(studio.trades()) == 3)
    await studio.stop()
    venue.happen(2, seconds=100_000)
    await studio.start()
    venue.happen(2)
    await studio.until(lambda: len(studio.trades()) == 5)
    await studio.stop()
    assert [trade.trade_id for trade in studio.trades()] == [1, 2, 3, 6, 7]
    key = TapeKey("kraken", BTC, Tape.TRADES)
    (hole,) = studio.lake.snapshot().holes(key, venue.tape[0].ts, venue.tape[-1].ts)
    assert hole.cause is HoleCause.NOT_FETCHED


async def test_hole_that_could_not_be_filled_is_committed_as_an_outage(tmp_path: Path) -> None:
    venue = ScriptedStreams()
    studio = Studio(tmp_path, venue, timing=replace(FAST, patience=0.03))
    await studio.start()
    venue.happen(3)
    await studio.until(lambda: len(studio.trades()) == 3)
    venue.deaf()
    venue.mute()
    venue.happen(4)
    venue.loud()
    venue.happen(1)
    await studio.until(lambda: len(studio.trades()) == 4)
    report = await studio.stop()
    assert report.gaps == 1
    key = TapeKey("kraken", BTC, Tape.TRADES)
    holes = studio.lake.snapshot().holes(key, venue.tape[0].ts, venue.tape[-1].ts)
    assert [hole.cause for hole in holes] == [HoleCause.VENUE_OUTAGE]
    assert all(any(hole.start <= trade.ts < hole.end for hole in holes) for trade in venue.tape[3:7])


async def test_hole_stays_one_when_the_lake_could_not_be_reached_as_it_was_told(tmp_path: Path) -> None:
    venue = ScriptedStreams()
    studio = Studio(tmp_path, venue, timing=replace(FAST, patience=0.03))

    def judge(batch: StagedBatch, now: object) -> Verdict:
        assert studio.recorder is not None
        if studio.recorder.report().gaps == 0:
            raise RetryLater("the bucket does not answer")
        return Studio.judge(studio, batch, now)  # type: ignore[arg-type]

    studio.judge = judge  # type: ignore[method-assign,assignment]
    await studio.start()
    venue.happen(3)
    await studio.until(lambda: studio.recorder is not None and studio.recorder.report().messages >= 3)
    venue.deaf()
    venue.mute()
    venue.happen(4)
    venue.loud()
    venue.happen(1)
    await studio.until(lambda: len(studio.trades()) == 4)
    await studio.stop()
    holes = studio.lake.snapshot().holes(TapeKey("kraken", BTC, Tape.TRADES), venue.tape[0].ts, venue.tape[-1].ts)
    assert [hole.cause for hole in holes] == [HoleCause.VENUE_OUTAGE]
    assert all(any(hole.start <= trade.ts < hole.end for hole in holes) for trade in venue.tape[3:7])


async def test_closed_candles_are_committed_and_the_running_one_is_not(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start([CANDLES])
    venue.happen(200)
    studio.follow_the_clock()
    await studio.until(lambda: len(studio.candles()) >= 3)
    await studio.stop()
    closed = candles_of(venue.tape, Timeframe.M1)[:-1]
    assert studio.candles() == [(candle.ts, candle.close, candle.volume) for candle in closed]


async def test_quotes_are_committed_with_their_arrival(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start([TICKER])
    venue.happen(5)
    key = TapeKey("kraken", BTC, Tape.QUOTES)
    await studio.until(lambda: len(studio.lake.snapshot().tape(key)) >= 5)
    await studio.stop()
    told = studio.lake.snapshot().tape(key)
    assert told["received"].notna().all()
    assert set(told["source"]) <= {"stream", "poll"}


async def test_quotes_of_one_session_have_no_hole_between_two_commits(studio: Studio, venue: ScriptedStreams) -> None:
    key = TapeKey("kraken", BTC, Tape.QUOTES)
    await studio.start([TICKER])
    for wanted in (3, 6, 9):
        venue.happen(3, seconds=5.0)
        await studio.until(lambda wanted=wanted: len(studio.lake.snapshot().tape(key)) >= wanted)
    report = await studio.stop()
    assert report.commits >= 3
    assert report.reconnects == 0
    assert studio.lake.snapshot().holes(key, venue.tape[0].ts, venue.tape[-1].ts) == []


async def test_what_a_broken_session_did_not_bring_of_quotes_is_a_hole(studio: Studio, venue: ScriptedStreams) -> None:
    key = TapeKey("kraken", BTC, Tape.QUOTES)
    await studio.start([TICKER])
    venue.happen(2)
    await studio.until(lambda: len(studio.lake.snapshot().tape(key)) >= 2)
    venue.cut()
    venue.happen(2, seconds=5.0)
    await studio.until(lambda: studio.lake.snapshot().last_ts(key) == venue.tape[-1].ts)
    await studio.stop()
    holes = studio.lake.snapshot().holes(key, venue.tape[0].ts, venue.tape[-1].ts)
    assert [hole.cause for hole in holes] == [HoleCause.NOT_FETCHED]


@pytest.mark.parametrize(
    "trouble", [RetryLater("the bucket does not answer"), OSError(errno.ENOSPC, "No space left on device")]
)
async def test_rows_wait_on_while_the_lake_cannot_be_reached(
    studio: Studio, venue: ScriptedStreams, trouble: Exception
) -> None:
    failures = iter([True, True, False])

    def judge(batch: StagedBatch, now: object) -> Verdict:
        if next(failures, False):
            raise trouble
        return Studio.judge(studio, batch, now)  # type: ignore[arg-type]

    studio.judge = judge  # type: ignore[method-assign,assignment]
    await studio.start()
    venue.happen(6)
    await studio.until(lambda: len(studio.trades()) == 6)
    await studio.stop()
    assert studio.trades() == venue.tape


async def test_pulse_is_told_while_recording_and_taken_away_at_the_end(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start([TICKER])
    await studio.until(lambda: studio.board.pulse("kraken", BTC, now=venue.market_now) is not None)
    pulse = studio.board.pulse("kraken", BTC, now=venue.market_now)
    assert pulse is not None
    assert pulse.holder == "studio"
    await studio.stop()
    assert studio.board.pulses("kraken") == ()


async def test_killed_recorder_leaves_a_pulse_that_grows_old(studio: Studio, venue: ScriptedStreams) -> None:
    await studio.start([TICKER])
    await studio.until(lambda: any(pulse.confirmed_at for pulse in studio.board.pulses("kraken")))
    await studio.kill()
    pulse = studio.board.pulse("kraken", BTC, now=venue.market_now)
    assert pulse is not None
    assert pulse.age(pulse.beat_at.replace(year=pulse.beat_at.year + 1)) > 1000
    assert "beat" in pulse.sentence(venue.market_now)
    assert studio.board.forget("kraken") == 1
    assert studio.board.pulses("kraken") == ()


def test_recorder_of_nothing_is_refused(studio: Studio, venue: ScriptedStreams) -> None:
    with pytest.raises(Misconfigured, match="no feed"):
        Recorder(
            WebSocketManager("kraken", halves=venue.halves), [], studio.lake, studio.judge, FeedBoard(studio.store),
            holder="x", rules=QUICK,
        )  # fmt: skip

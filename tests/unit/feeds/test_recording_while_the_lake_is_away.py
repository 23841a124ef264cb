"""A lake that does not answer, or answers late: memory stays bounded, listening and pulses go on, and what was lost is told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kracken_tasks.domain.market import Tape, TapeKey
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.feeds import FeedBoard, RecorderRules
from kracken_tasks.feeds.render import report_line
from kracken_tasks.lake import LocalStore
from kracken_tasks.lake.holes import HoleCause
from tests.support.recording import TICKER, TRADES, Studio
from tests.support.streams import BTC, ScriptedStreams

TAPE = TapeKey("kraken", BTC, Tape.TRADES)
NARROW = RecorderRules(batch_seconds=0.01, batch_rows=10, most_rows=10, beat_seconds=0.01)


class Away(Studio):
    """A studio whose commits fail, or hang, while told to."""

    def __init__(self, folder: Path, venue: ScriptedStreams) -> None:
        super().__init__(folder, venue)
        self.away = False
        self.answers = threading.Event()
        self.answers.set()
        self.asked = 0

    def judge(self, batch: StagedBatch, now: object) -> Verdict:
        self.asked += 1
        assert self.answers.wait(20)
        if self.away:
            raise RetryLater("the bucket does not answer")
        return super().judge(batch, now)  # type: ignore[arg-type]


@pytest.fixture
def venue() -> ScriptedStreams:
    return ScriptedStreams()


@pytest.fixture
def studio(tmp_path: Path, venue: ScriptedStreams) -> Away:
    return Away(tmp_path, venue)


async def test_rows_beyond_the_bound_give_way_and_their_times_are_an_outage_that_can_be_fetched(
    studio: Away, venue: ScriptedStreams
) -> None:
    await studio.start(rules=NARROW)
    venue.happen(2)
    await studio.until(lambda: len(studio.trades()) == 2)
    studio.away = True
    venue.happen(40)
    recorder = studio.recorder
    assert recorder is not None
    await studio.until(
        lambda: recorder.backlog.gave_way >= 30 and recorder.backlog.gave_way + recorder.backlog.rows == 40
    )
    assert recorder.backlog.rows <= NARROW.most_rows
    kept = recorder.backlog.rows
    studio.away = False
    await studio.until(lambda: len(studio.trades()) == 2 + kept)
    report = await studio.stop()
    assert [trade.trade_id for trade in studio.trades()] == [1, 2, *range(43 - kept, 43)]
    (hole,) = studio.lake.snapshot().holes(TAPE, venue.tape[0].ts, venue.tape[-1].ts)
    assert hole.cause is HoleCause.VENUE_OUTAGE
    assert all((hole.start <= trade.ts < hole.end) is (trade not in studio.trades()) for trade in venue.tape)
    assert f"{40 - kept} rows given up for want of room" in report_line(report)


async def test_listening_and_pulses_go_on_while_a_commit_hangs(studio: Away, venue: ScriptedStreams) -> None:
    await studio.start([TICKER, TRADES], rules=RecorderRules(batch_seconds=0.01, batch_rows=7, beat_seconds=0.01))
    recorder = studio.recorder
    assert recorder is not None
    studio.answers.clear()
    venue.happen(1)
    await studio.until(lambda: studio.asked > 0)
    venue.happen(30)
    await studio.until(lambda: recorder.backlog.rows >= 60)
    newest = venue.market_now
    studio.follow_the_clock()
    venue.happen(1)
    await studio.until(
        lambda: (
            (pulse := studio.board.pulse("kraken", BTC, now=newest)) is not None
            and pulse.confirmed_at is not None
            and pulse.confirmed_at >= newest
        )
    )
    assert studio.trades() == []
    studio.answers.set()
    await studio.until(lambda: len(studio.trades()) == 32)
    await studio.stop()
    assert studio.trades() == venue.tape


async def test_listening_goes_on_while_a_pulse_cannot_be_put_down(tmp_path: Path, venue: ScriptedStreams) -> None:
    studio = Studio(tmp_path, venue)
    taken = threading.Event()

    class Slow(LocalStore):
        def put_scratch(self, name: str, data: bytes) -> None:
            assert taken.wait(20)
            super().put_scratch(name, data)

    studio.board = FeedBoard(Slow(tmp_path / "lake"))
    await studio.start()
    venue.happen(20)
    await studio.until(lambda: len(studio.trades()) == 20)
    taken.set()
    await studio.stop()
    assert studio.board.pulses("kraken") == (), "a pulse on its way must not come back after its end"


def test_room_for_less_than_a_batch_is_refused() -> None:
    with pytest.raises(Misconfigured, match="most_rows = 5: allowed is batch_rows = 10"):
        RecorderRules(batch_rows=10, most_rows=5)

"""The flow ``stream_market``: what it records, what it shows, and where it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.stream_market import stream_market
from kracken_tasks.domain.market import Tape, TapeKey
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.streams import Channel
from kracken_tasks.sandbox.clock import ClockMode
from tests.support.flow_stage import Stage, artifacts_of, newest_run, stage_at
from tests.support.sandbox import sandbox_config

SECONDS = 4.0
QUOTES, TRADES = (TapeKey("kraken", "BTC/USD", tape) for tape in (Tape.QUOTES, Tape.TRADES))


@pytest.fixture
def moving(server: str, tmp_path: Path) -> Iterator[Stage]:
    """A home whose exchange follows the wall: something happens there by itself."""
    config = sandbox_config(clock_mode=ClockMode.WALL)
    with stage_at(tmp_path / "home", config, KRACKEN_PRICE_FEED__BATCH_SECONDS="1") as stage:
        yield stage


def test_two_runs_record_one_tape_and_show_what_they_did(moving: Stage) -> None:
    first = asyncio.run(stream_market(minutes=SECONDS / 60))
    assert first.rows > 0
    assert first.rejected == 0
    begun = moving.lake.snapshot().tape(TRADES)["trade_id"].tolist()
    second = asyncio.run(stream_market(minutes=SECONDS / 60, channels=[Channel.TRADES]))
    assert [feed.status.key.channel for feed in second.feeds] == [Channel.TRADES]
    ids = moving.lake.snapshot().tape(TRADES)["trade_id"].tolist()
    assert ids == list(range(begun[0], begun[0] + len(ids)))
    assert len(moving.lake.snapshot().tape(QUOTES)) > 0
    run = newest_run("stream_market")
    assert run.name == "stream trades"
    shown = artifacts_of(run)["stream-report"]
    assert "| kraken BTC/USD trades |" in str(shown.data)


def test_an_unlisted_symbol_fails_the_run_by_name(moving: Stage) -> None:
    with pytest.raises(Misconfigured, match="lists no NOPE/USD"):
        asyncio.run(stream_market(symbols=["NOPE/USD"], minutes=1))

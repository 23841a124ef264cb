"""The flow behind a backfill: what is missing comes in, and a second run finds nothing to do."""

from __future__ import annotations

import asyncio

import pytest

from flows.backfill_history import backfill_history
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.lake import HoleCause
from tests.support.flow_stage import Stage, artifacts_of, newest_run

START, END = utc(2024, 11, 1), utc(2024, 11, 3)  # further back than hours reach


def test_a_backfill_run_fills_history_shows_where_it_came_from_and_run_again_adds_nothing(stage: Stage) -> None:
    added = asyncio.run(backfill_history(START, END, ["ADA/USD"], [Timeframe.H1]))
    key = SeriesKey("kraken", "ADA/USD", Timeframe.H1)
    snapshot = stage.lake.snapshot()
    assert added > 48
    assert set(snapshot.candles(key, START, END)["source"]) == {"trades"}
    assert {hole.cause for hole in snapshot.holes(key, START, END)} <= {HoleCause.NO_TRADES}
    run = newest_run("backfill_history")
    assert run.state is not None
    assert run.state.is_completed()
    assert {"history-plan", "lake-map"} <= set(artifacts_of(run))
    assert asyncio.run(backfill_history(START, END, ["ADA/USD"], [Timeframe.H1])) == 0
    assert stage.lake.snapshot().seq == snapshot.seq


def test_a_backfill_run_that_nobody_told_where_to_begin_begins_with_no_symbol(stage: Stage) -> None:
    with pytest.raises(Misconfigured, match=r"Give start, or set history_start in pairs\.yaml"):
        asyncio.run(backfill_history(symbols=["ADA/USD"]))
    with pytest.raises(Misconfigured, match="end must come after start"):
        asyncio.run(backfill_history(END, START, ["ADA/USD"]))
    assert stage.lake.snapshot().seq == 0

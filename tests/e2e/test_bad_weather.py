"""What flows do when the venue is away, refuses, or sends nonsense; and who is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.ingest_ohlcv import ingest_ohlcv
from flows.trading_tick import trading_tick
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import BadData, RetryLater
from tests.support.bot_api import CHAT, TOKEN, BotApi, bot_api_in_a_thread
from tests.support.flow_stage import Stage, artifacts_of, newest_run, stage_at, task_runs_of


@pytest.fixture
def telegram(server: str, tmp_path: Path) -> Iterator[tuple[Stage, BotApi]]:
    """A stage whose alerts go to a Bot API on this machine."""
    with (
        bot_api_in_a_thread() as api,
        stage_at(
            tmp_path / "home",
            KRACKEN_ALERTS__TELEGRAM_TOKEN=TOKEN,
            KRACKEN_ALERTS__TELEGRAM_CHAT_ID=str(CHAT),
            KRACKEN_ALERTS__TELEGRAM_BASE_URL=api.base_url,
        ) as stage,
    ):
        yield stage, api


def test_an_outage_is_retried_to_the_last_and_then_told(telegram: tuple[Stage, BotApi]) -> None:
    stage, api = telegram
    stage.control.fault("OHLC", drop=True, count=3)
    stage.control.fault("OHLC", status=503, body="<html>busy</html>", count=None)
    with pytest.raises(BadData, match="1 of 1 series could not be fetched"):
        asyncio.run(ingest_ohlcv())
    run = newest_run("ingest_ohlcv")
    assert run.state is not None
    assert run.state.is_failed()
    assert "kraken BTC/USD 1h" in str(run.state.message)
    (fetch,) = [one for one in task_runs_of(run) if one.name.startswith("fetch ")]
    assert fetch.run_count == 5  # the first try and four more
    assert stage.lake.snapshot().series() == ()
    outages = stage.lake.sql("SELECT symbol, timeframe, reason FROM outages")
    assert outages[["symbol", "timeframe"]].to_numpy().tolist() == [["BTC/USD", "1h"]]
    assert "503" in outages["reason"][0]
    (told,) = [text for text in api.texts if "ingest_ohlcv" in text]
    assert "BTC/USD" in told
    assert "1 of 1 series could not be fetched" in told


def test_two_lost_answers_cost_two_tries_and_nothing_else(stage: Stage) -> None:
    stage.control.fault("OHLC", drop=True, count=1)
    stage.control.fault("OHLC", status=502, body="<html>bad gateway</html>", count=1)
    commit = asyncio.run(ingest_ohlcv())
    assert commit is not None
    run = newest_run("ingest_ohlcv")
    assert run.state is not None
    assert run.state.is_completed()
    (fetch,) = [one for one in task_runs_of(run) if one.name.startswith("fetch ")]
    assert 1 < fetch.run_count <= 3


def test_a_venue_that_says_no_is_asked_once(stage: Stage) -> None:
    with pytest.raises(BadData, match="NOPE/USD"):
        asyncio.run(ingest_ohlcv(symbols=["NOPE/USD"]))
    run = newest_run("ingest_ohlcv")
    (fetch,) = [one for one in task_runs_of(run) if one.name.startswith("fetch ")]
    assert fetch.run_count == 1


def test_one_series_that_fails_does_not_keep_the_others_out(stage: Stage) -> None:
    with pytest.raises(BadData, match="1 of 2 series could not be fetched"):
        asyncio.run(ingest_ohlcv(symbols=["BTC/USD", "NOPE/USD"]))
    assert [key.symbol for key in stage.lake.snapshot().series()] == ["BTC/USD"]


def test_nonsense_goes_to_quarantine_and_the_row_beside_it_is_committed(stage: Stage) -> None:
    asyncio.run(ingest_ohlcv())
    (key,) = stage.lake.snapshot().series()
    before = stage.lake.snapshot().last_ts(key)
    assert before is not None
    bad, good = before + Timeframe.H1.delta, before + 2 * Timeframe.H1.delta
    stage.control.advance(2 * Timeframe.H1.seconds)
    stage.control.fault("OHLC", body=_upside_down(int(bad.timestamp())))
    asyncio.run(ingest_ohlcv())
    assert stage.lake.snapshot().in_quarantine(key)
    assert [ts.to_pydatetime() for ts in stage.lake.snapshot().candles(key, bad)["ts"]] == [good]
    held = stage.lake.sql("SELECT ts, rule FROM quarantine")
    assert [ts.to_pydatetime() for ts in held["ts"]] == [bad]
    (shown,) = [one for name, one in artifacts_of(newest_run("ingest_ohlcv")).items() if name == "candle-contract"]
    assert "| high_is_highest | reject_rows | broken | 1 | 1 |" in str(shown.data)


def test_a_tick_without_a_venue_fails_once_and_is_told_once(telegram: tuple[Stage, BotApi]) -> None:
    stage, api = telegram
    stage.control.fault("*", status=503, count=None)
    with pytest.raises(RetryLater):
        asyncio.run(trading_tick(key="in the dark"))
    run = newest_run("trading_tick")
    (tick,) = [one for one in task_runs_of(run) if one.name.startswith("execute tick")]
    assert tick.run_count == 1  # money is never retried
    assert len([text for text in api.texts if "trading_tick" in text]) == 1
    assert stage.ledger.ticks() == ()
    assert stage.orders() == {}


def _upside_down(first: int) -> str:
    """A candle whose high lies below its low, as the venue would word it."""
    rows = [[first, "100.0", "90.0", "110.0", "100.0", "100.0", "5.0", 12], [first + 3600, *["100.0"] * 5, "1.0", 1]]
    return json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": first}})

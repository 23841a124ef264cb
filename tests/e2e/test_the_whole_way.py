"""Every flow against a real Prefect server and a real exchange: what it leaves, and that doing it twice changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from flows.check_day import check_day
from flows.ingest_ohlcv import ingest_ohlcv
from flows.maintain_lake import maintain_lake
from flows.nightly_exports import nightly_exports
from flows.read_sentiment import read_sentiment
from flows.retrain_lstm import retrain_lstm
from flows.run_backtest import run_backtest
from flows.trading_tick import trading_tick
from kracken_tasks.domain.clock import WallClock
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.execution.desk import lease_name
from tests.support.candle_frames import commit_frame
from tests.support.candles import random_candles
from tests.support.flow_stage import Stage, artifacts_of, newest_run, stage_at

SHOWN = {
    "ingest_ohlcv": {"candle-contract", "lake-commit", "lake-coverage", "lake-map"},
    "retrain_lstm": {"training", "model-btc-usd", "models"},
    "run_backtest": {"backtest-btc-usd", "backtests"},
    "trading_tick": {"tick", "decisions"},
    "nightly_exports": {"tax-files", "journal"},
    "check_day": {"books", "parity"},
    "maintain_lake": {"lake-upkeep", "lake-map"},
}
FILES = {"gains.csv", "open_lots.csv", "trades.csv", "koinly.csv", "journal.json", "journal.run.json"}


@pytest.fixture(scope="module")
def lived(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, dict[str, FlowRun]]]:
    """A home in which every flow has run once, and those runs."""
    with stage_at(tmp_path_factory.mktemp("lived")) as stage:
        runs = {}
        for flow, parameters in (
            (ingest_ohlcv, {}),
            (retrain_lstm, {"epochs": 1}),
            (run_backtest, {"strategy": "sma_cross"}),
            (trading_tick, {"key": "first"}),
            (nightly_exports, {}),
            (check_day, {}),
            (maintain_lake, {"verify": True}),
        ):
            asyncio.run(flow(**parameters))
            runs[flow.name] = newest_run(flow.name)
        yield stage, runs


@pytest.mark.parametrize("flow", SHOWN)
def test_every_flow_completes_and_leaves_something_to_look_at(
    lived: tuple[Stage, dict[str, FlowRun]], flow: str
) -> None:
    run = lived[1][flow]
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    found = artifacts_of(run)
    assert set(found) == SHOWN[flow]
    assert all(artifact.data for artifact in found.values())


def test_ingesting_twice_commits_nothing_new(lived: tuple[Stage, dict[str, FlowRun]]) -> None:
    stage, _ = lived
    before = stage.lake.snapshot().seq
    assert asyncio.run(ingest_ohlcv()) is None
    assert stage.lake.snapshot().seq == before


def test_a_symbol_with_too_few_candles_is_named_and_the_others_are_rehearsed(
    lived: tuple[Stage, dict[str, FlowRun]],
) -> None:
    stage, _ = lived
    commit_frame(stage.lake, SeriesKey("kraken", "ADA/USD", Timeframe.H1), random_candles(50))
    commit_frame(stage.lake, SeriesKey("kraken", "LTC/USD", Timeframe.H1), random_candles(300))
    wanted = list(stage.settings.traded_symbols)
    folders = asyncio.run(run_backtest("sma_cross", [*wanted, "ADA/USD", "LTC/USD"]))
    assert len(folders) == len(wanted)
    (table,) = [item for key, item in artifacts_of(newest_run("run_backtest")).items() if key == "backtests"]
    assert "not rehearsed: kraken ADA/USD 1h: 50 candles, the sma_cross strategy needs at least 202" in str(table.data)
    assert "not rehearsed: kraken does not list LTC/USD" in str(table.data)


def test_the_news_are_read_by_a_flow_and_heard_by_the_next_tick(
    lived: tuple[Stage, dict[str, FlowRun]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, _ = lived
    assert asyncio.run(read_sentiment()) == 0  # nothing is configured by default
    monkeypatch.setenv("KRACKEN_SENTIMENT__FEAR_GREED_URL", f"{stage.sandbox.base_url}/news/fear-greed.json")
    assert asyncio.run(read_sentiment()) == 1
    assert set(artifacts_of(newest_run("read_sentiment"))) == {"sentiment"}
    assert asyncio.run(trading_tick(key="with news")) == "done"
    heard = [one for one in stage.ledger.decisions()[-1].decision.opinions if one.module == "sentiment"]
    assert [one.has_opinion for one in heard] == [True]


def test_a_tick_with_the_key_of_an_earlier_one_sends_nothing(lived: tuple[Stage, dict[str, FlowRun]]) -> None:
    stage, _ = lived
    orders, entries = set(stage.orders()), len(stage.ledger.intents())
    assert asyncio.run(trading_tick(key="first")) == "repeated"
    assert set(stage.orders()) == orders
    assert len(stage.ledger.intents()) == entries
    run = newest_run("trading_tick")
    assert run.state is not None
    assert run.state.is_completed()


def test_a_tick_that_finds_the_lease_taken_ends_as_skipped_and_touches_nothing(
    lived: tuple[Stage, dict[str, FlowRun]],
) -> None:
    stage, _ = lived
    ledger = stage.ledger
    ticks = len(ledger.ticks())
    lease = ledger.leases.acquire(lease_name(ledger), "somebody else", timedelta(minutes=5), WallClock().now())
    try:
        result = asyncio.run(trading_tick(key="kept out"))
    finally:
        ledger.leases.release(lease)  # type: ignore[arg-type]
    assert result.startswith("skipped: lease held by somebody else until ")
    assert len(ledger.ticks()) == ticks
    assert not artifacts_of(newest_run("trading_tick"))


def test_a_tick_is_named_in_the_list_of_runs(lived: tuple[Stage, dict[str, FlowRun]]) -> None:
    assert lived[1]["trading_tick"].name == "tick first"
    assert lived[1]["ingest_ohlcv"].name == "ingest all"


def test_exporting_twice_gives_the_same_bytes_but_for_the_run_itself(
    lived: tuple[Stage, dict[str, FlowRun]],
) -> None:
    first = _hashes(asyncio.run(nightly_exports()))
    second = _hashes(asyncio.run(nightly_exports()))
    assert set(first) == FILES
    assert {name for name in first if first[name] != second[name]} == {"journal.run.json"}


def test_an_empty_ledger_exports_nothing(stage: Stage) -> None:
    assert asyncio.run(nightly_exports()) == []


def test_the_candles_a_step_brings_are_all_there_afterwards(stage: Stage) -> None:
    asyncio.run(ingest_ohlcv())
    (key,) = stage.lake.snapshot().series()
    before = stage.lake.snapshot().last_ts(key)
    stage.control.advance(3 * Timeframe.H1.seconds)
    commit = asyncio.run(ingest_ohlcv())
    assert commit is not None
    after = stage.lake.snapshot().last_ts(key)
    assert before is not None
    assert after == before + 3 * Timeframe.H1.delta


def _hashes(paths: list[str]) -> dict[str, str]:
    return {Path(path).name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}

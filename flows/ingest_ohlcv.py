"""Fetch the candles that are missing, check them, commit them: stage, gate, commit."""

from __future__ import annotations

from datetime import datetime

from prefect import flow, unmapped

from kracken_tasks.alerts import hooks
from kracken_tasks.candles import tasks as candle_tasks
from kracken_tasks.contracts import tasks as contract_tasks
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.refs import CommitRef
from kracken_tasks.lake import tasks as lake_tasks


@flow(
    name="ingest_ohlcv",
    description="Ask venues for the closed candles the lake lacks, hold them against the data contract, commit what passes.",
    flow_run_name=candle_tasks.ingest_run_name,
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def ingest_ohlcv(
    exchanges: list[str] | None = None,
    symbols: list[str] | None = None,
    timeframes: list[Timeframe] | None = None,
    start: datetime | None = None,
) -> CommitRef | None:
    """Venues x pairs x timeframes, concurrently; running it twice changes nothing.

    Returns the commit, or None when nothing new had closed.

    Args:
        exchanges: Venues; empty: all enabled ones of exchanges.yaml
        symbols: Symbols such as BTC/USD; empty: pairs.yaml
        timeframes: Candle widths; empty: pairs.yaml
        start: Oldest candle wanted; empty: as deep as the venue gives
    """
    series = candle_tasks.list_series(exchanges, symbols, timeframes)
    fetched = [
        future.result(raise_on_failure=False)
        for future in candle_tasks.fetch_candles.map(series, start=unmapped(start))
    ]
    batch = candle_tasks.gather_batch(fetched)
    verdict = contract_tasks.check_candles(batch)
    commit = lake_tasks.commit_candles(verdict)
    lake_tasks.mark_outages(series, fetched)
    lake_tasks.describe_coverage(commit)
    candle_tasks.fail_if_incomplete(series, fetched)
    return commit

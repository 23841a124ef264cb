"""Door of the candles room: which series, what is missing, staged one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from kracken_tasks import wiring
from kracken_tasks.candles.backfill import Backfill
from kracken_tasks.candles.backfill_plan import leg_rows, plan_backfill
from kracken_tasks.candles.ingestion import Arrived, batch_of, decimals_from, stage_missing
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE, NETWORK_READ


def ingest_run_name() -> str:
    """``ingest 1h 1d`` or ``ingest all``: what the list of runs should say."""
    widths = flow_run.parameters.get("timeframes") or ["all"]
    return "ingest " + " ".join(str(getattr(width, "value", width)) for width in widths)


@task(name="list series", **LOCAL_COMPUTE)
def list_series(
    exchanges: Sequence[str] | None, symbols: Sequence[str] | None, timeframes: Sequence[Timeframe] | None
) -> list[SeriesKey]:
    """Venues x symbols x timeframes, each once; what is not named comes from the settings."""
    return list(dict.fromkeys(wiring.series(load_settings(), exchanges, symbols, timeframes)))


@task(name="fetch candles", task_run_name="fetch {key}", **NETWORK_READ)
def fetch_candles(key: SeriesKey, start: datetime | None) -> Arrived:
    """Ask the venue for the closed candles of a series that the lake lacks, and stage them."""
    settings = load_settings()
    venue, lake = wiring.venue(settings, key.exchange), wiring.lake_fed_by(settings, key.exchange)
    arrived = stage_missing(lake, venue, key, start=start, decimals=decimals_from(venue.instruments))
    logger = get_run_logger()
    logger.info("%s: %d new candles", key, arrived.rows)
    for gap in arrived.gaps:
        logger.warning("%s", gap.detail)
    return arrived


@task(name="list symbols", **LOCAL_COMPUTE)
def list_symbols(exchange: str | None, symbols: Sequence[str] | None) -> list[str]:
    """Symbols, each once; what is not named comes from the settings."""
    settings = load_settings()
    named = [exchange or settings.exchange]
    return list(dict.fromkeys(key.symbol for key in wiring.series(settings, named, symbols)))


@task(name="span of history", **LOCAL_COMPUTE)
def history_span(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime | None]:
    """From when on history is wanted, and up to when (None: the newest closed candle).

    Raises: Misconfigured if nobody says where to begin: no symbol is then begun.
    """
    begins = start or load_settings().history_start
    if begins is None:
        raise Misconfigured("from when?  Give start, or set history_start in pairs.yaml", key="history_start")
    if end is not None and end <= begins:
        raise Misconfigured(f"nothing lies from {iso(begins)} to {iso(end)}: end must come after start", key="end")
    return begins, end


@task(name="fill history", task_run_name="fill history of {symbol}", **NETWORK_READ)
def fill_history(
    symbol: str,
    span: tuple[datetime, datetime | None],
    timeframes: Sequence[Timeframe] | None,
    exchange: str | None,
) -> int:
    """Plan and carry out a backfill; tried again it goes on where it was.  Returns the number of rows that were new."""
    settings, logger = load_settings(), get_run_logger()
    venue = wiring.venue(settings, exchange)
    lake = wiring.lake_fed_by(settings, venue.exchange)
    plan = plan_backfill(lake, venue, symbol, timeframes or settings.timeframes, *span)
    for gap in plan.gaps:
        logger.warning("%s", gap.detail)
    logger.info("%s: %d days of trades, about %d calls", symbol, len(plan.days), plan.calls)
    work = Backfill(
        lake,
        venue,
        wiring.judge(settings),
        settings.paths.home / "spool",
        decimals=decimals_from(venue.instruments),
    )
    added = 0
    for step in work.run(plan):
        added += step.commit.rows_added if step.commit else 0
        logger.info("%s: %s: %s, %d trades", symbol, step.window.start.date(), step.what, step.trades)
    create_table_artifact(leg_rows(plan), key="history-plan", description=f"Where the history of {symbol} came from")
    return added


@task(name="gather batch", **LOCAL_COMPUTE)
def gather_batch(fetched: Sequence[Any]) -> StagedBatch:
    """Everything that arrived, as the one batch of this run; a series that could not be fetched is left to the next run."""
    return batch_of(one for one in fetched if isinstance(one, Arrived))


@task(name="account for every series", **LOCAL_COMPUTE)
def fail_if_incomplete(series: Sequence[SeriesKey], fetched: Sequence[Any]) -> None:
    """After what came was committed, say what did not.

    Raises: BadData naming each series and why it could not be fetched.
    """
    failed = [f"{key}: {one}" for key, one in zip(series, fetched, strict=True) if not isinstance(one, Arrived)]
    if failed:
        raise BadData(f"{len(failed)} of {len(series)} series could not be fetched; {'; '.join(failed)}", failed=failed)

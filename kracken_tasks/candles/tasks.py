"""Door of the candles room: which series, what is missing, staged one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from prefect import get_run_logger, task
from prefect.runtime import flow_run

from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import Arrived, batch_of, decimals_from, stage_missing
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch
from kracken_tasks.errors import BadData
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
    venue = wiring.venue(settings, key.exchange)
    arrived = stage_missing(wiring.lake(settings), venue, key, start=start, decimals=decimals_from(venue.instruments))
    logger = get_run_logger()
    logger.info("%s: %d new candles", key, arrived.rows)
    for gap in arrived.gaps:
        logger.warning("%s", gap.detail)
    return arrived


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

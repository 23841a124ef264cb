"""Door of the lake: commit what a verdict accepted, show what there is, keep it tidy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from kracken_tasks import wiring
from kracken_tasks.analytics.embed import png_in_markdown
from kracken_tasks.contracts.render import coverage_rows
from kracken_tasks.domain.clock import WallClock, iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import CommitRef, Verdict
from kracken_tasks.errors import BadData, RetryLater
from kracken_tasks.lake.upkeep import UpkeepReport, upkeep_rows
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LAKE_WRITE, LOCAL_COMPUTE

# A run of a few candles does not change the map, and drawing costs a second.
_WORTH_A_MAP: Final = 500


@task(name="commit candles", **LAKE_WRITE)
def commit_candles(verdict: Verdict | None) -> CommitRef | None:
    """Make the accepted rows visible, all at once; doing it twice equals doing it once."""
    if verdict is None:
        return None
    settings = load_settings()
    return wiring.lake(settings).commit(verdict, known_at=wiring.market_now(settings))


@task(name="mark outages", **LAKE_WRITE)
def mark_outages(series: Sequence[SeriesKey], fetched: Sequence[Any]) -> None:
    """Write down for which windows a venue was asked and did not answer, and what came instead."""
    silent = {key: one for key, one in zip(series, fetched, strict=True) if isinstance(one, RetryLater)}
    if not silent:
        return
    settings = load_settings()
    try:
        now = wiring.market_now(settings)
    except RetryLater as error:
        get_run_logger().warning("the outage is not written down, for its time is not known: %s", error.message)
        return
    lake = wiring.lake(settings)
    snapshot = lake.snapshot()
    lake.mark_outages(
        [(key, *snapshot.awaited(key, now), error.message) for key, error in silent.items()], known_at=now
    )


@task(name="describe coverage", **LOCAL_COMPUTE)
def describe_coverage(commit: CommitRef | None) -> None:
    """Tables of what the lake holds and what this run brought."""
    coverage = wiring.lake(load_settings()).snapshot().coverage()
    create_table_artifact(coverage_rows(coverage), key="lake-coverage", description="Candles in the lake, by series")
    if commit is None:
        text = "Nothing new had closed."
    else:
        text = (
            f"Commit **{commit.seq}** (known at {iso(commit.known_at)}): {commit.rows_added} candles added, "
            f"{commit.rows_revised} revised, {commit.rows_unchanged} unchanged.\n\nContent `{commit.content_hash[:16]}`"
        )
    create_markdown_artifact(text, key="lake-commit", description="What the newest ingest run brought")
    if commit is not None and commit.rows_added >= _WORTH_A_MAP:
        _draw_map()


@task(name="draw coverage", **LOCAL_COMPUTE)
def draw_coverage() -> None:
    """The map of what the lake holds over time, holes in the colour of their cause."""
    _draw_map()


@task(name="tidy lake", **LAKE_WRITE)
def tidy_lake() -> UpkeepReport:
    """Join small files, then delete what is past its time; the settings say how long that is."""
    settings = load_settings()
    keep = settings.lake
    return wiring.lake(settings).maintain(
        known_at=wiring.market_now(settings), wall_now=WallClock().now(),
        keep_replaced=timedelta(hours=keep.keep_replaced_hours), keep_staged=timedelta(hours=keep.keep_staged_hours),
    )  # fmt: skip


@task(name="verify lake", **LOCAL_COMPUTE)
def verify_lake(asked: bool) -> list[str]:
    """Names of files whose bytes are not those that were committed; none where it was not ``asked`` for, and nothing is read."""
    return wiring.lake(load_settings()).verify() if asked else []


@task(name="describe upkeep", **LOCAL_COMPUTE)
def describe_upkeep(report: UpkeepReport, damaged: list[str]) -> None:
    """What a round of upkeep did.  Raises: BadData naming files that are not what was committed."""
    create_table_artifact(upkeep_rows(report), key="lake-upkeep", description="What the newest round of upkeep did")
    if damaged:
        raise BadData(f"{len(damaged)} files are not what was committed: {', '.join(damaged)}", files=damaged)


def _draw_map() -> None:
    from kracken_tasks.lake.coverage_map import coverage_png  # matplotlib, for those who draw

    picture = coverage_png(wiring.lake(load_settings()).snapshot())
    create_markdown_artifact(
        png_in_markdown(picture, "coverage of the lake"), key="lake-map", description="What the lake holds and lacks, over time"
    )  # fmt: skip

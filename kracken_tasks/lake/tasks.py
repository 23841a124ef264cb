"""Door of the lake: commit what a verdict accepted, show what there is."""

from __future__ import annotations

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from kracken_tasks import wiring
from kracken_tasks.contracts.render import coverage_rows
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.refs import CommitRef, Verdict
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LAKE_WRITE, LOCAL_COMPUTE


@task(name="commit candles", **LAKE_WRITE)
def commit_candles(verdict: Verdict | None) -> CommitRef | None:
    """Make the accepted rows visible, all at once; doing it twice equals doing it once."""
    if verdict is None:
        return None
    settings = load_settings()
    return wiring.lake(settings).commit(verdict, known_at=wiring.market_now(settings))


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

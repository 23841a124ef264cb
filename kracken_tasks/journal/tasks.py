"""Door of the journal room: the story so far as JSON, and as a page to read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from kracken_tasks import wiring
from kracken_tasks.domain.clock import WallClock, iso
from kracken_tasks.journal import build_journal, cut_off, digests_by_name, render_journal_markdown, write_journal
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE


@task(name="choose cut-off", **LOCAL_COMPUTE)
def choose_cut_off(until: datetime | None) -> datetime | None:
    """Where the exports end: read once, so that all files of a run tell of the same entries.  None: there are none."""
    end = until or cut_off(wiring.ledger(load_settings()))
    if end is None:
        get_run_logger().info("the ledger is empty; there is nothing to export yet")
    return end


@task(name="export journal", **LOCAL_COMPUTE)
def export_journal(end: datetime | None, taxes: Mapping[str, str] | BaseException) -> list[str]:
    """Write ``journal.json`` (byte-identical for the same entries) and ``journal.run.json`` (what belongs to this run).

    ``end`` None: there is nothing yet, and nothing is written.  ``taxes``: SHA-256 of the tax files by path, or why there are none.
    """
    if end is None:
        return []
    settings = load_settings()
    journal = build_journal(
        wiring.ledger(settings),
        period_end=end,
        mode=settings.profile.value,
        version=wiring.code_version(),
        tax_timezone=settings.tax.tax_timezone,
        base_currency=settings.tax.base_currency,
        method=settings.tax.method,
        scope=settings.tax.scope,
        exports_sha256=digests_by_name(taxes),
        first_agent=settings.agents[0].name,
    )
    facts = {"run_id": str(flow_run.id), "written_at": iso(WallClock().now())}
    written = write_journal(journal, settings.paths.exports, run_facts=facts)
    create_markdown_artifact(render_journal_markdown(journal), key="journal", description="The account's story so far")
    return [str(path) for path in written]

"""Write the journal and the tax files.  Running it again gives byte-identical files."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.journal import tasks as journal_tasks
from kracken_tasks.tax import tasks as tax_tasks


@flow(
    name="nightly_exports",
    description="Journal JSON, lots (FIFO), Koinly universal CSV and generic CSV, all views of the same ledger entries.",
    flow_run_name="exports",
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def nightly_exports(
    until: datetime | None = None,
) -> list[str]:
    """Returns the paths written; none while the ledger is empty.

    Args:
        until: Only entries before this market time; empty: all of them
    """
    end = journal_tasks.choose_cut_off(until)
    taxes = tax_tasks.export_tax.submit(end)
    # The journal tells the day whatever the taxes cannot; what stopped them fails this run afterwards.
    written = journal_tasks.export_journal(end, taxes.result(raise_on_failure=False))
    return [*taxes.result(), *written]

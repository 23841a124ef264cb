"""Door of the tax room: lots, Koinly and neutral trades, all views of the same fills."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact

from kracken_tasks import wiring
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE
from kracken_tasks.tax.exports import export_ledger
from kracken_tasks.wiring.values import fair_values


@task(name="export tax files", **LOCAL_COMPUTE)
def export_tax(end: datetime | None) -> dict[str, str]:
    """Write the files of everything before ``end``; their SHA-256 by path.  The same ledger entries give the same bytes.

    ``end`` None: there is nothing yet, and nothing is written.
    """
    if end is None:
        return {}
    settings = load_settings()
    report = export_ledger(
        wiring.ledger(settings),
        settings.paths.exports,
        until=end,
        choices=wiring.tax_choices(settings),
        values=fair_values(settings),
    )
    hashes = {str(path): report.sha256[path.name] for path in report.paths}
    rows = [
        {"file": path.name, "rows": str(report.rows[path.name]), "sha256": report.sha256[path.name], "where": str(path)}
        for path in report.paths
    ]
    create_table_artifact(
        rows, key="tax-files", description="Gains and open lots (FIFO), Koinly universal, neutral trades"
    )
    for note in report.notes:
        get_run_logger().warning("%s", note)
    get_run_logger().info("import koinly.csv by hand: Koinly takes files, it has no interface to send them to")
    return hashes

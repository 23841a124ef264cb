"""Door of the alerts room: deliver what waits in the ledger's outbox."""

from __future__ import annotations

from prefect import get_run_logger, task

from kracken_tasks import wiring
from kracken_tasks.alerts.outbox import deliver_now
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE


@task(name="deliver alerts", **LOCAL_COMPUTE)
def deliver_alerts() -> int:
    """Send pending alerts, oldest first; what cannot leave now stays for the next tick.  Returns how many left."""
    settings = load_settings()
    report = deliver_now(wiring.ledger(settings), wiring.channel(settings), wiring.market_now(settings))
    if report.stopped_by:
        get_run_logger().warning("%d alerts wait: %s", report.pending, report.stopped_by)
    return len(report.sent)

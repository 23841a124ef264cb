"""Door of the execution room: one tick is one task, never retried."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.runtime import deployment, flow_run

from kracken_tasks import wiring
from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.settings import Settings, load_settings
from kracken_tasks.task_policy import MONEY


def tick_run_name() -> str:
    """``tick`` and what names it: the caller's key, the slot, or the scheduled time."""
    parameters = flow_run.parameters
    return f"tick {parameters.get('key') or parameters.get('slot') or f'{flow_run.scheduled_start_time:%Y-%m-%d %H:%M:%S}'}"


@task(name="execute tick", **MONEY)
def execute_tick(timeframe: Timeframe | None, key: str | None, slot: datetime | None) -> str:
    """Run the tick and show what it did; its result in a word."""
    settings = load_settings()
    with wiring.around_tick(settings):
        report = run_tick(wiring.tick_deps(settings, timeframe), _slot(settings, key, slot))
    get_run_logger().info("%s: %s", report.tick_id, report.result)
    if report.done:
        _show(report)
    return report.result


def _slot(settings: Settings, key: str | None, slot: datetime | None) -> TickSlot:
    """Deployment and scheduled time name a scheduled tick, a caller's key (or else the run's own id) an ad-hoc one."""
    name = deployment.name or "adhoc"
    if slot is not None:
        return TickSlot(name, slot, key or "")
    if key is None and deployment.name is not None and flow_run.parent_flow_run_id is None and _scheduled():
        return TickSlot(
            name, parse_utc(flow_run.scheduled_start_time.isoformat())
        )  # a plain datetime, not Prefect's own
    return TickSlot(name, wiring.market_now(settings), key or str(flow_run.id))


def _scheduled() -> bool:
    """Whether the server's scheduler made this run: only then does its time name it."""
    return "auto-scheduled" in flow_run.tags


def _show(report: TickReport) -> None:
    create_markdown_artifact(report.to_markdown(), key="tick", description="What the newest tick saw, decided and did")
    create_table_artifact(report.rows(), key="decisions", description="One row a symbol: decision, guard, size, order")

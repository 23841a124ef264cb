"""Door of the explain room: the day against its replay."""

from __future__ import annotations

from datetime import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact

from kracken_tasks import wiring
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.explain.day import hold_against_replay, span_of
from kracken_tasks.explain.render import alert_over, day_bytes, day_file, shown_rows
from kracken_tasks.files import publish
from kracken_tasks.ledger import Source
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import NETWORK_READ
from kracken_tasks.wiring.replays import replays


@task(name="hold day against replay", **NETWORK_READ)
def hold_day_against_replay(timeframe: Timeframe | None, day: datetime | None) -> list[str]:
    """Write the parity file of a UTC day (the last whole one), show it, and say so if it is over the bound; the paths."""
    settings = load_settings()
    with calls_at(Priority.EXPORT):
        now = wiring.market_now(settings)
        tools = replays(settings, timeframe)
    ledger = wiring.ledger(settings)
    report = hold_against_replay(ledger, *span_of(day, now), tools)
    get_run_logger().info("%s", report.sentence)
    draft = alert_over(report, ledger.last_equity(), settings.trading.parity_bound_fraction)
    if draft is not None:
        with ledger.acting(Source.CHECK, day_file(report)):
            ledger.add_alert(draft, ts=now)
    create_table_artifact(shown_rows(report) or [{"order": "none"}], key="parity", description=report.sentence)
    return [str(path) for path in publish(settings.paths.exports, {day_file(report): day_bytes(report)})]

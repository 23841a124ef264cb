"""One trading tick: reconcile, exits, candles, mark, decide, send, book.  One task, never retried."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.alerts import tasks as alert_tasks
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.execution import tasks as execution_tasks


@flow(
    name="trading_tick",
    description="Look at the market once and act: paper or sandbox orders, each with its stop. Two ticks never act at once.",
    flow_run_name=execution_tasks.tick_run_name,
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def trading_tick(
    timeframe: Timeframe | None = None,
    key: str | None = None,
    slot: datetime | None = None,
) -> str:
    """Returns the tick's result in a word: ``done``, ``repeated`` or ``skipped: lease held by ... until ...``.

    Args:
        timeframe: Candles that signals look at; empty: trading.timeframe
        key: Name of an ad-hoc tick; the same name never acts twice. Empty: this run
        slot: Market time the tick stands for; empty: its scheduled time
    """
    result = execution_tasks.execute_tick(timeframe, key, slot)
    alert_tasks.deliver_alerts()
    return result

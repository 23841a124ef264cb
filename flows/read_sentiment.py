"""Read what the configured sources of sentiment say; ticks hear the newest reading with its age."""

from __future__ import annotations

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.signals import tasks as signal_tasks


@flow(
    name="read_sentiment",
    description="News feeds and a fear-and-greed index; a source that fails keeps its last word, which grows old.",
    flow_run_name="read sentiment",
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def read_sentiment() -> int:
    """Returns how many sources answered; none are configured by default."""
    return signal_tasks.read_sentiment()

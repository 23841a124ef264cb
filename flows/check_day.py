"""Hold the books against the venue, and the day against its replay.  Running it again finds the same and books nothing twice."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.explain import tasks as explain_tasks
from kracken_tasks.ledger import tasks as ledger_tasks


@flow(
    name="check_day",
    description="The venue's balances and ledger lines against the book, with causes; the day's orders against their replay, to the cent.",
    flow_run_name="checks",
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def check_day(
    timeframe: Timeframe | None = None,
    day: datetime | None = None,
) -> bool:
    """Returns whether the books agree.

    Args:
        timeframe: Candles that the ticks looked at; empty: trading.timeframe
        day: A moment of the UTC day to hold against its replay; empty: the last whole day
    """
    agree = ledger_tasks.check_books()
    explain_tasks.hold_day_against_replay(timeframe, day)
    return agree

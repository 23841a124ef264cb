"""Hold the books against the venue.  Running it again finds the same and books nothing twice."""

from __future__ import annotations

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.ledger import tasks as ledger_tasks


@flow(
    name="check_day",
    description="The venue's balances and ledger lines against the book: every difference with its cause, last digits corrected.",
    flow_run_name="checks",
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def check_day() -> bool:
    """Returns whether the books agree."""
    return ledger_tasks.check_books()

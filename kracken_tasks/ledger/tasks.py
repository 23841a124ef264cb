"""Door of the ledger room: the books against the venue."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact

from kracken_tasks import wiring
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.ledger.books import check_books as check
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import NETWORK_READ
from kracken_tasks.wiring.books import venue_books


@task(name="check books", **NETWORK_READ)
def check_books() -> bool:
    """Hold venue and ledger against each other; whether they agree.  Repeating it books nothing twice."""
    settings = load_settings()
    ledger = wiring.ledger(settings)
    if ledger.last_cash_ts() is None:
        get_run_logger().info("the ledger is empty; there is nothing to check yet")
        return True
    with calls_at(Priority.EXPORT):  # an exit must not stand behind a listing
        report = check(ledger, venue_books(settings), at=wiring.market_now(settings))
    log = get_run_logger()
    (log.info if report.agrees else log.warning)("%s", report.sentence)
    create_table_artifact(report.rows(), key="books", description=report.sentence)
    return report.agrees

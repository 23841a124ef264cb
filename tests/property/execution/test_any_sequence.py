"""Whatever the venue does and whenever the process dies: no order twice, fold = venue, nothing naked, each fill once."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import KrackenError
from kracken_tasks.execution.paper_matching import PaperBook
from tests.support.bench import Bench
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC
from tests.support.stopping import Stopped, Stopper, StoppingBroker, StoppingLedger

SUBMIT = st.sampled_from(["", "", "lost_before", "lost_after", "late", "no_connection", "refused", "frozen"])
CHANGE = st.sampled_from(["", "", "timeout", "no_connection", "refused"])
EVENTS = st.fixed_dictionaries(
    {
        "says": st.sampled_from([Action.BUY, Action.SELL, Action.HOLD]),
        "seconds": st.sampled_from([1, 4, 30, 3600]),
        "factor": st.sampled_from([0.9, 0.98, 1.0, 1.02, 1.08]),
        "submit": st.lists(SUBMIT, max_size=3),
        "cancel": st.lists(CHANGE, max_size=2),
        "amend": st.lists(CHANGE, max_size=2),
        "lag": st.sampled_from([0, 0, 4]),
        "thin": st.booleans(),
        "repeat": st.booleans(),
        "dies_at": st.sampled_from([0, 0, 0, 5, 9, 14, 18, 22, 26, 31]),
        "again": st.booleans(),
    }
)


def arrange(bench: Bench, event: dict[str, object]) -> None:
    venue = bench.venue
    venue.submit_faults = list(event["submit"])  # type: ignore[call-overload]  # drawn as lists
    venue.cancel_faults = list(event["cancel"])  # type: ignore[call-overload]
    venue.amend_faults = list(event["amend"])  # type: ignore[call-overload]
    venue.listing_lag = venue.fill_lag = timedelta(seconds=int(str(event["lag"])))
    venue.repeat_fills = bool(event["repeat"])
    bench.market.prices[BTC] = round(bench.market.prices[BTC] * float(str(event["factor"])), 1)
    price = Decimal(str(bench.market.prices[BTC]))
    thin = PaperBook(bids=((price - 5, Decimal("0.01")),), asks=((price + 5, Decimal("0.006")),))
    venue.books = {BTC: thin} if event["thin"] else {}


def live_through(bench: Bench, dying: StoppingLedger, event: dict[str, object]) -> None:
    arrange(bench, event)
    stopper = dying.stopper = Stopper(int(str(event["dies_at"])))
    says = {BTC: Action(str(event["says"]))}
    try:
        report = bench.tick(
            says, seconds=int(str(event["seconds"])), broker=StoppingBroker(bench.venue, stopper), ledger=dying
        )
        if report.done and not (report.unknown or report.problems or report.unprotected):
            bench.require_nothing_naked_on_the_venue()
    except Stopped:
        bench.pass_time(150)
    except KrackenError:
        pass  # the tick's own word for a venue it could not read
    if event["again"]:
        with suppress(KrackenError):
            bench.again(says)


@settings(
    max_examples=settings.default.max_examples // 8,  # a life of several ticks each
    phases=[Phase.generate],  # a shrunk failure would take minutes of ticks; the one found names its events
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(EVENTS, min_size=1, max_size=7))
def test_any_sequence_of_faults_crashes_and_retries_ends_in_order(events: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), symbols=(BTC,))
        dying = StoppingLedger.with_stopper(sqlite_url(Path(folder)), Stopper())
        for event in events:
            live_through(bench, dying, event)
        calm = {"submit": [], "cancel": [], "amend": [], "lag": 0, "repeat": False, "factor": 1.0, "thin": False}
        arrange(bench, calm)
        bench.tick(seconds=300)
        bench.tick(seconds=300)
        bench.require_truth()
        dying.close()
        bench.ledger.close()

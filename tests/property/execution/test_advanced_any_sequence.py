"""Whatever is asked, the market does, the venue fails at and whenever the process dies: sold once, one exit left, exactly its size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kracken_tasks.errors import KrackenError
from kracken_tasks.execution.advanced import AdvancedOrders
from tests.support.advanced import AdvancedBench
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC
from tests.support.stopping import Stopped, Stopper, StoppingBroker, StoppingLedger

Ask = Callable[[AdvancedOrders, float, str], object]

ASKS: dict[str, Ask] = {
    "bracket": lambda orders, price, key: orders.bracket(
        BTC, "0.1", key=key, stop_price=price * 0.98, take_profit_price=price * 1.03
    ),
    "resting bracket": lambda orders, price, key: orders.bracket(
        BTC, "0.1", key=key, entry_price=price * 0.999, stop_price=price * 0.98, take_profit_price=price * 1.03
    ),
    "trailing bracket": lambda orders, price, key: orders.bracket(
        BTC, "0.1", key=key, stop_price=price * 0.98, trail_percent=2
    ),
    "stop": lambda orders, price, key: orders.stop_loss(BTC, price * 0.99),
    "stop limit": lambda orders, price, key: orders.stop_limit(BTC, price * 0.98, price * 0.97),
    "oco": lambda orders, price, key: orders.oco(BTC, stop_price=price * 0.97, take_profit_price=price * 1.02),
    "trail": lambda orders, price, key: orders.trailing_stop(BTC, distance=price * 0.02),
    "lone target": lambda orders, price, key: orders.take_profit(BTC, price * 1.02, without_stop=True),
    "no target": lambda orders, price, key: orders.cancel_target(BTC),
    "no entry": lambda orders, price, key: orders.cancel_entry(BTC, key),
    "watch": lambda orders, price, key: orders.watch(),
}
SUBMIT = st.sampled_from(["", "", "", "lost_before", "lost_after", "late", "no_connection", "refused", "frozen"])
CHANGE = st.sampled_from(["", "", "", "timeout", "no_connection", "refused"])
EVENTS = st.fixed_dictionaries(
    {
        "ask": st.sampled_from([*ASKS, "watch", "bracket", "resting bracket"]),
        "key": st.sampled_from(["a", "b"]),
        "seconds": st.sampled_from([1, 4, 30]),
        "factor": st.sampled_from([0.96, 0.99, 0.998, 1.0, 1.002, 1.01, 1.04]),
        "traded": st.sampled_from(["0", "0", "0.013", "5"]),
        "submit": st.lists(SUBMIT, max_size=2),
        "cancel": st.lists(CHANGE, max_size=2),
        "amend": st.lists(CHANGE, max_size=2),
        "dies_at": st.sampled_from([0, 0, 0, 4, 7, 9, 11, 13, 16, 20, 25]),
        "twice": st.booleans(),
        "tick": st.booleans(),
    }
)
Event = dict[str, object]


def arrange(bench: AdvancedBench, event: Event) -> float:
    venue = bench.venue
    venue.submit_faults = list(event["submit"])  # type: ignore[call-overload]  # drawn as lists
    venue.cancel_faults = list(event["cancel"])  # type: ignore[call-overload]
    venue.amend_faults = list(event["amend"])  # type: ignore[call-overload]
    price = round(bench.market.prices[BTC] * float(str(event["factor"])), 1)
    bench.moved(price, int(str(event["seconds"])))
    if Decimal(str(event["traded"])):
        bench.traded(str(round(price * 0.998, 1)), str(event["traded"]), seconds=0)
    return price


def live_through(bench: AdvancedBench, dying: StoppingLedger, event: Event) -> None:
    price = arrange(bench, event)
    stopper = dying.stopper = Stopper(int(str(event["dies_at"])))
    ask, key = ASKS[str(event["ask"])], str(event["key"])
    try:
        with suppress(KrackenError):
            ask(bench.opened(StoppingBroker(bench.venue, stopper), dying), price, key)
    except Stopped:
        bench.pass_time(150)  # the dead process's lease runs out
    bench.require_never_sold_twice()
    if event["twice"]:
        with suppress(KrackenError):
            ask(bench.opened(), price, key)
    if event["tick"]:
        with suppress(KrackenError):
            bench.tick(seconds=1)
    bench.require_never_sold_twice()
    bench.require_one_order_per_intent()


def calm(bench: AdvancedBench) -> None:
    """A venue that answers, and looks until everything that is due has been done."""
    bench.venue.submit_faults = bench.venue.cancel_faults = bench.venue.amend_faults = []
    for _ in range(4):
        bench.pass_time(60)
        bench.opened().watch()


@settings(
    max_examples=settings.default.max_examples // 4,  # a life of several calls each
    phases=[Phase.generate],  # a shrunk failure would take minutes; the one found names its events
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)
@given(st.booleans(), st.booleans(), st.lists(EVENTS, min_size=1, max_size=8))
def test_any_sequence_of_wishes_faults_and_deaths_ends_with_one_exit_of_the_right_size(
    by_trades: bool, conditional_close: bool, events: list[Event]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = AdvancedBench(Path(folder), by_trades=by_trades, conditional_close=conditional_close, cash="1000000")
        dying = StoppingLedger.with_stopper(sqlite_url(Path(folder)), Stopper())
        for event in events:
            live_through(bench, dying, event)
        calm(bench)
        bench.require_kept()
        dying.close()
        bench.ledger.close()

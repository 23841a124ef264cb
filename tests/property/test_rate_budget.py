"""Whatever comes in whatever order: no counter above what the venue allows, and an exit never behind an export."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.rates import Charge, Limit, Priority, RateBudget
from kracken_tasks.exchange.rates.kraken import TIERS, KrakenRates
from kracken_tasks.exchange.rates.sqlite import SqliteCounters
from kracken_tasks.exchange.rates.store import MemoryCounters
from tests.support.rates import HeldClock, starter

PATHS = ("BalanceEx", "Ledgers", "TradesHistory", "AddOrder", "AmendOrder", "Ticker")


class VenueCounter:
    """The venue's own counting, written apart: it falls with time, and a call above its maximum is an offence."""

    def __init__(self) -> None:
        self.count, self.at, self.offences = 0.0, 0.0, 0

    def call(self, cost: float, now: float, maximum: float, decay: float) -> None:
        self.count = max(0.0, self.count - decay * (now - self.at)) + cost
        self.at = now
        self.offences += self.count > maximum + 1e-6


steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # which process
        st.sampled_from(PATHS),
        st.sampled_from(list(Priority)),
        st.floats(0, 20),  # seconds until it calls
    ),
    min_size=1,
    max_size=60,
)


@given(steps=steps, tier=st.sampled_from(sorted(TIERS)))
@settings(max_examples=60, deadline=None)
def test_no_interleaving_of_processes_takes_a_counter_above_the_venues_maximum(
    steps: list[tuple[int, str, Priority, float]], tier: str
) -> None:
    clock, venue = HeldClock(), {}
    with TemporaryDirectory() as folder:
        stores = [SqliteCounters(Path(folder) / "rates.sqlite", clock.now) for _ in range(3)]
        budgets = [RateBudget(store, pause=clock.wait) for store in stores]
        clients = [KrakenRates("key", "address", TIERS[tier], 1000.0) for _ in range(3)]
        for process, path, priority, pause in steps:
            clock.wait(pause)
            charges = clients[process].charges(path, path != "Ticker", {"pair": "P", "txid": "O"}, 1.2)
            try:
                budgets[process].spend(charges, priority)
            except RetryLater:
                continue
            for charge in charges:
                counter = venue.setdefault(charge.counter, VenueCounter())
                counter.call(charge.cost, clock.at, charge.limit.maximum, charge.limit.decay)
        for store in stores:
            store.close()
    assert {name: counter.offences for name, counter in venue.items() if counter.offences} == {}


@given(
    exports=st.lists(
        st.tuples(st.sampled_from(["Ledgers", "TradesHistory", "BalanceEx"]), st.floats(0, 3)), max_size=80
    ),
    needs=st.lists(st.sampled_from(["OpenOrders", "QueryOrders", "BalanceEx"]), min_size=1, max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_an_exit_never_waits_behind_exports(exports: list[tuple[str, float]], needs: list[str]) -> None:
    clock, rates = HeldClock(), starter()
    budget = RateBudget(MemoryCounters(clock.now), pause=clock.wait)
    for path, pause in exports:
        clock.wait(pause)
        budget.spend(rates.charges(path, True, {}, 0.0), Priority.EXPORT)
    before = clock.at
    for path in needs:
        budget.spend(rates.charges(path, True, {}, 0.0), Priority.PROTECT)
    budget.spend(rates.charges("AddOrder", True, {"pair": "P"}, 0.0), Priority.PROTECT)
    assert clock.at == before


@given(
    calls=st.lists(st.tuples(st.floats(0.1, 12), st.sampled_from(list(Priority)), st.floats(0, 5)), max_size=60),
    maximum=st.floats(5, 50),
    decay=st.floats(0.1, 20),
    share=st.floats(0, 0.9),
)
@settings(max_examples=100, deadline=None)
def test_what_waits_long_enough_is_let_through_and_nothing_else_is_counted(
    calls: list[tuple[float, Priority, float]], maximum: float, decay: float, share: float
) -> None:
    clock, paid = HeldClock(), 0.0
    limit = Limit(maximum, decay, (0.0, 0.0, 0.0, share * maximum))
    budget = RateBudget(MemoryCounters(clock.now), pause=clock.wait, patience=dict.fromkeys(Priority, 1e9))
    begun = clock.at
    for cost, priority, pause in calls:
        clock.wait(pause)
        budget.spend([Charge("one", cost, limit)], priority)
        paid += cost
    # A leaky bucket lets through its size at once and its decay for every second: never more.
    assert paid <= max(maximum, 12) + decay * (clock.at - begun) + 1e-3

"""One account, two schedulers: whoever sleeps, however long, no second order; on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.trading import Action, Purpose
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.ledger import IntentResult, Ledger
from tests.support.bench import Bench
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC

TEN_MINUTES = 600.0


class TwoPods:
    """Two processes' views of one account: each with its own handle on the database, the same venue and wall."""

    def __init__(self, folder: Path, url: str) -> None:
        self.bench = Bench(folder / "bench", symbols=(BTC,))
        self.bench.ledger.close()
        self.bench.ledger = Ledger.open(url, account="main", exchange="kraken")
        self.other = Ledger.open(url, account="main", exchange="kraken")
        self.bench.strategy.says = {BTC: Action.BUY}
        self.successors: list[TickReport] = []

    def successor(self, slot: str) -> TickReport:
        deps = self.bench.deps(ledger=self.other, holder="pod-2")
        report = run_tick(deps, TickSlot("bench", self.bench.market.now(), key=slot))
        self.successors.append(report)
        return report

    def first(self, slot: str = "a", **changes: Any) -> TickReport:
        deps = self.bench.deps(holder="pod-1", **changes)
        return run_tick(deps, TickSlot("bench", self.bench.market.now(), key=slot))

    def entries_sent(self) -> list[str]:
        """Client order ids of buys that the venue has or had."""
        inner = self.bench.venue.inner
        orders = [*inner.open_orders(), *inner.closed_orders(datetime.fromisoformat("2000-01-01T00:00:00+00:00"))]
        return [str(order.client_order_id) for order in orders if order.side.value == "buy"]


@pytest.fixture
def pods(tmp_path: Path, url: str) -> Iterator[TwoPods]:
    (tmp_path / "bench").mkdir()
    pods = TwoPods(tmp_path, url)
    yield pods
    pods.bench.ledger.close()
    pods.other.close()


def test_a_second_scheduler_that_fires_meanwhile_is_told_who_holds_the_lease(pods: TwoPods) -> None:
    def fires(keys: Sequence[SeriesKey], bar: datetime) -> None:
        pods.successor("a")

    assert pods.first(wait_for_bar=fires).done
    (skipped,) = pods.successors
    assert skipped.result.startswith("skipped: lease held by pod-1")
    assert len(pods.entries_sent()) == 1
    pods.bench.require_truth()


def test_a_zombie_revived_after_ten_minutes_sends_nothing_more(pods: TwoPods) -> None:
    def freezes(keys: Sequence[SeriesKey], bar: datetime) -> None:
        if not pods.successors:
            pods.bench.pass_time(TEN_MINUTES)
            assert pods.successor("b").done

    zombie = pods.first(wait_for_bar=freezes)
    assert zombie.result == "lease lost"
    assert zombie.sent == ()
    assert len(pods.entries_sent()) == 1
    intents = [entry for entry in pods.other.intents() if entry.purpose is Purpose.ENTRY]
    assert [entry.tick_id for entry in intents] == ["bench@b"]
    pods.bench.require_truth()


def test_a_pod_frozen_between_intent_and_send_wakes_behind_its_successor_and_its_order_is_past_its_deadline(
    pods: TwoPods,
) -> None:
    def frozen(submit: Any, request: Any) -> Any:
        if not pods.successors:
            pods.bench.pass_time(TEN_MINUTES)
            assert pods.successor("b").done
        return submit(request)

    venue = LyingVenue(pods.bench.venue, submit=frozen)
    pods.first(broker=venue)
    sent = pods.entries_sent()
    assert len(sent) == 1, "the venue refuses what comes after its deadline"
    fates = {
        entry.tick_id: outcome.result
        for entry in pods.other.intents()
        if entry.purpose is Purpose.ENTRY and (outcome := pods.other.outcome(entry.client_order_id)) is not None
    }
    assert fates == {"bench@a": IntentResult.NEVER_ARRIVED, "bench@b": IntentResult.ACCEPTED}
    pods.bench.require_truth()


def test_tokens_only_rise_whoever_holds_the_lease_in_turn(pods: TwoPods) -> None:
    for number in range(3):
        pods.first(f"a{number}")
        pods.bench.pass_time(3600)
        pods.successor(f"b{number}")
        pods.bench.pass_time(3600)
    tokens = [entry.lease_token for entry in pods.other.intents()]
    assert tokens == sorted(tokens)
    assert all(tokens)

"""The dead-man switch is off unless asked for, and is never left armed over stops that nobody gave up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.execution.dead_man import DeadManSwitch
from kracken_tasks.execution.desk import lease_name
from kracken_tasks.ledger import AlertKind
from tests.support.advanced import AdvancedBench
from tests.support.venue import ScriptedVenue


class VenueWithSwitch:
    """The scripted venue, and a switch that remembers what it was told."""

    def __init__(self, venue: ScriptedVenue) -> None:
        self._venue = venue
        self.told: list[int] = []
        self.unreachable = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._venue, name)

    def cancel_all_after(self, seconds: int) -> datetime | None:
        if self.unreachable:
            raise RetryLater("time-out")
        self.told.append(seconds)
        return self._venue.now() + timedelta(seconds=seconds) if seconds else None

    @property
    def armed(self) -> bool:
        return bool(self.told) and self.told[-1] > 0


class SwitchBench(AdvancedBench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.switched = VenueWithSwitch(self.venue)

    def switch(self, seconds: int = 600, *, cancels_stops: bool = False) -> DeadManSwitch:
        broker: object = self.switched
        return DeadManSwitch(broker, self.ledger, self.wall, seconds=seconds, cancels_stops=cancels_stops)  # type: ignore[arg-type]  # by __getattr__


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SwitchBench]:
    made = SwitchBench(tmp_path)
    yield made
    made.ledger.close()


def test_it_is_off_unless_it_is_asked_for(bench: SwitchBench) -> None:
    with bench.switch(0).around():
        pass
    assert bench.switched.told == []


def test_each_tick_arms_it_anew(bench: SwitchBench) -> None:
    for _ in range(2):
        with bench.switch().around():
            bench.tick()
    assert bench.switched.told == [0, 600, 0, 600]


def test_it_is_not_armed_over_a_stop_and_what_was_armed_is_called_off(bench: SwitchBench) -> None:
    assert bench.switch().tend() == ""
    assert bench.switched.armed
    bench.bought()
    assert "rests" in bench.switch().tend()
    assert not bench.switched.armed


def test_it_is_not_armed_over_an_entry_that_brings_a_stop(bench: SwitchBench) -> None:
    bench.bought(entry_price="49900")
    assert "brings a stop" in bench.switch().tend()
    assert not bench.switched.armed


def test_it_is_not_armed_while_an_order_is_in_doubt(bench: SwitchBench) -> None:
    bench.venue.submit_faults = ["lost_before"]
    bench.bought(wait=0)
    assert "in doubt" in bench.switch().tend()
    assert not bench.switched.armed


def test_a_process_killed_in_a_tick_that_bought_leaves_no_switch_over_its_stop(bench: SwitchBench) -> None:
    bench.switch().tend()
    bench.switch().around().__enter__()  # and never left
    bench.bought()
    assert not bench.switched.armed


def test_told_that_stops_may_go_it_is_armed_over_them_before_and_after(bench: SwitchBench) -> None:
    bench.bought()
    with bench.switch(cancels_stops=True).around():
        assert bench.switched.armed
    assert bench.switched.told == [600, 600]


def test_another_tick_that_holds_the_lease_sees_to_it(bench: SwitchBench) -> None:
    bench.ledger.leases.acquire(lease_name(bench.ledger), "another", timedelta(minutes=1), bench.wall.now())
    assert "another" in bench.switch().tend()
    assert bench.switched.told == []


def test_a_switch_that_cannot_be_set_is_told_and_stops_no_tick(bench: SwitchBench) -> None:
    bench.switched.unreachable = True
    with bench.switch().around():
        report = bench.tick()
    assert report.done
    assert {alert.kind for alert in bench.ledger.alerts()} == {AlertKind.ERROR}


def test_a_clean_stop_calls_it_off(bench: SwitchBench) -> None:
    bench.switch().tend()
    bench.switch().stand_down()
    assert not bench.switched.armed


def test_a_broker_without_a_switch_is_refused_by_name(bench: SwitchBench) -> None:
    with pytest.raises(Misconfigured, match="no dead-man switch"):
        DeadManSwitch(bench.venue, bench.ledger, bench.wall, seconds=60)


@pytest.mark.parametrize("seconds", [-1, 86_401])
def test_seconds_out_of_range_are_refused(bench: SwitchBench, seconds: int) -> None:
    with pytest.raises(Misconfigured, match="allowed"):
        bench.switch(seconds)

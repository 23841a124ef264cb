"""The venue's time between two questions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.venue_clock import VenueClock

START = utc(2026, 1, 10)


@dataclass
class World:
    """True time, told in whole seconds after a way of ``way`` seconds; ``steady`` runs beside it."""

    true: datetime = START
    steady: float = 100.0
    way: float = 0.0
    asked: list[datetime] = field(default_factory=list)
    away: bool = False

    def pass_time(self, seconds: float) -> None:
        self.true += timedelta(seconds=seconds)
        self.steady += seconds

    def ask(self) -> datetime:
        if self.away:
            raise RetryLater("venue away")
        self.asked.append(self.true)
        told = self.true.replace(microsecond=0)
        self.pass_time(self.way)
        return told


def clock_of(world: World, keeps: float) -> VenueClock:
    return VenueClock(world.ask, keeps, lambda: world.steady)


def test_clock_is_asked_once_and_carried_on_by_the_steady_one() -> None:
    world = World()
    clock = clock_of(world, 60)
    told = []
    for _ in range(6):
        told.append(clock.now() - START)
        world.pass_time(9.5)
    assert told == [timedelta(seconds=9.5 * step) for step in range(6)]
    assert len(world.asked) == 1
    world.pass_time(5)
    clock.now()
    assert len(world.asked) == 2


def test_time_is_never_ahead_of_the_venue_and_at_most_a_second_and_the_way_behind() -> None:
    world = World(true=START + timedelta(seconds=0.7), way=0.2)
    clock = clock_of(world, 5)
    for _ in range(200):
        told = clock.now()
        assert timedelta(0) <= world.true - told <= timedelta(seconds=1.2)
        world.pass_time(0.37)


def test_time_does_not_go_back_when_a_new_answer_is_cut_to_its_second() -> None:
    world = World(true=START)
    clock = clock_of(world, 5)
    last = clock.now()
    for _ in range(100):
        world.pass_time(0.93)
        assert clock.now() >= last
        last = clock.now()


def test_clock_that_keeps_nothing_asks_every_time_and_may_go_anywhere() -> None:
    world = World()
    clock = clock_of(world, 0)
    assert clock.now() == START
    world.true = START - timedelta(days=3)
    assert clock.now() == START - timedelta(days=3)
    assert len(world.asked) == 2


def test_venue_that_is_away_is_missed_only_when_it_has_to_be_asked() -> None:
    world = World()
    clock = clock_of(world, 60)
    clock.now()
    world.away = True
    world.pass_time(59)
    assert clock.now() == START + timedelta(seconds=59)
    world.pass_time(1)
    with pytest.raises(RetryLater):
        clock.now()


def test_negative_keeping_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        VenueClock(lambda: START, -1)

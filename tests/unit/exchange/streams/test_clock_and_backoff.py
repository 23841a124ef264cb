"""Market time carried on, and pauses between attempts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.domain.clock import utc
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.exchange.streams import StreamTiming
from kracken_tasks.exchange.streams.backoff import Backoff
from kracken_tasks.exchange.streams.clock import StreamClock

NOON = utc(2024, 3, 1, 12)


class Steady:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def test_clock_goes_on_with_the_steady_one_from_what_the_venue_told() -> None:
    steady = Steady()
    clock = StreamClock(steady)
    clock.told(NOON)
    steady.at = 2.5
    assert clock.now() == NOON + timedelta(seconds=2.5)


def test_clock_is_pulled_up_by_a_stamp_and_not_by_a_mad_one() -> None:
    clock = StreamClock(Steady())
    clock.told(NOON)
    clock.saw(NOON + timedelta(seconds=1))
    assert clock.now() == NOON + timedelta(seconds=1)
    clock.saw(NOON + timedelta(days=1))
    clock.saw(NOON)
    assert clock.now() == NOON + timedelta(seconds=1)


def test_clock_that_was_never_told_says_so_instead_of_guessing() -> None:
    clock = StreamClock(Steady())
    clock.saw(NOON)
    assert not clock.running
    with pytest.raises(RetryLater):
        clock.now()


@given(seed=st.text(max_size=5), attempts=st.integers(1, 200))
def test_pauses_grow_to_their_bound_and_stay_between_half_and_all_of_it(seed: str, attempts: int) -> None:
    backoff = Backoff(0.5, 30.0, seed)
    for attempt in range(attempts):
        full = min(30.0, 0.5 * 2.0 ** min(attempt, 32))
        assert full / 2 <= backoff.next_pause() <= full
    backoff.reset()
    assert backoff.next_pause() <= 0.5


def test_two_feeds_do_not_come_back_in_step_and_one_seed_repeats_itself() -> None:
    one, two, again = (Backoff(0.5, 30.0, seed) for seed in ("BTC", "ETH", "BTC"))
    pauses = [[backoff.next_pause() for _ in range(5)] for backoff in (one, two, again)]
    assert pauses[0] == pauses[2]
    assert pauses[0] != pauses[1]


def test_a_time_that_is_not_above_zero_is_refused_by_name() -> None:
    with pytest.raises(Misconfigured, match="quiet"):
        StreamTiming(quiet=0)

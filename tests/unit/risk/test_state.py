"""Account states: what moves them, and what it takes to come back."""

from __future__ import annotations

import math
from datetime import date

import pytest

from kracken_tasks.domain.trading import TradingState
from kracken_tasks.risk import AccountFacts, AccountState, Cause, RiskLimits, losing_streak, next_state, released

LIMITS = RiskLimits()
FRIDAY, SATURDAY = date(2024, 3, 1), date(2024, 3, 2)


def facts(
    day: date = FRIDAY, drawdown: float = 0.0, daily_loss: float = 0.0, streak: int = 0, mismatch: str = ""
) -> AccountFacts:
    return AccountFacts(day, drawdown, daily_loss, streak, mismatch)


def test_a_quiet_account_stays_the_very_same_state() -> None:
    normal = AccountState()
    assert next_state(normal, facts(), LIMITS) is normal


def test_the_drawdown_limit_halts_and_closes_everything() -> None:
    state = next_state(AccountState(), facts(drawdown=0.15), LIMITS)
    assert (state.state, state.cause) == (TradingState.HALTED, Cause.DRAWDOWN)
    assert state.close_everything
    assert state.reason == "drawdown -15.00 % of at most 15.00 %"


def test_a_halt_outlives_the_recovery_and_the_night() -> None:
    halted = next_state(AccountState(), facts(drawdown=0.2), LIMITS)
    assert next_state(halted, facts(SATURDAY), LIMITS) is halted


def test_a_daily_loss_reduces_until_the_day_ends_even_if_it_is_won_back() -> None:
    state = next_state(AccountState(), facts(daily_loss=0.051), LIMITS)
    assert (state.state, state.cause, state.day) == (TradingState.REDUCE_ONLY, Cause.DAILY_LOSS, FRIDAY)
    assert not state.close_everything
    assert next_state(state, facts(daily_loss=0.0), LIMITS) is state
    assert next_state(state, facts(SATURDAY), LIMITS) == AccountState()


def test_a_second_bad_day_is_its_own_stop() -> None:
    state = next_state(AccountState(), facts(daily_loss=0.06), LIMITS)
    assert next_state(state, facts(SATURDAY, daily_loss=0.07), LIMITS).day == SATURDAY


def test_a_losing_streak_reduces_until_released_by_name() -> None:
    state = next_state(AccountState(), facts(streak=5), LIMITS)
    assert (state.state, state.cause) == (TradingState.REDUCE_ONLY, Cause.STREAK)
    assert next_state(state, facts(SATURDAY, streak=0), LIMITS) is state
    free = released(state, "Ada")
    assert free.state is TradingState.NORMAL
    assert free.reason == "released by Ada from reduce_only (streak)"
    assert next_state(free, facts(SATURDAY), LIMITS) is free


def test_a_release_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        released(AccountState(TradingState.HALTED, Cause.DRAWDOWN), "  ")


def test_a_difference_with_the_venue_reduces_until_it_is_gone() -> None:
    state = next_state(AccountState(), facts(mismatch="BTC: venue 1.0, ledger 1.1"), LIMITS)
    assert state.reason == "venue and ledger differ: BTC: venue 1.0, ledger 1.1"
    assert next_state(state, facts(), LIMITS) == AccountState()


def test_a_daily_loss_met_together_with_a_difference_holds_after_the_difference_is_gone() -> None:
    both = next_state(AccountState(), facts(daily_loss=0.06, mismatch="BTC by 0.1"), LIMITS)
    assert next_state(both, facts(daily_loss=0.04), LIMITS).state is TradingState.REDUCE_ONLY
    differing = next_state(AccountState(), facts(mismatch="BTC by 0.1"), LIMITS)
    worse = next_state(differing, facts(daily_loss=0.06, mismatch="BTC by 0.1"), LIMITS)
    assert next_state(worse, facts(daily_loss=0.04), LIMITS).state is TradingState.REDUCE_ONLY


def test_a_streak_met_together_with_something_shorter_holds_until_released() -> None:
    for shorter in (facts(streak=5, mismatch="BTC by 0.1"), facts(streak=5, daily_loss=0.06)):
        state = next_state(AccountState(), shorter, LIMITS)
        assert next_state(state, facts(SATURDAY, streak=0), LIMITS).state is TradingState.REDUCE_ONLY


def test_a_streak_reached_by_the_exits_of_a_bad_day_outlives_the_day() -> None:
    bad_day = next_state(AccountState(), facts(daily_loss=0.06, streak=4), LIMITS)
    worse = next_state(bad_day, facts(daily_loss=0.07, streak=5), LIMITS)
    assert next_state(worse, facts(SATURDAY, streak=0), LIMITS).state is TradingState.REDUCE_ONLY


def test_from_reduce_only_a_drawdown_still_halts() -> None:
    state = next_state(AccountState(), facts(streak=5), LIMITS)
    assert next_state(state, facts(streak=5, drawdown=0.16), LIMITS).state is TradingState.HALTED


def test_figures_that_are_not_numbers_count_as_beyond_the_limit() -> None:
    assert next_state(AccountState(), facts(drawdown=math.nan), LIMITS).state is TradingState.HALTED
    assert next_state(AccountState(), facts(daily_loss=math.nan), LIMITS).state is TradingState.REDUCE_ONLY


def test_an_operator_stop_stays_until_released() -> None:
    stopped = AccountState(TradingState.REDUCE_ONLY, Cause.OPERATOR, "before the holidays")
    assert next_state(stopped, facts(SATURDAY), LIMITS) is stopped


@pytest.mark.parametrize(
    ("profits", "streak"),
    [([], 0), ([1.0], 0), ([-1.0], 1), ([-1.0, 2.0, -1.0, -3.0], 2), ([-1.0, 0.0, -1.0], 2), ([-1.0, -1.0, 5.0], 0)],
)
def test_the_streak_counts_losses_at_the_end(profits: list[float], streak: int) -> None:
    assert losing_streak(profits) == streak

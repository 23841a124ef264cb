"""A decision that guards have answered: what it says of them, and in which words."""

from __future__ import annotations

from kracken_tasks.domain.trading import Action, Decision, GuardOutcome

YES, NO = GuardOutcome("cash_enough", True, "enough"), GuardOutcome("order_rate", False, "10 in a minute")
BARE = Decision("BTC/USD", Action.BUY, 0.7, "ensemble", None, 1, (), (), None, "two of three say buy")


def test_a_decision_that_every_guard_lets_pass_keeps_its_own_reason() -> None:
    asked = BARE.guarded((YES,))
    assert (asked.guards, asked.blocked_by, asked.reason) == ((YES,), None, "two of three say buy")


def test_the_first_guard_that_says_no_is_the_reason_also_of_a_later_round() -> None:
    stopped = BARE.guarded((YES, NO))
    assert stopped.reason == "blocked by order_rate: 10 in a minute"
    again = stopped.guarded((YES, GuardOutcome("daily_loss", False, "too much")))
    assert again.reason == stopped.reason
    assert [outcome.passed for outcome in again.guards] == [True, False, True, False]

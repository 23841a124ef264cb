"""The weighted vote."""

from __future__ import annotations

import pytest

from kracken_tasks.domain.trading import Action
from kracken_tasks.signals import DEFAULT_WEIGHTS, combine
from tests.support.decisions import opinion


def test_the_promised_weights_are_the_defaults() -> None:
    assert dict(DEFAULT_WEIGHTS) == {
        "rsi": 0.25, "macd": 0.30, "bollinger_bands": 0.20, "sentiment": 0.25, "volume_profile": 0.15, "lstm": 0.25,
    }  # fmt: skip


def test_weights_are_renormalised_over_the_modules_with_an_opinion() -> None:
    vote = combine([opinion("rsi", 1.0), opinion("macd", 1.0), opinion("bollinger_bands", None)])
    assert vote.weights == {"rsi": pytest.approx(0.25 / 0.55), "macd": pytest.approx(0.30 / 0.55)}
    assert vote.score == pytest.approx(1.0)
    assert vote.action is Action.BUY


def test_the_score_is_the_weighted_mean_of_direction_times_confidence() -> None:
    vote = combine([opinion("rsi", 0.8, 0.9), opinion("macd", -0.5, 0.6), opinion("bollinger_bands", 1.0, 1.0)])
    assert vote.score == pytest.approx((0.25 * 0.72 - 0.30 * 0.30 + 0.20) / 0.75)
    assert sum(vote.contributions.values()) == pytest.approx(vote.score)
    assert vote.action is Action.HOLD
    assert vote.reason == "score +0.39 within the threshold 0.60 (rsi +0.24, macd -0.12, bollinger_bands +0.27)"


def test_agreeing_down_sells() -> None:
    vote = combine([opinion("rsi", -0.9), opinion("macd", -0.8), opinion("bollinger_bands", -1.0)])
    assert vote.action is Action.SELL
    assert vote.confidence == -vote.score


def test_one_voice_alone_holds() -> None:
    vote = combine([opinion("rsi", 1.0), opinion("macd", None), opinion("bollinger_bands", None)])
    assert vote.action is Action.HOLD
    assert vote.reason == "1 of at least 2 modules have an opinion"


def test_less_than_half_of_the_weight_asked_holds() -> None:
    heard = [opinion("rsi", 1.0), opinion("bollinger_bands", 1.0), opinion("macd", None), opinion("lstm", None)]
    vote = combine(heard)
    assert vote.action is Action.HOLD
    assert vote.reason == "45 % of the weight has an opinion, 50 % is required"


def test_exactly_half_of_the_weight_is_enough() -> None:
    heard = [opinion("a", 1.0), opinion("b", 1.0), opinion("c", None), opinion("d", None)]
    assert combine(heard, {"a": 0.1, "b": 0.2, "c": 0.15, "d": 0.15}).action is Action.BUY


def test_an_lstm_that_is_not_champion_leaves_the_others_their_say() -> None:
    heard = [opinion("rsi", 1.0), opinion("macd", 0.9), opinion("bollinger_bands", 1.0), opinion("lstm", None)]
    assert combine(heard).action is Action.BUY


def test_the_threshold_itself_is_enough() -> None:
    heard = [opinion("rsi", 0.6), opinion("macd", 0.6)]
    assert combine(heard, {"rsi": 1.0, "macd": 1.0}, threshold=0.6).action is Action.BUY


def test_nobody_asked_holds() -> None:
    vote = combine([])
    assert (vote.action, vote.score, vote.weights) == (Action.HOLD, 0.0, {})


def test_a_module_without_weight_does_not_count() -> None:
    vote = combine([opinion("rsi", 1.0), opinion("gossip", 1.0)])
    assert vote.reason == "1 of at least 2 modules have an opinion"


def test_a_direction_that_is_not_a_number_leans_nowhere() -> None:
    vote = combine([opinion("rsi", float("nan")), opinion("macd", 1.0)])
    assert vote.score == pytest.approx(0.30 / 0.55)


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.01])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        combine([], threshold=threshold)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight of rsi"):
        combine([opinion("rsi", 1.0)], {"rsi": weight})

"""Scores by hand, and what a model may become."""

from __future__ import annotations

import numpy as np
import pytest

from kracken_tasks.forecast.evaluation import Margins, judge, score, scores_from

ACTUAL = np.array([0.02, -0.01, 0.01, -0.02])


def test_scores_are_against_the_last_value_on_the_same_bars() -> None:
    scores = score(np.array([0.01, -0.01, -0.01, 0.0]), ACTUAL, cost_fraction=0.001)
    assert scores.mae == pytest.approx((0.01 + 0 + 0.02 + 0.02) / 4)
    assert scores.naive_mae == pytest.approx(0.015)
    assert scores.mae_ratio == pytest.approx(0.0125 / 0.015)
    assert scores.rmse == pytest.approx(np.sqrt((0.01**2 + 2 * 0.02**2) / 4))
    assert (scores.hit_rate, scores.hit_bars, scores.bars) == (pytest.approx(2 / 3), 3, 4)


def test_following_the_forecast_pays_for_every_side() -> None:
    scores = score(np.array([0.003, 0.0, -0.001, 0.002]), ACTUAL, cost_fraction=0.001)
    assert scores.entries == 1  # 0.002 does not exceed a round trip's cost
    assert scores.gross_return == pytest.approx(0.02 - 0.01)
    assert scores.net_return == pytest.approx(0.01 - 0.002)
    assert scores.hold_return == pytest.approx(0.0)


def test_repeating_the_last_value_scores_exactly_one_and_stays_a_candidate() -> None:
    scores = score(np.zeros(200), np.tile(ACTUAL, 50), cost_fraction=0.001)
    assert scores.mae_ratio == 1.0
    assert scores.hit_rate is None
    judgement = judge(scores)
    assert (judgement.state, judgement.too_good) == ("candidate", False)
    assert "0.9950 or less is needed" in judgement.reasons[0]


def test_beating_the_last_value_by_the_margin_makes_a_shadow() -> None:
    actual = np.random.default_rng(1).normal(0, 0.01, 500)
    assert judge(score(actual * 0.05, actual, cost_fraction=0.0), Margins(suspicious_hit_rate=2.0)).state == "shadow"


def test_few_bars_are_no_evidence() -> None:
    actual = np.random.default_rng(1).normal(0, 0.01, 49)
    judgement = judge(score(actual * 0.05, actual, cost_fraction=0.0))
    assert judgement.state == "candidate"
    assert "only 49 held-out bars" in judgement.reasons[0]


def test_knowing_the_future_is_too_good_to_be_true() -> None:
    actual = np.random.default_rng(1).normal(0, 0.01, 500)
    judgement = judge(score(actual, actual, cost_fraction=0.0))
    assert (judgement.state, judgement.too_good) == ("candidate", True)
    assert len(judgement.reasons) == 2


def test_a_market_that_never_moves_divides_nothing_by_zero() -> None:
    scores = score(np.full(200, 0.001), np.zeros(200), cost_fraction=0.001)
    assert (scores.mae_ratio, scores.rmse_ratio, scores.hit_rate) == (None, None, None)
    assert judge(scores).state == "candidate"


def test_scores_survive_the_way_through_a_mapping() -> None:
    scores = score(ACTUAL * 0.5, ACTUAL, cost_fraction=0.001)
    assert scores_from(scores.as_mapping()) == scores


def test_a_model_that_forecasts_no_numbers_becomes_no_shadow() -> None:
    judgement = judge(score(np.full(500, np.nan), np.random.default_rng(1).normal(0, 0.01, 500), cost_fraction=0.0))
    assert (judgement.state, judgement.reasons[0]) == ("candidate", "the forecasts are not numbers")

"""RSI with a learned filter: what it learns from, when it keeps silent, and that nothing but the candles decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import Misconfigured
from kracken_tasks.signals import window_of
from kracken_tasks.signals.indicators import rsi_line
from kracken_tasks.strategies import Proposal, RsiMlStrategy, propose_from
from kracken_tasks.strategies.logistic import probability
from kracken_tasks.strategies.setups import find_setups
from tests.support.candles import frame_from_closes, random_candles

RULES: dict[str, Any] = {"memory": 3000, "cost_fraction": 0.0, "horizon": 12}


def dips(rows: int, *, after: float, seed: int = 2) -> pd.DataFrame:
    """A quiet walk with a sharp dip every 60 candles; what follows a dip is ``after`` a candle."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, 0.0008, rows)
    phase = np.arange(rows) % 60
    moves[(phase >= 40) & (phase < 46)] -= 0.012
    moves[(phase >= 46) & (phase < 59)] += after
    return frame_from_closes(list(100.0 * np.exp(np.cumsum(moves))), minutes=60)


def setup_ends(frame: pd.DataFrame, first: int) -> list[int]:
    line = rsi_line(np.ascontiguousarray(frame["close"]))
    return [row + 1 for row in range(first, len(frame)) if line[row - 1] < 30.0 <= line[row]]


def proposed(frame: pd.DataFrame, **changes: Any) -> Proposal:
    return propose_from(RsiMlStrategy(**{**RULES, **changes}), "BTC/USD", frame)


def test_where_dips_have_paid_the_next_one_is_bought_and_the_reason_says_what_was_learned() -> None:
    frame = dips(2600, after=0.006)
    proposal = proposed(frame.iloc[: setup_ends(frame, 2400)[0]])
    assert proposal.action is Action.BUY
    assert proposal.confidence > 0.8
    assert f"learned from {proposal.values['setups']:.0f} setups since 2024-01-0" in proposal.reason


def test_where_dips_went_on_falling_the_next_one_is_not_bought() -> None:
    frame = dips(2600, after=-0.0005)
    ends = setup_ends(frame, 2400)
    assert ends
    proposal = proposed(frame.iloc[: ends[0]])
    assert proposal.action is Action.HOLD
    assert proposal.confidence < 0.5


def test_before_enough_finished_setups_it_has_no_opinion_and_counts_them() -> None:
    frame = dips(600, after=0.006)
    proposal = proposed(frame.iloc[: setup_ends(frame, 400)[0]])
    assert proposal.action is Action.HOLD
    assert "of 20 finished setups to learn from" in proposal.reason


def test_a_setup_whose_horizon_has_not_passed_is_not_learned_from() -> None:
    frame = dips(2600, after=0.006)
    window = window_of(frame, 2600)
    known = find_setups(window, rsi_line(window.close), oversold=30.0, horizon=12, cost_fraction=0.0)
    assert int(known.rows[-1]) + 12 < len(frame)
    shorter = window_of(frame.iloc[: int(known.rows[-1]) + 12], 2600)
    fewer = find_setups(shorter, rsi_line(shorter.close), oversold=30.0, horizon=12, cost_fraction=0.0)
    assert len(fewer) == len(known) - 1


def test_candles_after_the_last_one_never_reach_the_filter() -> None:
    frame = dips(2600, after=0.006)
    end = setup_ends(frame, 2300)[0]
    other = frame.copy()
    other.loc[end:, ["open", "high", "low", "close"]] *= 0.2
    assert proposed(frame.iloc[:end]) == proposed(other.iloc[:end])


def test_the_same_candles_and_seed_give_the_same_proposal() -> None:
    frame = dips(2600, after=0.003)
    seen = frame.iloc[: setup_ends(frame, 2300)[0]]
    assert proposed(seen) == proposed(seen)
    assert proposed(seen, seed=8).confidence != proposed(seen).confidence


def test_an_overbought_symbol_that_turns_is_sold_without_asking_the_filter() -> None:
    frame = random_candles(2000, seed=9)
    line = rsi_line(np.ascontiguousarray(frame["close"]))
    end = next(row for row in range(400, 2000) if line[row - 1] > 70.0 >= line[row]) + 1
    assert proposed(frame.iloc[:end]).action is Action.SELL


def test_outcomes_of_one_kind_are_never_certainty() -> None:
    features = np.random.default_rng(1).normal(size=(20, 4))
    always = probability(features, np.ones(20, dtype=bool), features[0], seed=1)
    never = probability(features, np.zeros(20, dtype=bool), features[0], seed=1)
    assert 0.0 < never < 0.2 < 0.8 < always < 1.0


def test_a_feature_that_decides_is_found() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(200, 4))
    paid = features[:, 1] + 0.1 * rng.normal(size=200) > 0.0
    high, low = np.array([0.0, 2.0, 0.0, 0.0]), np.array([0.0, -2.0, 0.0, 0.0])
    assert probability(features, paid, high, seed=1) > 0.9
    assert probability(features, paid, low, seed=1) < 0.1


@pytest.mark.parametrize(
    ("parameters", "key"),
    [({"oversold": 80.0}, "oversold"), ({"memory": 210, "min_setups": 80}, "memory"), ({"threshold": 60}, "threshold")],
)
def test_parameters_that_cannot_be_right_are_refused_by_name(parameters: dict[str, Any], key: str) -> None:
    with pytest.raises(Misconfigured, match=rf"strategy rsi_ml: {key} ="):
        RsiMlStrategy(**parameters)

"""Trend and volatility: which trends are bought, and in what weather."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import Misconfigured
from kracken_tasks.strategies import Proposal, TrendVolStrategy, propose_from
from tests.support.candles import frame_from_closes


def climbing(per_bar: float, noise: float, rows: int = 260) -> pd.DataFrame:
    wiggle = noise * np.where(np.arange(rows) % 2 == 0, 1.0, -1.0)
    return frame_from_closes(list(100.0 * np.exp(per_bar * np.arange(rows) + wiggle)), minutes=60)


def proposed(frame: pd.DataFrame, **parameters: Any) -> Proposal:
    return propose_from(TrendVolStrategy(**parameters), "BTC/USD", frame)


def test_a_strong_trend_in_a_calm_market_is_bought() -> None:
    proposal = proposed(climbing(0.001, 0.0005))
    assert proposal.action is Action.BUY
    assert 0.6 <= proposal.confidence <= 1.0


def test_the_same_trend_in_a_wild_market_is_not() -> None:
    proposal = proposed(climbing(0.005, 0.003), max_daily_volatility=0.02)
    assert (proposal.action, "wilder than 2.0 %" in proposal.reason) == (Action.HOLD, True)


def test_a_wilder_market_buys_with_less_confidence() -> None:
    frame = climbing(0.001, 0.0005)
    calm, wild = proposed(frame, target_daily_volatility=0.05), proposed(frame, target_daily_volatility=0.003)
    assert calm.action is wild.action is Action.BUY
    assert 0.6 <= wild.confidence < calm.confidence


def test_a_falling_trend_sells_however_wild() -> None:
    assert proposed(climbing(-0.01, 0.01), max_daily_volatility=0.001).action is Action.SELL


def test_between_the_two_marks_it_holds() -> None:
    assert proposed(climbing(0.001, 0.0005), enter=40.0).action is Action.HOLD


def test_too_little_history_is_held_with_the_count() -> None:
    assert proposed(climbing(0.001, 0.0005, rows=100)).reason == "too little data: 100 of 200 candles"


def test_a_high_that_is_not_a_number_is_held() -> None:
    frame = climbing(0.001, 0.0005)
    frame.loc[250, "high"] = np.nan
    assert proposed(frame).action is Action.HOLD


@pytest.mark.parametrize(
    ("parameters", "key"),
    [
        ({"fast": 50}, "fast"),
        ({"leave": 1.0}, "leave"),
        ({"slow": 0}, "slow"),
        ({"max_daily_volatility": 0.0}, "max_daily_volatility"),
    ],
)
def test_parameters_that_cannot_be_right_are_refused_by_name(parameters: dict[str, Any], key: str) -> None:
    with pytest.raises(Misconfigured, match=rf"strategy trend_vol: {key} ="):
        TrendVolStrategy(**parameters)

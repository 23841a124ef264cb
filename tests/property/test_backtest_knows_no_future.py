"""Another future changes no fill before it, for orders by indicator and for decisions on frames."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.backtest import BacktestEngine, SMACrossStrategy
from kracken_tasks.backtest.ensemble_strategy import DecisionStrategy, HeldPosition, Step
from tests.support.candles import random_candles

ROWS = 150
FRAME = random_candles(ROWS, seed=11)


def dip_buyer(frame: pd.DataFrame, position: HeldPosition | None) -> Step:
    if len(frame) < 5:
        return Step("HOLD")
    move = frame["close"].iloc[-1] / frame["close"].iloc[-5] - 1
    if position is not None:
        return Step("SELL", reason="risen") if move > 0.01 else Step("HOLD")
    return Step("BUY", 0.5, 0.01, 0.02, "fallen") if move < -0.005 else Step("HOLD")


STRATEGIES: list[tuple[type[Any], dict[str, Any]]] = [
    (SMACrossStrategy, {"fast": 3, "slow": 8}),
    (DecisionStrategy, {"decide": dip_buyer}),
]


def fills(frame: pd.DataFrame, strategy: type[Any], params: dict[str, Any]) -> list[Any]:
    engine = BacktestEngine(slippage=0.001)
    engine.add_data(frame)
    engine.add_strategy(strategy, **params)
    return list(engine.run()["fills"])


WHOLE = [fills(FRAME, strategy, params) for strategy, params in STRATEGIES]


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(10, ROWS - 1), seed=st.integers(0, 10_000))
def test_fills_before_the_change_stay_the_same(cut: int, seed: int) -> None:
    mixed = pd.concat([FRAME.iloc[:cut], random_candles(ROWS, seed=seed).iloc[cut:]], ignore_index=True)
    boundary = FRAME["ts"].iloc[cut]
    for (strategy, params), whole in zip(STRATEGIES, WHOLE, strict=True):
        before = [fill for fill in whole if fill.ts < boundary]
        assert [fill for fill in fills(mixed, strategy, params) if fill.ts < boundary] == before


def test_the_strategies_above_do_trade() -> None:
    assert all(len(made) >= 4 for made in WHOLE)

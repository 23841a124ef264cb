"""What must hold for every signal whatever the market: no look ahead, and no reward for being less sure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.signals import SIGNALS, ForecastValue, ask_modules, combine
from kracken_tasks.strategies import (
    EnsembleStrategy,
    LstmStrategy,
    RsiMlStrategy,
    SmaCrossStrategy,
    Strategy,
    TrendVolStrategy,
    propose_from,
)
from tests.support.candles import random_candles

FRAME = random_candles(400, seed=11)


STRATEGIES = [
    EnsembleStrategy(),
    SmaCrossStrategy(),
    LstmStrategy(),
    RsiMlStrategy(memory=360, min_setups=5, oversold=45.0, overbought=55.0, horizon=6, cost_fraction=0.0),
    TrendVolStrategy(fast=10, slow=40),
]


def forecast_at(frame: pd.DataFrame) -> ForecastValue:
    last = float(frame["close"].iloc[-1])
    return ForecastValue(last * 1.003, True, "m1", frame["ts"].iloc[-1].to_pydatetime())


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(170, 399), seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("name", list(SIGNALS))
def test_no_signal_at_a_candle_changes_when_the_future_does(name: str, cut: int, seed: int) -> None:
    noise = np.random.default_rng(seed).lognormal(0.0, 0.5, len(FRAME) - cut)
    other = FRAME.copy()
    for column in ("open", "high", "low", "close", "volume"):
        other.loc[cut:, column] = other.loc[cut:, column] * noise
    forecast = forecast_at(FRAME.iloc[:cut])
    assert ask_modules(FRAME.iloc[:cut], [name], forecast=forecast) == ask_modules(
        other.iloc[:cut], [name], forecast=forecast
    )


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(170, 399), dropped=st.integers(0, 169))
@pytest.mark.parametrize("name", list(SIGNALS))
def test_no_signal_depends_on_more_history_than_its_look_back(name: str, cut: int, dropped: int) -> None:
    start = min(dropped, cut - SIGNALS[name].lookback)
    forecast = forecast_at(FRAME.iloc[:cut])
    whole, short = (
        ask_modules(frame, [name], forecast=forecast) for frame in (FRAME.iloc[:cut], FRAME.iloc[start:cut])
    )
    assert whole == short


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(170, 399), extra=st.integers(0, 9))
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
def test_no_strategy_depends_on_more_history_than_its_look_back(strategy: Strategy, cut: int, extra: int) -> None:
    seen = FRAME.iloc[:cut]
    forecast = forecast_at(seen)
    assert propose_from(strategy, "BTC/USD", seen, forecast=forecast) == propose_from(
        strategy, "BTC/USD", seen.iloc[-(strategy.lookback + extra) :], forecast=forecast
    )


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_market_gives_directions_and_confidences_in_range(data: st.DataObject) -> None:
    frame = random_candles(170, seed=data.draw(st.integers(0, 10_000)), momentum=data.draw(st.floats(-0.9, 0.9)))
    for heard in ask_modules(frame, SIGNALS):
        assert heard.direction is None or -1.0 <= heard.direction <= 1.0
        assert 0.0 <= heard.confidence <= 1.0
        assert heard.reason


UNIT = st.floats(0.0, 1.0)
LEANS = st.lists(st.tuples(st.floats(-1.0, 1.0), UNIT), min_size=2, max_size=4)


@settings(deadline=None)
@given(leans=LEANS, drop=UNIT, which=st.integers(0, 3))
def test_a_less_sure_agreeing_module_never_makes_a_buy(
    leans: list[tuple[float, float]], drop: float, which: int
) -> None:
    names = ("rsi", "macd", "bollinger_bands", "lstm")
    heard = [Opinion(name, lean, sure, "drawn") for name, (lean, sure) in zip(names, leans, strict=False)]
    weaker = list(heard)
    chosen = weaker[which % len(heard)]
    if chosen.direction is None or chosen.direction < 0.0:
        return
    weaker[which % len(heard)] = Opinion(chosen.module, chosen.direction, chosen.confidence * drop, "drawn")
    before, after = combine(heard), combine(weaker)
    assert after.score <= before.score + 1e-12
    assert after.action is not Action.BUY or before.action is Action.BUY or before.score > 0.6 - 1e-9

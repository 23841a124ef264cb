"""What is set for signals is what an agent's strategy gets."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks import wiring
from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import Settings, load_settings
from kracken_tasks.signals.learning import Learned, Tally
from kracken_tasks.strategies import EnsembleStrategy, RsiMlStrategy, SmaCrossStrategy

ALWAYS_RIGHT = Learned(trips=1000, tallies={"rsi": Tally(1000, 1000, Decimal(1)), "macd": Tally(1000, 0, Decimal(-1))})


def loaded(folder: Path, **overrides: Any) -> Settings:
    return load_settings(folder, env={}, overrides=overrides)


def test_learned_weights_stay_within_the_configured_bounds(tmp_path: Path) -> None:
    settings = loaded(tmp_path, ml_integration={"feedback_lowest": 0.8, "feedback_highest": 1.1})
    strategy = wiring.learned_strategy(settings, EnsembleStrategy({"rsi": 0.5, "macd": 0.5}), ALWAYS_RIGHT)
    assert isinstance(strategy, EnsembleStrategy)
    assert strategy.weights == {"rsi": pytest.approx(0.55), "macd": pytest.approx(0.4)}


def test_feedback_that_is_switched_off_leaves_the_configured_weights(tmp_path: Path) -> None:
    settings = loaded(tmp_path, ml_integration={"feedback_enabled": False})
    strategy = EnsembleStrategy({"rsi": 0.5, "macd": 0.5})
    assert wiring.learned_strategy(settings, strategy, ALWAYS_RIGHT) == strategy


def test_a_strategy_without_weights_learns_none(tmp_path: Path) -> None:
    assert wiring.learned_strategy(loaded(tmp_path), SmaCrossStrategy(), ALWAYS_RIGHT) == SmaCrossStrategy()


def test_an_agent_s_parameters_come_before_those_of_the_settings(tmp_path: Path) -> None:
    agent = {
        "name": "ada",
        "strategy": "rsi_ml",
        "symbols": ["BTC/USD"],
        "parameters": {"threshold": 0.7, "horizon": 12},
    }
    settings = loaded(tmp_path, agents=[agent], backtest={"commission": 0.001})
    (seat,) = wiring.agent_seats(settings)
    strategy = seat.strategies["BTC/USD"]
    assert isinstance(strategy, RsiMlStrategy)
    assert (strategy.threshold, strategy.horizon, strategy.cost_fraction) == (0.7, 12, 0.002)


def test_a_parameter_the_strategy_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    agent = {"name": "ada", "strategy": "sma_cross", "parameters": {"quick": 5}}
    with pytest.raises(Misconfigured, match="strategy sma_cross: quick"):
        wiring.agent_seats(loaded(tmp_path, agents=[agent]))


@pytest.mark.parametrize("address", ["ftp://news.example/feed", "https://me:secret@news.example/feed", "news.xml"])
def test_an_address_that_is_no_plain_web_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Misconfigured, match="feeds"):
        loaded(tmp_path, sentiment={"feeds": {"wire": address}})

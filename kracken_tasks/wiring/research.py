"""Settings into training, forecasts, strategies and what a backtest works with.

In: ``Settings``.  Out: configurations and the champion's forecast.  Never: torch in a tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import BadData
from kracken_tasks.settings import Settings
from kracken_tasks.wiring.limits import risk_limits, stop_rules
from kracken_tasks.wiring.stores import registry
from kracken_tasks.wiring.venues import venue

if TYPE_CHECKING:
    import pandas as pd

    from kracken_tasks.backtest.rehearsal import Setting
    from kracken_tasks.forecast.inference import Forecaster
    from kracken_tasks.forecast.plan import TrainingConfig
    from kracken_tasks.forecast.registry import Registry
    from kracken_tasks.signals import ForecastValue
    from kracken_tasks.strategies import Strategy

__all__ = ["ChampionForecasts", "code_version", "forecast_source", "rehearsal", "strategy", "training_config"]


@cache
def code_version() -> str:
    """Version of the installed distribution."""
    return version("kracken")


def training_config(settings: Settings) -> TrainingConfig:
    from kracken_tasks.forecast.plan import TrainingConfig

    wanted = settings.forecast
    return TrainingConfig(
        lookback=wanted.lookback,
        hidden=wanted.hidden_size,
        epochs=wanted.epochs,
        max_rows=wanted.train_rows,
        cost_fraction=settings.backtest.commission,
        seed=wanted.seed,
    )


def forecast_source(settings: Settings) -> ChampionForecasts:
    return ChampionForecasts(registry(settings))


class ChampionForecasts:
    """The champions' forecasts; None where there is no champion or it cannot forecast.  Needs no torch."""

    def __init__(self, models: Registry) -> None:
        self._models = models
        self._loaded: dict[SeriesKey, Forecaster | None] = {}

    def __call__(self, key: SeriesKey, frame: pd.DataFrame, now: datetime) -> ForecastValue | None:
        from kracken_tasks.signals import ForecastValue

        forecaster = self._forecaster(key)
        if forecaster is None:
            return None
        try:
            close = forecaster.next_close(frame)
        except BadData:
            return None  # a hole in the newest window: no forecast, and the signal says so
        bar = frame["ts"].iloc[-1].to_pydatetime()
        return ForecastValue(close, True, forecaster.bundle.model_id, bar, "champion")

    def rows(self, key: SeriesKey) -> int:
        """Candles the champion of a series looks at; 0 without one."""
        forecaster = self._forecaster(key)
        return 0 if forecaster is None else forecaster.needed_rows

    def _forecaster(self, key: SeriesKey) -> Forecaster | None:
        from kracken_tasks.forecast.inference import Forecaster

        if key not in self._loaded:
            champion = self._models.champion(key)
            self._loaded[key] = None if champion is None else Forecaster(champion)
        return self._loaded[key]


def strategy(settings: Settings, name: str, parameters: Mapping[str, object] | None = None) -> Strategy:
    """A strategy as the settings want it; ``parameters`` (an agent's own) come before those of the settings."""
    from kracken_tasks.strategies import build_strategy

    signals = settings.ml_integration
    usual: Mapping[str, Mapping[str, object]] = {
        "ensemble": {"weights": dict(signals.signal_weights), "threshold": signals.confidence_threshold},
        "rsi_ml": {"cost_fraction": 2.0 * settings.backtest.commission, "threshold": signals.confidence_threshold},
    }
    return build_strategy(name, {**usual.get(name, {}), **(parameters or {})})


def rehearsal(settings: Settings, key: SeriesKey, name: str) -> Setting:
    """What a backtest of a strategy on a series works with: the same strategy, limits and stops as a tick's.

    Parameters and stops are those of the first agent that runs the strategy on this symbol, else on any, else the defaults; weights are
    the configured ones.
    """
    from kracken_tasks.backtest.rehearsal import Setting

    runs = [agent for agent in settings.agents if agent.strategy == name]
    agent = next((agent for agent in runs if key.symbol in settings.symbols_of(agent)), runs[0] if runs else None)
    instrument = venue(settings, key.exchange).instruments().get(key.symbol)
    if instrument is None:
        raise BadData(f"{key.exchange} does not list {key.symbol}", exchange=key.exchange, symbol=key.symbol)
    return Setting(
        key=key,
        instrument=instrument,
        strategy=strategy(settings, name, None if agent is None else agent.parameters),
        limits=risk_limits(settings),
        stops=stop_rules(settings, agent),
        cash=settings.backtest.initial_cash,
        commission=settings.backtest.commission,
        slippage=settings.backtest.slippage,
    )

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
    from kracken_tasks.execution.entries import ForecastSource
    from kracken_tasks.forecast.plan import TrainingConfig
    from kracken_tasks.strategies import Strategy

__all__ = ["code_version", "forecast_source", "rehearsal", "strategy", "training_config"]


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


def forecast_source(settings: Settings) -> ForecastSource:
    """The champion's forecast for a series; None where there is no champion or it cannot forecast.  Needs no torch."""
    from kracken_tasks.forecast.inference import Forecaster
    from kracken_tasks.signals import ForecastValue

    models = registry(settings)
    loaded: dict[SeriesKey, Forecaster | None] = {}

    def forecast(key: SeriesKey, frame: pd.DataFrame, now: datetime) -> ForecastValue | None:
        if key not in loaded:
            champion = models.champion(key)
            loaded[key] = None if champion is None else Forecaster(champion)
        forecaster = loaded[key]
        if forecaster is None:
            return None
        try:
            close = forecaster.next_close(frame)
        except BadData:
            return None  # a hole in the newest window: no forecast, and the signal says so
        bar = frame["ts"].iloc[-1].to_pydatetime()
        return ForecastValue(close, True, forecaster.bundle.model_id, bar, "champion")

    return forecast


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
    """What a backtest of a strategy on a series works with: the same strategy, limits and stops as a tick's."""
    from kracken_tasks.backtest.rehearsal import Setting

    return Setting(
        key=key,
        instrument=venue(settings, key.exchange).instruments()[key.symbol],
        strategy=strategy(settings, name),
        limits=risk_limits(settings),
        stops=stop_rules(settings),
        cash=settings.backtest.initial_cash,
        commission=settings.backtest.commission,
        slippage=settings.backtest.slippage,
    )

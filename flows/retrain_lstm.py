"""Train the LSTM on lake data and put the bundle into the registry, as candidate or shadow, with reasons."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from kracken_tasks.alerts import hooks
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.forecast import tasks as forecast_tasks


@flow(
    name="retrain_lstm",
    description="Walk-forward training with an embargo, scored against the last-value forecast on the same bars.",
    flow_run_name=forecast_tasks.training_run_name,
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def retrain_lstm(
    symbols: list[str] | None = None,
    timeframe: Timeframe | None = None,
    epochs: Annotated[int | None, Field(ge=1, le=500)] = None,
    seed: Annotated[int | None, Field(ge=0)] = None,
) -> list[str]:
    """Returns the ids of the bundles, one a symbol.

    Args:
        symbols: A model is trained for each; empty: the first traded one
        timeframe: Candles to train on; empty: forecast.timeframe
        epochs: Most passes over the windows; empty: forecast.epochs
        seed: Seed of weights and batch order; empty: forecast.seed
    """
    jobs = forecast_tasks.list_training_jobs(symbols, timeframe, epochs, seed)
    reports = [forecast_tasks.train_model(job) for job in jobs]
    forecast_tasks.describe_models(reports)
    return [report.bundle_id for report in reports]

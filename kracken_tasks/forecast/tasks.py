"""Door of the forecast room: train on lake data, register, show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

from prefect import get_run_logger, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.runtime import flow_run

from kracken_tasks import wiring
from kracken_tasks.analytics.embed import markdown_picture
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.forecast.plan import EpochProgress
from kracken_tasks.forecast.retraining import ModelReport, TrainingJob, retrain, trainable
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE


def training_run_name() -> str:
    symbols = flow_run.parameters.get("symbols") or ["default symbol"]
    return "train " + " ".join(symbols)


@task(name="list training jobs", **LOCAL_COMPUTE)
def list_training_jobs(
    symbols: Sequence[str] | None, timeframe: Timeframe | None, epochs: int | None, seed: int | None
) -> list[TrainingJob]:
    """One model a symbol; what is not given comes from the settings: the first traded symbol with enough candles.

    Raises: BadData if no symbol was named and none has enough.
    """
    settings = load_settings()
    config = wiring.training_config(settings)
    config = replace(config, epochs=epochs or config.epochs, seed=config.seed if seed is None else seed)
    width = timeframe or settings.forecast.timeframe
    keys = [SeriesKey(settings.exchange, symbol, width) for symbol in symbols or settings.traded_symbols]
    if not symbols:
        keys = trainable(wiring.lake(settings), keys, config)[:1]
    return [TrainingJob(key, config) for key in keys]


@task(name="train model", task_run_name="train {job.key}", **LOCAL_COMPUTE)
def train_model(job: TrainingJob) -> ModelReport:
    """Train with progress, judge against the last value, register as candidate or shadow."""
    settings = load_settings()
    report = retrain(
        wiring.lake(settings), job, wiring.registry(settings),
        folder=settings.paths.reports / "models", now=wiring.market_now(settings), version=wiring.code_version(),
        progress=_shown(job),
    )  # fmt: skip
    get_run_logger().info("%s: %s is %s: %s", job.key, report.bundle_id, report.state, "; ".join(report.reasons))
    return report


@task(name="describe models", **LOCAL_COMPUTE)
def describe_models(reports: Sequence[ModelReport]) -> None:
    """A page with learning curve and forecast for each model, and one table."""
    for report in reports:
        symbol = report.key.symbol.replace("/", "-").lower()
        reasons = "\n".join(f"- {reason}" for reason in report.reasons)
        create_markdown_artifact(
            f"# {report.key}: `{report.bundle_id}` is {report.state}\n\n{reasons}\n\n"
            f"{markdown_picture(Path(report.learning_curve), 'learning curve')}\n\n"
            f"{markdown_picture(Path(report.forecast), 'forecast on bars the model never saw')}\n",
            key=f"model-{symbol}",
            description=f"Newest model of {report.key}",
        )
    create_table_artifact(
        [_row(report) for report in reports], key="models", description="Models trained in the newest run"
    )


def _row(report: ModelReport) -> dict[str, str]:
    return {
        "series": str(report.key),
        "model": report.bundle_id,
        "state": report.state,
        "unseen bars": str(report.bars),
        "error": f"{report.model_error:.3e}",
        "last value's error": f"{report.naive_error:.3e}",
        "hit rate": "" if report.hit_rate is None else f"{report.hit_rate:.3f}",
        "windows": str(report.windows),
        "seconds": f"{report.seconds:.1f}",
    }


def _shown(job: TrainingJob) -> Callable[[EpochProgress], None]:
    """Progress as an artifact that fills up, and a line a epoch in the log."""
    artifact = cast(UUID, create_progress_artifact(0.0, key="training", description=f"Training {job.key}"))
    logger = get_run_logger()

    def show(step: EpochProgress) -> None:
        update_progress_artifact(artifact, step.done_pct)
        logger.info(
            "epoch %d of %d: training loss %.4f, validation %.4f, %.0f windows/s",
            step.epoch, step.epochs, step.training_loss, step.validation_loss, step.windows_per_second,
        )  # fmt: skip

    return show

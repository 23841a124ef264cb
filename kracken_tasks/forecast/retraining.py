"""Retrain on lake data: read, train, judge, draw, register.  The flow's work, without Prefect.

In: a lake, a series, a training configuration.  Out: a registered bundle and its report with pictures.  Never: a promotion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import BadData
from kracken_tasks.forecast.bundle import DataSource
from kracken_tasks.forecast.plan import Progress, TrainingConfig, TrainingReport
from kracken_tasks.forecast.registry import Registry
from kracken_tasks.lake import Lake

__all__ = ["ModelReport", "TrainingJob", "retrain", "trainable"]

# Training, validation and test each need windows of their own, with an embargo of a look-back between them.
_LEAST_WINDOWS: Final = 8


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One model to train."""

    key: SeriesKey
    config: TrainingConfig


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What a training run put into the registry, in plain values.

    ``state`` candidate or shadow with ``reasons``; ``model_error`` and ``naive_error``: mean absolute error of the next log return,
    ours and the last value's, on the same ``bars`` the model never saw.
    """

    bundle_id: str
    key: SeriesKey
    state: str
    reasons: tuple[str, ...]
    bars: int
    model_error: float
    naive_error: float
    hit_rate: float | None
    windows: int
    seconds: float
    learning_curve: str
    forecast: str


def trainable(lake: Lake, keys: Sequence[SeriesKey], config: TrainingConfig) -> list[SeriesKey]:
    """Those series of which the lake holds enough candles for a few windows in every section.

    Raises: BadData naming all of them if there is none.
    """
    snapshot, least = lake.snapshot(), _LEAST_WINDOWS * config.lookback
    found = [key for key in keys if len(snapshot.candles(key, last=least)) >= least]
    if not found:
        raise BadData(
            f"no series has the {least} candles that training needs: {', '.join(map(str, keys))}", least=least
        )
    return found


def retrain(
    lake: Lake,
    job: TrainingJob,
    registry: Registry,
    *,
    folder: Path,
    now: datetime,
    version: str,
    progress: Progress | None,
) -> ModelReport:
    """Train on the newest candles of the series and register the bundle as candidate or shadow.

    Time:   ``now`` is market time.
    Raises: BadData for too few candles.
    """
    from kracken_tasks.forecast.training import train_bundle  # torch, for training alone

    snapshot = lake.snapshot()
    frame = snapshot.candles(job.key, last=job.config.max_rows)
    source = DataSource(job.key.exchange, job.key.symbol, snapshot.seq, version)
    report = train_bundle(frame, job.config, source=source, progress=progress)
    transition = registry.register(report.bundle, report.judgement, now=now)
    curve, forecast = _pictures(report, folder / report.bundle.model_id)
    scores = report.scores
    return ModelReport(
        bundle_id=report.bundle.model_id,
        key=job.key,
        state=transition.to_state,
        reasons=transition.reasons,
        bars=scores.bars,
        model_error=scores.mae,
        naive_error=scores.naive_mae,
        hit_rate=scores.hit_rate,
        windows=report.windows,
        seconds=report.seconds,
        learning_curve=str(curve),
        forecast=str(forecast),
    )


def _pictures(report: TrainingReport, folder: Path) -> tuple[Path, Path]:
    from kracken_tasks.analytics.plots import forecast_figure, learning_curve_figure, write_png

    curve = learning_curve_figure(report.training_losses, report.validation_losses, best_epoch=report.best_epoch)
    held = report.held_out
    forecast = forecast_figure(held.ts, held.actual_close, held.predicted_close, last=held.last_close)
    return write_png(curve, folder / "learning_curve.png"), write_png(forecast, folder / "forecast.png")

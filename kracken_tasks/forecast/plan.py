"""What to train, how it is going, what came out.

In: numbers.  Out: frozen values that flows, figures and reports read without loading torch.  Never: training itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.errors import Misconfigured
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.evaluation import Judgement, Margins, Scores

__all__ = ["EpochProgress", "HeldOutForecast", "Progress", "TrainingConfig", "TrainingReport"]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How to train.

    Sections are fractions of all windows; ``folds`` of walk-forward; ``cost_fraction`` is what one side of a trade costs; the newest
    ``max_rows`` candles are used.  Raises: Misconfigured for a value out of range.
    """

    lookback: int = 60
    hidden: int = 32
    layers: int = 1
    dropout: float = 0.1
    epochs: int = 15
    patience: int = 4
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    folds: int = 1
    validation_fraction: float = 0.15
    test_fraction: float = 0.15
    max_rows: int = 20_000
    cost_fraction: float = 0.001
    seed: int = 7
    threads: int = 1
    margins: Margins = field(default_factory=Margins)

    def __post_init__(self) -> None:
        whole = ("lookback", "hidden", "layers", "epochs", "patience", "batch", "folds", "max_rows", "threads")
        for key in whole:
            if getattr(self, key) < 1:
                raise Misconfigured(f"{key} {getattr(self, key)} is below 1", key=key, allowed=">= 1")
        shares = {"validation_fraction": self.validation_fraction, "test_fraction": self.test_fraction}
        for key, value in shares.items():
            if not 0 < value < 0.5:
                raise Misconfigured(f"{key} {value} is outside (0, 0.5)", key=key, allowed="(0, 0.5)")
        if not (
            self.learning_rate > 0 and 0 <= self.dropout < 1 and self.cost_fraction >= 0 and self.weight_decay >= 0
        ):
            raise Misconfigured(
                "learning_rate, dropout, cost_fraction or weight_decay is out of range", key="learning_rate"
            )


@dataclass(frozen=True, slots=True)
class EpochProgress:
    """One epoch's losses (Huber on scaled returns).  ``fold`` and ``epoch`` count from 1; ``windows_per_second`` of training."""

    fold: int
    folds: int
    epoch: int
    epochs: int
    training_loss: float
    validation_loss: float
    windows_per_second: float

    @property
    def done_pct(self) -> float:
        """Percent of the whole training that is behind this epoch."""
        return 100.0 * (self.fold - 1 + self.epoch / self.epochs) / self.folds


@dataclass(frozen=True, slots=True)
class HeldOutForecast:
    """Forecasts on test bars.  Shapes: all [N].  ``ts``: open time of the candle whose close is forecast (datetime64[ms])."""

    ts: NDArray[np.datetime64]
    last_close: NDArray[np.float64]
    predicted_close: NDArray[np.float64]
    actual_close: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a run produced.  ``scores`` pool the test bars of all folds; the bundle is the last fold's model.

    ``best_epoch`` (from 1) belongs to the last fold, as does ``history``'s tail.  ``skipped_windows``: left out for holes in the grid.
    """

    bundle: Bundle
    judgement: Judgement
    scores: Scores
    fold_scores: tuple[Scores, ...]
    history: tuple[EpochProgress, ...]
    best_epoch: int
    held_out: HeldOutForecast
    windows: int
    skipped_windows: int
    seconds: float

    @property
    def training_losses(self) -> list[float]:
        return [step.training_loss for step in self.history if step.fold == step.folds]

    @property
    def validation_losses(self) -> list[float]:
        return [step.validation_loss for step in self.history if step.fold == step.folds]


Progress = Callable[[EpochProgress], None]

"""One training run: candles in, a judged bundle out, the same bits for the same seed.

In: a candle frame, a configuration, where the data came from.  Out: ``TrainingReport`` with bundle, scores, judgement, learning curve.
Never: torch's global random state or thread count left changed, a scaler that saw validation or test rows, a promotion.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kracken_tasks.domain.clock import iso, monotonic_seconds
from kracken_tasks.errors import BadData
from kracken_tasks.features.frames import candle_frame
from kracken_tasks.features.recipe import FEATURE_NAMES, RECIPE_VERSION
from kracken_tasks.forecast.bundle import Bundle, BundleMeta, DataSource
from kracken_tasks.forecast.evaluation import Scores, judge, score
from kracken_tasks.forecast.network import PriceLSTM
from kracken_tasks.forecast.plan import EpochProgress, HeldOutForecast, Progress, TrainingConfig, TrainingReport
from kracken_tasks.forecast.splits import Split, walk_forward
from kracken_tasks.forecast.windows import Scaler, WindowSet, unfolded, windows_from

__all__ = ["train_bundle"]


@dataclass(frozen=True, slots=True)
class _Fitted:
    network: PriceLSTM
    scaler: Scaler
    target_scale: float
    history: tuple[EpochProgress, ...]
    best_epoch: int
    predicted: NDArray[np.float64]
    split: Split


def train_bundle(
    frame: pd.DataFrame, config: TrainingConfig, *, source: DataSource, progress: Progress | None = None
) -> TrainingReport:
    """Train on the newest ``max_rows`` candles, walking forward, and judge against the last value on held-out bars.

    Time:   scaler, target scale and weights come from training rows; early stopping from validation rows; scores from test rows; an
            embargo of lookback + 1 rows lies between the three.
    Raises: BadData for bad candles or too few of them, or if training diverges; whatever ``progress`` raises ends the run.
    """
    started = monotonic_seconds()
    candles = candle_frame(frame.iloc[-config.max_rows :])
    windows = windows_from(candles, config.lookback)
    splits = walk_forward(
        windows.ends,
        lookback=config.lookback,
        folds=config.folds,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
    )
    with _torch_set_aside(config.seed, config.threads):
        fitted = [_fit(windows, split, config, fold, progress) for fold, split in enumerate(splits, start=1)]
    actual = [windows.targets[one.split.test] for one in fitted]
    fold_scores = tuple(
        score(one.predicted, truth, cost_fraction=config.cost_fraction)
        for one, truth in zip(fitted, actual, strict=True)
    )
    predicted = np.concatenate([one.predicted for one in fitted])
    scores = score(predicted, np.concatenate(actual), cost_fraction=config.cost_fraction)
    return TrainingReport(
        bundle=_bundle(candles, windows, fitted[-1], scores, config, source),
        judgement=judge(scores, config.margins),
        scores=scores,
        fold_scores=fold_scores,
        history=tuple(step for one in fitted for step in one.history),
        best_epoch=fitted[-1].best_epoch,
        held_out=_held_out(windows, splits, predicted),
        windows=len(windows),
        skipped_windows=windows.skipped,
        seconds=monotonic_seconds() - started,
    )


def _fit(windows: WindowSet, split: Split, config: TrainingConfig, fold: int, progress: Progress | None) -> _Fitted:
    scaler, target_scale = _fitted_scales(windows, split)
    view = unfolded(scaler.apply(windows.features), config.lookback)
    first_rows = windows.ends - config.lookback + 1
    targets = (windows.targets / target_scale).astype(np.float32)

    def batch(positions: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        rows = view[first_rows[positions]].reshape(len(positions), config.lookback, -1)
        return torch.from_numpy(rows), torch.from_numpy(targets[positions])

    network = PriceLSTM(len(FEATURE_NAMES), config.hidden, config.layers, config.dropout)
    shuffler = torch.Generator().manual_seed(config.seed + fold)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    training, validation, test = (
        np.arange(part.start, part.stop) for part in (split.train, split.validation, split.test)
    )
    history: list[EpochProgress] = []
    best_epoch, best_loss, best_state = 0, float("inf"), network.state_dict()
    for epoch in range(1, config.epochs + 1):
        began = monotonic_seconds()
        training_loss = _train_epoch(network, optimiser, batch, training, config.batch, shuffler)
        speed = len(training) / max(monotonic_seconds() - began, 1e-9)
        predicted = _predict(network, batch, validation)
        validation_loss = float(nn.functional.huber_loss(predicted, torch.from_numpy(targets[validation])))
        step = EpochProgress(fold, config.folds, epoch, config.epochs, training_loss, validation_loss, speed)
        history.append(step)
        if progress is not None:
            progress(step)
        if validation_loss < best_loss:
            best_epoch, best_loss, best_state = epoch, validation_loss, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= config.patience:
            break
    if not best_epoch:
        raise BadData(
            f"training diverged: no epoch of {config.epochs} ended in a validation loss that is a number; lower the learning rate",
            rule="converged", fold=fold, learning_rate=config.learning_rate,
        )  # fmt: skip
    network.load_state_dict(best_state)
    forecast = _predict(network, batch, test).numpy().astype(np.float64) * target_scale
    return _Fitted(network, scaler, target_scale, tuple(history), best_epoch, forecast, split)


def _fitted_scales(windows: WindowSet, split: Split) -> tuple[Scaler, float]:
    ends = windows.ends[split.train]
    rows = np.unique((ends[:, None] - np.arange(windows.lookback)[None, :]).ravel())
    spread = float(windows.targets[split.train].std())
    return Scaler.fitted_on(windows.features[rows]), spread if spread > 0 else 1.0


Batcher = Callable[[NDArray[np.int64]], tuple[Tensor, Tensor]]


def _train_epoch(
    network: PriceLSTM,
    optimiser: torch.optim.Optimizer,
    batch: Batcher,
    positions: NDArray[np.int64],
    size: int,
    shuffler: torch.Generator,
) -> float:
    network.train()
    order = positions[torch.randperm(len(positions), generator=shuffler).numpy()]
    total = 0.0
    for first in range(0, len(order), size):
        chosen = order[first : first + size]
        inputs, labels = batch(chosen)
        optimiser.zero_grad(set_to_none=True)
        loss = nn.functional.huber_loss(network(inputs), labels)
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        total += float(loss.detach()) * len(chosen)
    return total / len(order)


def _predict(network: PriceLSTM, batch: Batcher, positions: NDArray[np.int64], size: int = 1_024) -> Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(batch(positions[i : i + size])[0]) for i in range(0, len(positions), size)])


def _bundle(
    candles: pd.DataFrame,
    windows: WindowSet,
    fitted: _Fitted,
    scores: Scores,
    config: TrainingConfig,
    source: DataSource,
) -> Bundle:
    first, last = (candles["ts"].iloc[i].to_pydatetime() for i in (0, -1))
    meta = BundleMeta(
        exchange=source.exchange,
        symbol=source.symbol,
        bar_seconds=windows.bar_ms // 1000,
        lookback=config.lookback,
        hidden=config.hidden,
        layers=config.layers,
        feature_names=FEATURE_NAMES,
        recipe_version=RECIPE_VERSION,
        scaler_mean=tuple(fitted.scaler.mean.tolist()),
        scaler_spread=tuple(fitted.scaler.spread.tolist()),
        target_scale=fitted.target_scale,
        seed=config.seed,
        code_version=source.code_version,
        commit_seq=source.commit_seq,
        data_hash=_hash_of(candles),
        data_rows=len(candles),
        data_first_ts=iso(first),
        data_last_ts=iso(last),
        scores=scores.as_mapping(),
        config=asdict(config),
    )
    state = fitted.network.state_dict()
    return Bundle(meta, {name: tensor.numpy().copy() for name, tensor in state.items()})


def _held_out(windows: WindowSet, splits: tuple[Split, ...], predicted: NDArray[np.float64]) -> HeldOutForecast:
    ends = np.concatenate([windows.ends[split.test] for split in splits])
    last = windows.closes[ends]
    return HeldOutForecast(windows.ts[ends + 1], last, last * np.exp(predicted), windows.closes[ends + 1])


def _hash_of(candles: pd.DataFrame) -> str:
    """SHA-256 over open times (ms) and the five columns, little-endian, in column order."""
    digest = hashlib.sha256(candles["ts"].to_numpy(dtype="datetime64[ms]").astype("<i8").tobytes())
    for name in ("open", "high", "low", "close", "volume"):
        digest.update(candles[name].to_numpy(dtype="<f8").tobytes())
    return digest.hexdigest()


@contextmanager
def _torch_set_aside(seed: int, threads: int) -> Iterator[None]:
    """Seed torch and bound its threads for a while; both are as before afterwards."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

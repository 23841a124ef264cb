"""One training run: repeatable, blind to its test bars, quiet towards the rest of the process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.features.recipe import FEATURE_NAMES
from kracken_tasks.forecast.inference import Forecaster, lstm_forward
from kracken_tasks.forecast.network import PriceLSTM
from kracken_tasks.forecast.plan import EpochProgress, TrainingConfig, TrainingReport
from kracken_tasks.forecast.splits import walk_forward
from kracken_tasks.forecast.training import train_bundle
from kracken_tasks.forecast.windows import windows_from
from tests.support.candles import random_candles
from tests.support.forecasts import SMALL, SOURCE, small_report


@pytest.fixture(scope="module")
def report() -> TrainingReport:
    return small_report()


def test_same_seed_same_bytes_and_another_seed_another_model(report: TrainingReport) -> None:
    assert small_report().bundle.content == report.bundle.content
    assert small_report(config=replace(SMALL, seed=8)).bundle.model_id != report.bundle.model_id


def test_report_tells_the_whole_story(report: TrainingReport) -> None:
    assert report.scores.bars == len(report.held_out.ts) > 20
    assert len(report.training_losses) == len(report.validation_losses) == len(report.history)
    assert 1 <= report.best_epoch <= len(report.history)
    assert report.judgement.state in ("candidate", "shadow")
    assert report.bundle.scores == report.scores
    assert (report.held_out.predicted_close > 0).all()


def test_held_out_bars_are_the_newest_ones(report: TrainingReport) -> None:
    frame = random_candles(400)
    assert report.held_out.ts[-1] == frame["ts"].to_numpy(dtype="datetime64[ms]")[-1]
    assert report.held_out.actual_close[-1] == frame["close"].iloc[-1]
    assert report.held_out.last_close[-1] == frame["close"].iloc[-2]


def test_test_bars_change_neither_weights_nor_scaler() -> None:
    frame = random_candles(400)
    windows = windows_from(frame, SMALL.lookback)
    (split,) = walk_forward(
        windows.ends, lookback=SMALL.lookback, folds=1, validation_fraction=0.15, test_fraction=0.15
    )
    first_test_row = int(windows.ends[split.test.start])
    other = random_candles(400, seed=99)
    mixed = pd.concat([frame.iloc[:first_test_row], other.iloc[first_test_row:]], ignore_index=True)
    before, after = small_report(frame).bundle, small_report(mixed).bundle
    assert before.meta.data_hash != after.meta.data_hash
    assert before.meta.scaler_mean == after.meta.scaler_mean
    assert before.meta.target_scale == after.meta.target_scale
    for name, weights in before.weights.items():
        np.testing.assert_array_equal(weights, after.weights[name])


def test_validation_rows_do_not_enter_the_scaler() -> None:
    frame = random_candles(400)
    spoiled = frame.copy()
    spoiled.loc[300:, "volume"] *= 1_000_000  # inside validation and test
    assert small_report(spoiled).bundle.meta.scaler_mean == small_report(frame).bundle.meta.scaler_mean


def test_numpy_forward_equals_torch() -> None:
    for layers in (1, 2):
        bundle = small_report(config=replace(SMALL, layers=layers, epochs=1)).bundle
        network = PriceLSTM(len(FEATURE_NAMES), SMALL.hidden, layers)
        network.load_state_dict({name: torch.from_numpy(weights) for name, weights in bundle.weights.items()})
        network.eval()
        shape, dtype = PriceLSTM.describe_inputs(50, SMALL.lookback, len(FEATURE_NAMES))["windows"]
        windows = (torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype) * 3).clamp(-8, 8)
        with torch.no_grad():
            expected = network(windows).numpy()
        np.testing.assert_allclose(lstm_forward(windows.numpy(), bundle), expected, atol=1e-5, rtol=0)


def test_numpy_forecasts_equal_the_held_out_ones_of_training(report: TrainingReport) -> None:
    forecast = Forecaster(report.bundle).returns(random_candles(400))
    expected = np.log(report.held_out.predicted_close / report.held_out.last_close)
    np.testing.assert_allclose(forecast.to_numpy()[-len(expected) - 1 : -1], expected, atol=1e-7)


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(123)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    small_report()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_progress_is_told_every_epoch_and_may_stop_the_run() -> None:
    seen: list[EpochProgress] = []
    train_bundle(random_candles(400), SMALL, source=SOURCE, progress=seen.append)
    assert [step.epoch for step in seen] == [1, 2, 3]
    assert all(np.isfinite(step.training_loss) and step.windows_per_second > 0 for step in seen)

    class Stopped(Exception):
        pass

    def stop(step: EpochProgress) -> None:
        raise Stopped

    threads = torch.get_num_threads()
    with pytest.raises(Stopped):
        train_bundle(random_candles(400), replace(SMALL, threads=2), source=SOURCE, progress=stop)
    assert torch.get_num_threads() == threads


def test_training_stops_early_and_keeps_the_best_epoch() -> None:
    report = small_report(config=replace(SMALL, epochs=40, patience=2, learning_rate=0.05))
    assert len(report.history) < 40
    losses = report.validation_losses
    assert report.best_epoch == 1 + losses.index(min(losses))
    assert len(losses) == report.best_epoch + 2


def test_walk_forward_pools_the_bars_of_all_folds() -> None:
    report = small_report(random_candles(700), replace(SMALL, folds=3, epochs=1))
    assert len(report.fold_scores) == 3
    assert report.scores.bars == sum(scores.bars for scores in report.fold_scores)
    assert np.all(np.diff(report.held_out.ts.astype(np.int64)) > 0)


def test_a_market_with_momentum_is_learned() -> None:
    config = TrainingConfig(lookback=12, hidden=8, epochs=12, batch=64, learning_rate=5e-3)
    report = small_report(random_candles(1_500, momentum=0.5), config)
    assert report.scores.mae_ratio is not None
    assert report.scores.mae_ratio < 0.95
    assert report.scores.hit_rate is not None
    assert report.scores.hit_rate > 0.55


def test_a_random_walk_does_not_become_a_shadow() -> None:
    config = TrainingConfig(lookback=12, hidden=8, epochs=4, batch=64)
    assert small_report(random_candles(1_200, seed=21), config).judgement.state == "candidate"


@pytest.mark.parametrize(
    "change",
    [
        {"lookback": 0},
        {"epochs": 0},
        {"test_fraction": 0.5},
        {"validation_fraction": 0.0},
        {"learning_rate": 0.0},
        {"dropout": 1.0},
    ],
)
def test_configuration_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    "spoil", [lambda frame: frame.iloc[:60], lambda frame: frame.iloc[:0], lambda frame: frame.iloc[::-1]]
)
def test_unusable_candles_are_refused(spoil: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    with pytest.raises(BadData):
        small_report(spoil(random_candles(400)))


def test_a_training_that_diverges_says_so_instead_of_registering_weights_that_are_no_numbers() -> None:
    with pytest.raises(BadData, match="training diverged"):
        small_report(config=replace(SMALL, learning_rate=1e20))

"""Training on real hours of an exchange: holes, thin bars, and no miracle."""

from __future__ import annotations

import numpy as np

from kracken_tasks.forecast.bundle import DataSource
from kracken_tasks.forecast.inference import Forecaster
from kracken_tasks.forecast.plan import TrainingConfig
from kracken_tasks.forecast.training import train_bundle
from tests.support.real_data import real_candles


def test_default_training_on_real_hours_is_quick_and_not_too_good_to_be_true() -> None:
    frame = real_candles("kraken_BTC-USD_1h", 2_000)
    report = train_bundle(frame, TrainingConfig(), source=DataSource("kraken", "BTC/USD"))
    assert report.seconds < 30
    assert not report.judgement.too_good
    assert report.scores.mae_ratio is not None
    assert 0.9 < report.scores.mae_ratio < 1.1
    assert np.isfinite(Forecaster(report.bundle).next_close(frame))


def test_windows_across_missing_hours_are_left_out() -> None:
    frame = real_candles("kraken_ETH-USD_1h", 63_568).iloc[3_000:7_000]
    report = train_bundle(frame, TrainingConfig(epochs=1, lookback=24), source=DataSource("kraken", "ETH/USD"))
    assert report.skipped_windows > 0
    assert report.windows + report.skipped_windows == 4_000 - (24 + 34 - 1)

"""A small, quick training and its parts, for tests."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from kracken_tasks.forecast.bundle import Bundle, DataSource
from kracken_tasks.forecast.plan import TrainingConfig, TrainingReport
from kracken_tasks.forecast.training import train_bundle
from tests.support.candles import random_candles

__all__ = ["SMALL", "SOURCE", "renamed", "small_report"]

SMALL = TrainingConfig(lookback=12, hidden=6, layers=1, epochs=3, batch=64)
SOURCE = DataSource("kraken", "BTC/USD", commit_seq=3, code_version="test")


def small_report(frame: pd.DataFrame | None = None, config: TrainingConfig = SMALL) -> TrainingReport:
    """Train on 400 seeded candles unless given others."""
    return train_bundle(random_candles(400) if frame is None else frame, config, source=SOURCE)


def renamed(bundle: Bundle, code_version: str) -> Bundle:
    """The same weights under another identity."""
    return Bundle(replace(bundle.meta, code_version=code_version), bundle.weights)

"""The promised toolkit class: train on a frame, forecast the next close, turn it into a signal.

In: OHLCV frames.  Out: a next close; BUY, SELL or HOLD with a confidence.  Never: orders, files, a model registered behind the user's back.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.forecast.bundle import Bundle, DataSource
from kracken_tasks.forecast.inference import Forecaster
from kracken_tasks.forecast.plan import TrainingConfig

if TYPE_CHECKING:
    from kracken_tasks.forecast.plan import Progress, TrainingReport

__all__ = ["LSTMPredictor", "signal_from"]


class LSTMPredictor:
    """An LSTM for the next close of one symbol.

    ``lookback``: candles in a window.  ``config``: everything else about training.  ``report`` holds the last training's scores against
    the last-value forecast: read them before believing a forecast.
    """

    def __init__(
        self,
        symbol: str = "BTC/USDT",
        lookback: int = 60,
        *,
        exchange: str = "kraken",
        seed: int = 7,
        config: TrainingConfig | None = None,
    ) -> None:
        split_symbol(symbol)
        if lookback < 1:
            raise Misconfigured(f"lookback {lookback} is below 1", key="lookback", allowed=">= 1")
        self.symbol = symbol
        self.lookback = lookback
        self.exchange = exchange
        self.seed = seed
        self.report: TrainingReport | None = None
        self._config = config
        self._forecaster: Forecaster | None = None

    @property
    def bundle(self) -> Bundle:
        """The trained model.  Raises: Misconfigured before training."""
        return self._trained().bundle

    def train(self, df: pd.DataFrame, epochs: int = 50, *, progress: Progress | None = None) -> TrainingReport:
        """Train on OHLCV candles, at most ``epochs`` passes; stops early when validation stops improving.

        Raises: BadData for bad candles, or too few of them to learn and to judge.
        """
        from kracken_tasks.forecast.training import train_bundle

        config = replace(self._config or TrainingConfig(seed=self.seed), lookback=self.lookback, epochs=epochs)
        self.report = train_bundle(df, config, source=DataSource(self.exchange, self.symbol), progress=progress)
        self._forecaster = Forecaster(self.report.bundle)
        return self.report

    def use(self, bundle: Bundle) -> None:
        """Forecast with a model trained before.  Raises: Misconfigured if it is of another symbol."""
        if bundle.meta.symbol != self.symbol:
            raise Misconfigured(f"model {bundle.model_id} is of {bundle.meta.symbol}, not {self.symbol}", key="symbol")
        self._forecaster = Forecaster(bundle)
        self.lookback = bundle.meta.lookback

    def predict(self, df: pd.DataFrame) -> float:
        """Forecast the close after the frame's last candle, in quote currency.

        Raises: Misconfigured before training; BadData if the newest lookback + 33 candles are not there or not unbroken.
        """
        return self._trained().next_close(df)

    def get_prediction_signal(
        self, current_price: float, predicted_price: float, threshold: float = 0.02
    ) -> tuple[str, float]:
        """``signal_from`` under its promised name."""
        return signal_from(current_price, predicted_price, threshold)

    def _trained(self) -> Forecaster:
        if self._forecaster is None:
            raise Misconfigured(f"the predictor of {self.symbol} is not trained: call train first", missing="train")
        return self._forecaster


def signal_from(current_price: float, predicted_price: float, threshold: float = 0.02) -> tuple[str, float]:
    """BUY or SELL if the forecast move reaches the threshold, else HOLD; with a confidence in [0, 1].

    Units:  threshold is a fraction of the current price.  Confidence = |move| / (2 x threshold), at most 1: 0.5 at the threshold, 1 at
            twice the threshold, below 0.5 for HOLD.
    Raises: BadData unless both prices are finite and positive and the threshold is finite and not negative.
    """
    if not all(math.isfinite(price) and price > 0 for price in (current_price, predicted_price)):
        raise BadData(f"prices {current_price} and {predicted_price} must be positive numbers", rule="positive")
    if not (math.isfinite(threshold) and threshold >= 0):
        raise BadData(f"threshold {threshold} must be a fraction, 0 or more", rule="threshold")
    move = predicted_price / current_price - 1
    if move == 0 or abs(move) < threshold:
        return "HOLD", abs(move) / (2 * threshold) if threshold else 0.0
    confidence = min(abs(move) / (2 * threshold), 1.0) if threshold else 1.0
    return ("BUY" if move > 0 else "SELL"), confidence

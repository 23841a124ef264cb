"""The trained network in numpy, so that a trading tick never loads torch.

In: a bundle and candles.  Out: the next log return or close.  Never: a forecast across a hole in the candles, or from candles of
another width or recipe than the model learned from.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.features.frames import bar_milliseconds, candle_frame, grid_runs
from kracken_tasks.features.recipe import FEATURE_NAMES, RECIPE_VERSION, feature_rows
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.windows import newest_window_rows, unfolded

__all__ = ["Forecaster", "lstm_forward"]

_BATCH = 1_024  # windows at a time: bounds memory
Floats32 = NDArray[np.float32]


class Forecaster:
    """A bundle ready to forecast.

    Time:   a forecast made at the close of a candle is for the close of the next one.
    Raises: Misconfigured if the bundle belongs to another feature recipe.
    """

    def __init__(self, bundle: Bundle) -> None:
        meta = bundle.meta
        if meta.recipe_version != RECIPE_VERSION or meta.feature_names != FEATURE_NAMES:
            raise Misconfigured(
                f"model {bundle.model_id} was trained on feature recipe {meta.recipe_version}; this code has {RECIPE_VERSION}: train again",
                key="recipe_version", value=meta.recipe_version, allowed=RECIPE_VERSION,
            )  # fmt: skip
        self.bundle = bundle
        self._scaler = bundle.scaler

    @property
    def needed_rows(self) -> int:
        """Newest candles that decide a forecast; older ones change nothing."""
        return newest_window_rows(self.bundle.meta.lookback)

    def next_return(self, frame: pd.DataFrame) -> float:
        """Log return from the newest close to the next.

        Raises: BadData if the newest ``needed_rows`` candles are not there, not unbroken, or of another width.
        """
        return self._newest(candle_frame(frame.iloc[-self.needed_rows :]))

    def next_close(self, frame: pd.DataFrame) -> float:
        """Forecast of the next close, in quote currency.  Raises as ``next_return``."""
        candles = candle_frame(frame.iloc[-self.needed_rows :])
        return float(candles["close"].iloc[-1]) * math.exp(self._newest(candles))

    def returns(self, frame: pd.DataFrame) -> pd.Series[float]:
        """The forecast at each candle's close, indexed by its open time; NaN where history is short or broken."""
        candles = candle_frame(frame)
        ends = np.flatnonzero(self._runs(candles) >= self.needed_rows)
        values = np.full(len(candles), np.nan)
        values[ends] = self._returns(candles, ends)
        return pd.Series(values, index=pd.DatetimeIndex(candles["ts"]), name="forecast_return")

    def _newest(self, candles: pd.DataFrame) -> float:
        run = self._runs(candles)[-1]
        if run < self.needed_rows:
            raise BadData(
                f"{self.needed_rows} candles without a hole are needed up to {candles['ts'].iloc[-1]}, there are {run}",
                rule="unbroken_grid", needed=self.needed_rows, found=int(run),
            )  # fmt: skip
        return float(self._returns(candles, np.array([len(candles) - 1]))[0])

    def _runs(self, candles: pd.DataFrame) -> NDArray[np.int64]:
        expected = self.bundle.meta.bar_seconds * 1000
        found = bar_milliseconds(candles)
        if len(candles) > 1 and found != expected:
            raise BadData(
                f"the model knows candles of {expected // 1000} s, not of {found // 1000} s",
                rule="bar_width", needed=expected // 1000, found=found // 1000,
            )  # fmt: skip
        return grid_runs(candles, expected)

    def _returns(self, candles: pd.DataFrame, ends: NDArray[np.int64]) -> NDArray[np.float64]:
        meta = self.bundle.meta
        scaled = self._scaler.apply(feature_rows(candles))
        windows = unfolded(scaled, meta.lookback)
        parts = []
        for first in range(0, len(ends), _BATCH):
            rows = ends[first : first + _BATCH] - meta.lookback + 1
            batch = windows[rows].reshape(len(rows), meta.lookback, -1)
            parts.append(lstm_forward(batch, self.bundle))
        forecast = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
        return forecast.astype(np.float64) * meta.target_scale


def lstm_forward(windows: Floats32, bundle: Bundle) -> Floats32:
    """Shapes: [N, T, F] -> [N].  Gates in torch's order: input, forget, cell, output."""
    weights, hidden = bundle.weights, bundle.meta.hidden
    sequence = windows
    for layer in range(bundle.meta.layers):
        inward, recurrent = weights[f"lstm.weight_ih_l{layer}"], weights[f"lstm.weight_hh_l{layer}"].T
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        projected = sequence @ inward.T + bias
        state = np.zeros((len(windows), hidden), dtype=np.float32)
        cell = np.zeros_like(state)
        states = np.empty((len(windows), sequence.shape[1], hidden), dtype=np.float32)
        for step in range(sequence.shape[1]):
            gates = projected[:, step] + state @ recurrent
            opened = _sigmoid(gates)  # the cell's share is wasted, yet one call beats three
            entered, kept, shown = (opened[:, i * hidden : (i + 1) * hidden] for i in (0, 1, 3))
            cell = kept * cell + entered * np.tanh(gates[:, 2 * hidden : 3 * hidden])
            state = shown * np.tanh(cell)
            states[:, step] = state
        sequence = states
    result: Floats32 = sequence[:, -1] @ weights["head.weight"][0] + weights["head.bias"][0]
    return result


def _sigmoid(values: Floats32) -> Floats32:
    # Through tanh: no overflow at either end.
    result: Floats32 = np.float32(0.5) * (np.tanh(np.float32(0.5) * values) + np.float32(1.0))
    return result

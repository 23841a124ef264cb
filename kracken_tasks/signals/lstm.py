"""LSTM: the opinion that follows from a forecast of the next close.

In: candles and a ``ForecastValue`` made elsewhere (inference needs no torch).  Out: ``Opinion``.  Never: a word from a model that is
not champion.

    move       = forecast / last close - 1
    sigma      = standard deviation of the last bars' log returns
    direction  = clip(move / (full_strength_sigmas x sigma), -1, 1)
    confidence = 0.5 + 0.5 |direction|
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals.window import Window, clipped, refuse_outside, surety, window_of

__all__ = ["LOOKBACK", "NAME", "ForecastValue", "LstmConfig", "opinion"]

NAME: Final = "lstm"
LOOKBACK: Final = 60


@dataclass(frozen=True, slots=True)
class ForecastValue:
    """A forecast for one symbol: ``next_close`` in quote currency, made from the candle opened at ``bar_ts``.

    ``model`` the bundle's id; ``status`` its registry state (champion, shadow, candidate).
    """

    next_close: float
    champion: bool
    model: str
    bar_ts: datetime
    status: str = ""


@dataclass(frozen=True, slots=True)
class LstmConfig:
    full_strength_sigmas: float = 1.0

    def __post_init__(self) -> None:
        refuse_outside("full_strength_sigmas", self.full_strength_sigmas, 0.01, 100.0)


def opinion(
    frame: pd.DataFrame | Window, config: LstmConfig | None = None, *,
    forecast: ForecastValue | None = None, now: datetime | None = None,
) -> Opinion:  # fmt: skip
    """What the champion's forecast says of the next close.  ``forecast`` None: there is no model.

    Time: the forecast must come from the same last candle as the frame.
    """
    config = config or LstmConfig()
    window = window_of(frame, LOOKBACK)
    unfit = _unfit_forecast(forecast, window) or window.unfit(LOOKBACK, now, moving=LOOKBACK)
    if unfit or forecast is None:
        return Opinion(NAME, None, 0.0, unfit)
    close = float(window.close[-1])
    move, sigma = forecast.next_close / close - 1.0, float(np.diff(np.log(window.close)).std())
    direction = clipped(move / (config.full_strength_sigmas * sigma))
    values = {"forecast": forecast.next_close, "move": move, "sigma": sigma}
    return Opinion(NAME, direction, surety(direction), f"{forecast.model} expects {100 * move:+.2f} %", values)


def _unfit_forecast(forecast: ForecastValue | None, window: Window) -> str:
    if forecast is None:
        return "no champion model for this symbol"
    if not forecast.champion:
        return f"model {forecast.model} is {forecast.status or 'not champion'}, not champion"
    if not (math.isfinite(forecast.next_close) and forecast.next_close > 0.0):
        return f"model {forecast.model} gave no usable number"
    if window.bar_ts is not None and forecast.bar_ts != window.bar_ts:
        return f"forecast is of the candle {iso(forecast.bar_ts)}, the newest is {iso(window.bar_ts)}"
    return ""

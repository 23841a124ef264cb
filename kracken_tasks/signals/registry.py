"""Signal modules by name.

In: a name from the configured weights.  Out: the module that answers to it.  Never: a stand-in for a module that does not exist; a
name that is missing here is simply not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals import bollinger, lstm, macd, rsi, sentiment, volume_profile
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.sentiment import SentimentReading
from kracken_tasks.signals.window import Window

__all__ = ["SIGNALS", "Outside", "SignalModule"]


@dataclass(frozen=True, slots=True)
class Outside:
    """What modules hear beside candles: a forecast, a reading of the news; None where there is none."""

    forecast: ForecastValue | None = None
    sentiment: SentimentReading | None = None


Opine = Callable[[Window, Outside, datetime | None], Opinion]


@dataclass(frozen=True, slots=True)
class SignalModule:
    """``lookback``: the most candles it looks at.  ``opine(window, outside, now)`` with the module's default configuration.

    ``needs_forecast``: it speaks for a model; without a champion there is nobody to ask.  ``needs_reading``: it speaks for sources of
    news; without a fresh reading there is nobody to ask either.
    """

    name: str
    lookback: int
    opine: Opine
    needs_forecast: bool = False
    needs_reading: bool = False

    @property
    def hears_candles_alone(self) -> bool:
        return not (self.needs_forecast or self.needs_reading)


def _on_candles(opinion: Callable[..., Opinion]) -> Opine:
    return lambda window, _outside, now: opinion(window, now=now)


_MODULES = (
    SignalModule(rsi.NAME, rsi.LOOKBACK, _on_candles(rsi.opinion)),
    SignalModule(macd.NAME, macd.LOOKBACK, _on_candles(macd.opinion)),
    SignalModule(bollinger.NAME, bollinger.LOOKBACK, _on_candles(bollinger.opinion)),
    SignalModule(volume_profile.NAME, volume_profile.LOOKBACK, _on_candles(volume_profile.opinion)),
    SignalModule(
        lstm.NAME,
        lstm.LOOKBACK,
        lambda window, outside, now: lstm.opinion(window, forecast=outside.forecast, now=now),
        needs_forecast=True,
    ),
    SignalModule(
        sentiment.NAME,
        sentiment.LOOKBACK,
        lambda _window, outside, now: sentiment.opinion(outside.sentiment, now=now),
        needs_reading=True,
    ),
)

SIGNALS: Final[Mapping[str, SignalModule]] = MappingProxyType({module.name: module for module in _MODULES})

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
from kracken_tasks.signals import bollinger, lstm, macd, rsi, volume_profile
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.window import Window

__all__ = ["SIGNALS", "SignalModule"]


Opine = Callable[[Window, ForecastValue | None, datetime | None], Opinion]


@dataclass(frozen=True, slots=True)
class SignalModule:
    """``lookback``: the most candles it looks at.  ``opine(window, forecast, now)`` with the module's default configuration.

    ``needs_forecast``: it speaks for a model; without a champion there is nobody to ask.
    """

    name: str
    lookback: int
    opine: Opine
    needs_forecast: bool = False


def _on_candles(opinion: Callable[..., Opinion]) -> Opine:
    return lambda window, _forecast, now: opinion(window, now=now)


_MODULES = (
    SignalModule(rsi.NAME, rsi.LOOKBACK, _on_candles(rsi.opinion)),
    SignalModule(macd.NAME, macd.LOOKBACK, _on_candles(macd.opinion)),
    SignalModule(bollinger.NAME, bollinger.LOOKBACK, _on_candles(bollinger.opinion)),
    SignalModule(volume_profile.NAME, volume_profile.LOOKBACK, _on_candles(volume_profile.opinion)),
    SignalModule(
        lstm.NAME,
        lstm.LOOKBACK,
        lambda window, forecast, now: lstm.opinion(window, forecast=forecast, now=now),
        needs_forecast=True,
    ),
)

SIGNALS: Final[Mapping[str, SignalModule]] = MappingProxyType({module.name: module for module in _MODULES})

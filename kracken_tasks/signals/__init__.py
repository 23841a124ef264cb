"""Opinions: what single indicators think of a symbol, and what they think together.

In: closed candles (and, for the LSTM, a forecast value).  Out: ``Opinion`` per module, ``Combined`` for all.  Never: a candle that is
still running, a look past the last row, or a zero where nothing is known.

- ``window``    the last rows of a candle frame as arrays, checked once for age, holes and flatness
- ``indicators`` TA-Lib's, one definition each
- ``rsi`` ``macd`` ``bollinger`` ``volume_profile`` ``lstm`` ``sentiment``   one module each, with its look-back and its formulas
- ``registry``  names to modules; a new module is one line there
- ``panel``     ask every enabled module
- ``ensemble``  weights, renormalising and the threshold
- ``feedback`` weights corrected by how trades turned out · ``learning`` keeps what was learned in the ledger
"""

from kracken_tasks.signals.ensemble import DEFAULT_WEIGHTS, Combined, combine
from kracken_tasks.signals.feedback import Correction, TradeOutcome, corrected_weights
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.panel import ask_modules
from kracken_tasks.signals.registry import SIGNALS, SignalModule
from kracken_tasks.signals.sentiment import SentimentReading
from kracken_tasks.signals.window import Window, window_of

__all__ = [
    "DEFAULT_WEIGHTS",
    "SIGNALS",
    "Combined",
    "Correction",
    "ForecastValue",
    "SentimentReading",
    "SignalModule",
    "TradeOutcome",
    "Window",
    "ask_modules",
    "combine",
    "corrected_weights",
    "window_of",
]

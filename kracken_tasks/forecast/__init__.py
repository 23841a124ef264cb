"""The LSTM forecast of the next close: trained, judged against the last value, kept, and used without torch.

- ``network``    tensors in, tensors out                    (torch)
- ``windows``    features and labels as windows, holes left out
- ``splits``     walk-forward sections with an embargo
- ``plan``       configuration, progress and report of a training
- ``training``   one training run, deterministic            (torch)
- ``retraining`` lake data to a registered model: the flow's work, without Prefect
- ``evaluation`` scores against the last value; what may become a shadow
- ``bundle``     weights and everything needed to use and to explain them, as deterministic bytes
- ``contest``    challenger against champion on bars neither saw
- ``registry``   candidate, shadow, champion, by append-only transitions
- ``promotion``  a person makes a shadow the champion
- ``inference``  the forward pass in numpy
- ``predictor``  ``LSTMPredictor``, the promised toolkit class

In: candle frames.  Out: reports, bundles, next closes.  Never: a promotion by a program, torch in a trading tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kracken_tasks.forecast.predictor import LSTMPredictor

__all__ = ["LSTMPredictor"]


def __getattr__(name: str) -> object:
    if name == "LSTMPredictor":
        from kracken_tasks.forecast.predictor import LSTMPredictor

        return LSTMPredictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

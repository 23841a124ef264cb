"""Sentiment: what headlines and a fear-and-greed index say of a coin, read outside the tick.

In: a ``SentimentReading`` with its age.  Out: ``Opinion``.  Never: a network call in a tick, or a zero where nothing is known.

- ``opinion``   the signal module · ``words`` readings, and what a source is
- ``sources``   RSS and Atom feeds, the fear-and-greed index · ``lexicon`` how a headline is scored
- ``reading``   every source asked once, for the flow and for ``kracken signals sentiment``
- ``board``     where readings lie between the flow that fetches them and the ticks that hear them
"""

from kracken_tasks.signals.sentiment.opinion import LOOKBACK, NAME, SentimentConfig, opinion
from kracken_tasks.signals.sentiment.words import (
    Headline,
    IndexValue,
    SentimentReading,
    SentimentSource,
    SourceReading,
)

__all__ = [
    "LOOKBACK",
    "NAME",
    "Headline",
    "IndexValue",
    "SentimentConfig",
    "SentimentReading",
    "SentimentSource",
    "SourceReading",
    "opinion",
]

"""Sentiment as an opinion.

In: a reading made elsewhere.  Out: ``Opinion``.  Never: a word on a reading that is missing or too old.

    direction  = clip(score / full_strength, -1, 1)
    confidence = 0.5 + 0.5 |direction|
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.trading import Opinion
from kracken_tasks.signals.sentiment.words import SentimentReading
from kracken_tasks.signals.window import clipped, refuse_outside, surety

__all__ = ["LOOKBACK", "NAME", "SentimentConfig", "opinion"]

NAME: Final = "sentiment"
LOOKBACK: Final = 1  # it looks at no candle; a frame has at least one


@dataclass(frozen=True, slots=True)
class SentimentConfig:
    """``full_strength``: the score at which direction is full; ``max_age_minutes``: an older reading is no opinion."""

    full_strength: float = 0.5
    max_age_minutes: float = 180.0

    def __post_init__(self) -> None:
        refuse_outside("full_strength", self.full_strength, 0.01, 1.0)
        refuse_outside("max_age_minutes", self.max_age_minutes, 1.0, 10_080.0)


def opinion(
    reading: SentimentReading | None, config: SentimentConfig | None = None, *, now: datetime | None = None
) -> Opinion:
    """What the newest reading says.  ``now`` None leaves its age unjudged."""
    config = config or SentimentConfig()
    if reading is None:
        return Opinion(NAME, None, 0.0, "no fresh word from any source")
    if now is not None and now - reading.read_at > timedelta(minutes=config.max_age_minutes):
        return Opinion(NAME, None, 0.0, f"stale: read at {iso(reading.read_at)}")
    if now is not None and reading.read_at > now:
        return Opinion(NAME, None, 0.0, f"read at {iso(reading.read_at)}, which is still to come")
    direction = clipped(reading.score / config.full_strength)
    values = {"score": reading.score, "read_at": reading.read_at.timestamp(), **reading.values}
    return Opinion(NAME, direction, surety(direction), reading.told, values)

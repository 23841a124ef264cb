"""What was read, from whom, and when: the values between sources, board and opinion.

In: plain facts.  Out: frozen values.  Never: I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

__all__ = ["Headline", "IndexValue", "SentimentReading", "SentimentSource", "SourceReading"]


@dataclass(frozen=True, slots=True)
class Headline:
    """``score`` in [-1, 1]; ``assets`` the coins it names (empty: the market as a whole); ``ts`` when it was published."""

    title: str
    score: float
    assets: tuple[str, ...]
    ts: datetime


@dataclass(frozen=True, slots=True)
class IndexValue:
    """A fear-and-greed index: 0 is extreme fear, 100 extreme greed; ``ts`` when it was published."""

    value: float
    ts: datetime


@dataclass(frozen=True, slots=True)
class SourceReading:
    """One source as it was read at ``read_at``: headlines, or an index value."""

    source: str
    read_at: datetime
    headlines: tuple[Headline, ...] = ()
    index: IndexValue | None = None


class SentimentSource(Protocol):
    """Anything that can be asked what it says now.  ``name`` tells it apart from the others in settings and records."""

    @property
    def name(self) -> str: ...

    def read(self, now: datetime) -> SourceReading:
        """Raises: RetryLater if the source does not answer; BadData if its answer is not what it should be."""
        ...


@dataclass(frozen=True, slots=True)
class SentimentReading:
    """What all sources together say of one symbol.

    ``score`` in [-1, 1]; ``read_at`` when the oldest source that counts was read; ``told`` what it is made of, in words.
    """

    score: float
    read_at: datetime
    told: str
    values: Mapping[str, float] = field(default_factory=dict)

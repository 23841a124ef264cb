"""A round of reading: every source asked once, its answer put where the ticks look, and what they will then hear.

In: sources, the board, market time.  Out: who answered and who did not, rows to show.  Never: a source that fails in the way of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kracken_tasks.domain.clock import iso
from kracken_tasks.errors import RetryLater
from kracken_tasks.signals.sentiment.board import SentimentBoard
from kracken_tasks.signals.sentiment.sources import read_all
from kracken_tasks.signals.sentiment.words import SentimentSource

__all__ = ["Round", "heard_rows", "read_round"]


@dataclass(frozen=True, slots=True)
class Round:
    """``answered``: the names of sources whose word is new; ``problems``: why others keep their last one, by name."""

    answered: tuple[str, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)

    def require_an_answer(self) -> None:
        """Raises: RetryLater if sources were asked and none answered."""
        if self.problems and not self.answered:
            raise RetryLater(
                "no source of sentiment answered: " + "; ".join(self.problems.values()), sources=sorted(self.problems)
            )


def read_round(sources: Iterable[SentimentSource], board: SentimentBoard, now: datetime) -> Round:
    """Ask every source at ``now`` (market time) and keep what it said; one that fails keeps its last word."""
    found, problems = read_all(sources, now)
    for reading in found:
        board.put(reading)
    return Round(tuple(reading.source for reading in found), problems)


def heard_rows(board: SentimentBoard, symbols: Sequence[str], now: datetime) -> list[dict[str, str]]:
    """What a tick at ``now`` hears of every symbol, as text: ``symbol``, ``score`` in [-1, 1] or none, ``of``, ``read at``."""
    rows = []
    for symbol in symbols:
        said = board.reading(symbol, now)
        told = ("none", "no fresh word", "") if said is None else (f"{said.score:+.3f}", said.told, iso(said.read_at))
        rows.append({"symbol": symbol, "score": told[0], "of": told[1], "read at": told[2]})
    return rows

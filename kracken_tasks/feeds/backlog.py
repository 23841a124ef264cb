"""What has come and is not in the lake yet, in order and within a bound.

In: batches and gaps of feeds as they come.  Out: rounds to commit, one after the other.  Never: more rows than allowed, a row left out in
silence: what has to give way leaves a gap where it was.

While the lake cannot be reached the oldest rows give way first: quotes cannot be had again, trades and candles can be fetched by whoever
fills the gap.  At most ``most_rows`` wait and as many are on their way into a commit, so twice that is the most that lies in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from kracken_tasks.exchange.streams import Batch, FeedKey, Gap

__all__ = ["Backlog", "Round", "covered"]

_MOMENT: Final = timedelta(microseconds=1)
_GAVE_WAY: Final = "the lake could not be written for so long that the recorder had no room for more rows"


@dataclass(slots=True)
class Round:
    """What goes into one commit: of each feed a stretch without a hole, and the gaps that lie behind these stretches."""

    batches: dict[FeedKey, list[Batch]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(len(batch.items) for batches in self.batches.values() for batch in batches)


class Backlog:
    """Belongs to one event loop.  ``rows`` wait; ``gave_way`` counts those that had no room."""

    def __init__(self, most_rows: int) -> None:
        self._most = most_rows
        self._waiting: dict[FeedKey, deque[Batch | Gap]] = {}
        self.rows = 0
        self.gave_way = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, one: Batch | Gap) -> None:
        """Behind everything that waits of its feed."""
        self._waiting.setdefault(one.key, deque()).append(one)
        if isinstance(one, Batch):
            self.rows += len(one.items)
            self._make_room()

    def take(self) -> list[Round]:
        """All that waits, cut where something lies between: no commit claims a span of which a part is missing."""
        rounds: list[Round] = []
        for key, waiting in self._waiting.items():
            for at, (stretch, gaps) in enumerate(_stretches(waiting)):
                if at == len(rounds):
                    rounds.append(Round())
                if stretch:
                    rounds[at].batches[key] = stretch
                rounds[at].gaps += gaps
        self.clear()
        return rounds

    def put_back(self, rounds: Sequence[Round]) -> None:
        """These could not be committed: before what has come since."""
        before: dict[FeedKey, deque[Batch | Gap]] = {}
        for one in rounds:
            for key, batches in one.batches.items():
                before.setdefault(key, deque()).extend(batches)
            for gap in one.gaps:
                before.setdefault(gap.key, deque()).append(gap)
        for key, since in self._waiting.items():
            before.setdefault(key, deque()).extend(since)
        self._waiting = before
        self.rows += sum(one.rows for one in rounds)
        self._make_room()

    def clear(self) -> None:
        self._waiting, self.rows = {}, 0

    def _make_room(self) -> None:
        while self.rows > self._most:
            key, oldest = min(
                (
                    (key, batch)
                    for key, waiting in self._waiting.items()
                    if (batch := _first_batch(waiting)) is not None
                ),
                key=lambda pair: pair[1].received,
            )
            waiting = self._waiting[key]
            gone: list[Batch | Gap] = [waiting.popleft()]
            while gone[-1] is not oldest:
                gone.append(waiting.popleft())
            while waiting and isinstance(waiting[0], Gap):
                gone.append(waiting.popleft())
            spans = [_span(one) for one in gone]
            waiting.appendleft(
                Gap(key, min(span[0] for span in spans), max(span[1] for span in spans), _GAVE_WAY, gone[-1].received)
            )
            self.rows -= len(oldest.items)
            self.gave_way += len(oldest.items)


def covered(batches: Sequence[Batch]) -> tuple[datetime, datetime]:
    """The span the batches of a stretch speak for: where none of them knows it, from their first to their last row."""
    spans = [batch.covered for batch in batches if batch.covered is not None]
    if spans:
        return min(span[0] for span in spans), max(span[1] for span in spans)
    stamps = [item.ts for batch in batches for item in batch.items]
    return min(stamps), max(stamps) + _MOMENT


def _span(one: Batch | Gap) -> tuple[datetime, datetime]:
    return (one.start, one.end) if isinstance(one, Gap) else covered([one])


def _first_batch(waiting: deque[Batch | Gap]) -> Batch | None:
    return next((one for one in waiting if isinstance(one, Batch)), None)


def _stretches(waiting: deque[Batch | Gap]) -> Iterator[tuple[list[Batch], list[Gap]]]:
    """The batches of a feed, cut where a hole lies between what they speak for, and the gaps told behind each."""
    stretch: list[Batch] = []
    gaps: list[Gap] = []
    end: datetime | None = None
    for one in waiting:
        if isinstance(one, Gap):
            gaps.append(one)
            continue
        hole = one.covered is not None and end is not None and one.covered[0] > end
        if gaps or hole:
            yield stretch, gaps
            stretch, gaps, end = [], [], None
        stretch.append(one)
        if one.covered is not None:
            end = one.covered[1] if end is None else max(end, one.covered[1])
    yield stretch, gaps

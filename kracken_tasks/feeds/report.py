"""What a recording run did, as a value.

In: statuses and counts.  Out: ``RecorderReport``.  Never: a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from kracken_tasks.exchange.streams.words import FeedStatus

__all__ = ["FeedReport", "RecorderReport"]


@dataclass(frozen=True, slots=True)
class FeedReport:
    """One feed: how it did, and what of it was committed."""

    status: FeedStatus
    rows: int


@dataclass(frozen=True, slots=True)
class RecorderReport:
    """A run, or what it has done so far.

    ``rejected``: rows the contract kept out; ``seconds_judging``: what checking and committing took of the steady clock;
    ``first_seq`` and ``last_seq``: the commits of this run, None without one; ``gave_way``: rows for which there was no room while the
    lake could not be written.
    """

    feeds: tuple[FeedReport, ...]
    commits: int
    rows: int
    rejected: int
    gaps: int
    seconds: float
    seconds_judging: float
    first_seq: int | None
    last_seq: int | None
    gave_way: int = 0

    @property
    def messages(self) -> int:
        return sum(feed.status.messages for feed in self.feeds)

    @property
    def reconnects(self) -> int:
        return sum(feed.status.reconnects for feed in self.feeds)

    @property
    def filled(self) -> int:
        return sum(feed.status.filled for feed in self.feeds)

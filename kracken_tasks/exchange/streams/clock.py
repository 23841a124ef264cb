"""Market time without asking for every message: the venue's clock, carried on by the steady one.

In: answers of the venue.  Out: market time.  Never: the machine's wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.errors import RetryLater

__all__ = ["StreamClock"]

_MOST_AHEAD = timedelta(seconds=5)


class StreamClock:
    """``told`` sets it, ``saw`` pulls it up to a stamp that has just come, ``now`` reads it."""

    def __init__(self, steady: Callable[[], float] = monotonic_seconds) -> None:
        self._steady = steady
        self._told: tuple[datetime, float] | None = None

    @property
    def running(self) -> bool:
        return self._told is not None

    def told(self, moment: datetime) -> None:
        """The venue says what time it is.  A clock that was ahead stands still until it is true again only by being set back here: the
        venue is right, and a clock moved by hand must be followed."""
        self._told = (moment, self._steady())

    def saw(self, stamp: datetime) -> None:
        """Something with this stamp has come, so it is at least that late.  A stamp far ahead is the venue's mistake, not the time."""
        if self._told is not None and timedelta(0) < stamp - self.now() <= _MOST_AHEAD:
            self._told = (stamp, self._steady())

    def now(self) -> datetime:
        """Raises: RetryLater before the venue has told its time once."""
        if self._told is None:
            raise RetryLater("the venue has not told its time yet")
        moment, at = self._told
        return moment + timedelta(seconds=self._steady() - at)

"""The venue's clock, asked once in a while instead of at every look.

In: how the venue is asked for its time, a steady clock, how long an answer serves.  Out: market time.  Never: the machine's wall clock,
a time that goes back, a time ahead of the venue's own.

An answer is older than its arrival, so what is told lags the venue by the answer's way and, on venues that tell whole seconds, by up to
one second more.  That is the safe side everywhere: deadlines come out earlier, quotes look no younger than they are, an order is not
declared lost too soon.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from kracken_tasks.domain.clock import monotonic_seconds

__all__ = ["VenueClock"]


class VenueClock:
    """``keeps_seconds`` 0 asks every time: exact, also when the venue's clock stands still or is moved by hand.

    The steady clock does not count the time a machine sleeps: after it wakes, for at most ``keeps_seconds``, market time lags by its sleep
    and the venue refuses orders for their deadline.
    """

    def __init__(
        self, ask: Callable[[], datetime], keeps_seconds: float, steady: Callable[[], float] = monotonic_seconds
    ) -> None:
        if keeps_seconds < 0:
            raise ValueError(f"keeps_seconds is {keeps_seconds}; allowed: 0 or more")
        self._ask, self._keeps, self._steady = ask, keeps_seconds, steady
        self._told: tuple[datetime, float] | None = None  # the venue's time, and the steady clock when it arrived
        self._latest: datetime | None = None

    def now(self) -> datetime:
        """Market time.  Raises: whatever asking raises, when it has to be asked."""
        if not self._keeps:
            return self._ask()
        at = self._steady()
        if self._told is None or at - self._told[1] >= self._keeps:
            answer = self._ask()
            at = self._steady()
            self._told = (answer, at)
        moment = self._told[0] + timedelta(seconds=at - self._told[1])
        # A newer answer may have been cut to its second: time then stands still until it is true again.
        self._latest = moment if self._latest is None else max(moment, self._latest)
        return self._latest

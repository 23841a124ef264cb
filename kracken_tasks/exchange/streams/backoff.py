"""How long to wait before the next attempt: twice as long each time, spread so that clients do not come back together.

In: a seed.  Out: seconds.  Never: a sleep, an unbounded wait.
"""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Full pauses double from ``first`` up to ``most``; each is drawn between half and all of it, from a seeded generator."""

    def __init__(self, first: float, most: float, seed: str) -> None:
        if not 0 < first <= most:
            raise ValueError(f"first {first} and most {most}: allowed is 0 < first <= most")
        self._first, self._most = first, most
        self._random = random.Random(seed)
        self._attempts = 0

    @property
    def attempts(self) -> int:
        """Failures since the last reset."""
        return self._attempts

    def next_pause(self) -> float:
        """Seconds to wait after one more failure."""
        # Beyond 2^32 the bound has long been reached; without this an endless outage would overflow.
        full = min(self._most, self._first * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return full * (0.5 + 0.5 * self._random.random())

    def reset(self) -> None:
        self._attempts = 0

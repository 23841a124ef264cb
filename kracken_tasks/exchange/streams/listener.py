"""What waits for one reader of feeds, within a bound.

In: batches and gaps as they are told.  Out: the same, one after the other.  Never: a trade or candle left out in silence; of quotes and
books only the newest counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from kracken_tasks.errors import BadData
from kracken_tasks.exchange.streams.words import Batch, Channel, FeedKey, Gap

__all__ = ["Listener"]

_STATES: Final = (Channel.TICKER, Channel.BOOK)  # of which only the newest counts


class Listener:
    """See the module docstring.  ``most_waiting``: messages; a reader further behind is told so by BadData."""

    def __init__(self, keys: Iterable[FeedKey], most_waiting: int) -> None:
        self.keys = frozenset(keys)
        self._most = most_waiting
        self._waiting: deque[Batch | Gap] = deque()
        self._wake = asyncio.Event()
        self._error: BaseException | None = None

    def post(self, told: Batch | Gap) -> None:
        if self._error is not None:
            return
        if isinstance(told, Batch) and told.key.channel in _STATES and len(self._waiting) >= self._most // 10:
            self._waiting = deque(
                other for other in self._waiting if not (isinstance(other, Batch) and other.key == told.key)
            )
        if len(self._waiting) >= self._most:
            self.fail(BadData(f"the listener is {self._most} messages behind", feeds=[str(key) for key in self.keys]))
            return
        self._waiting.append(told)
        self._wake.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._wake.set()

    async def next(self) -> Batch | Gap:
        """Raises: what ended a feed, after everything before it was read."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

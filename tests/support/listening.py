"""Somebody who listens to one feed and keeps what is heard.

In: a ``WebSocketManager`` and a feed.  Out: batches, gaps, and waits that end when something is so.  Never: an unbounded wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from kracken_tasks.exchange.streams import Batch, FeedKey, FeedStatus, Gap, WebSocketManager
from tests.support.streams import ScriptedStreams

__all__ = ["PATIENCE", "Ear", "first_trades"]

# No wait may take longer; a machine with other work has to fit in.
PATIENCE = 20.0


class Ear:
    """Listens to a feed, and to those beside it in ``also``, and keeps what it heard."""

    def __init__(self, manager: WebSocketManager, key: FeedKey, *also: FeedKey, **options: Any) -> None:
        self.manager, self.key, self.keys = manager, key, [key, *also]
        self.batches: list[Batch] = []
        self.gaps: list[Gap] = []
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._listen(**options))

    async def _listen(self, **options: Any) -> None:
        async with aclosing(self.manager.batches(self.keys, **options)) as told:  # type: ignore[type-var]
            async for one in told:
                (self.batches if isinstance(one, Batch) else self.gaps).append(one)  # type: ignore[arg-type]
                self._changed.set()

    @property
    def items(self) -> list[Any]:
        return [item for batch in self.batches for item in batch.items]

    @property
    def status(self) -> FeedStatus:
        """Raises: LookupError before the feed has started."""
        return {one.key: one for one in self.manager.status()}[self.key]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so; a look every few milliseconds, and a bound on all of it."""

        def so() -> bool:
            try:
                return true()
            except LookupError:
                return False

        async with asyncio.timeout(PATIENCE):
            while not so():
                if self.task.done():
                    self.task.result()
                self._changed.clear()
                with_news = asyncio.create_task(self._changed.wait())
                await asyncio.wait({with_news, self.task}, timeout=0.005, return_when=asyncio.FIRST_COMPLETED)
                with_news.cancel()


async def first_trades(ear: Ear, venue: ScriptedStreams, count: int = 3) -> None:
    """A session that works, and so many trades of it heard."""
    await ear.until(lambda: venue.subscriptions > 0)
    venue.happen(count)
    await ear.until(lambda: len(ear.items) >= count)

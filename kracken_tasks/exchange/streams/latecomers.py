"""A listener that joins a feed others have begun, and asks for what happened since it last listened.

In: the trades it knows, the newest that the feed had handed on when it joined.  Out: everything in between, over REST, once; then of
what the feed brings only what is new to it.  Never: a hole between the two in silence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, cast

from kracken_tasks.domain.clock import monotonic_seconds, pause
from kracken_tasks.errors import RetryLater
from kracken_tasks.exchange.streams.backoff import Backoff
from kracken_tasks.exchange.streams.pump import Surroundings
from kracken_tasks.exchange.streams.tracks import TradeTrack, in_order
from kracken_tasks.exchange.streams.words import Batch, FeedKey, FeedSource, Gap, PublicTrade

__all__ = ["Latecomer"]

_MOMENT: Final = timedelta(microseconds=1)


class Latecomer:
    """One listener of one feed of trades.  ``newest``: what the feed had handed on last when it joined; None: nothing yet."""

    def __init__(
        self, key: FeedKey, around: Surroundings, seen: Sequence[PublicTrade], newest: PublicTrade | None
    ) -> None:
        self._key, self._around, self._newest = key, around, newest
        self._track = TradeTrack(seen, consecutive=around.source.consecutive_ids)

    async def missed(self) -> AsyncIterator[Batch | Gap]:
        """What happened between; what REST does not tell within ``patience`` is told as a gap."""
        newest, timing = self._newest, self._around.timing
        pauses = Backoff(timing.backoff_first, timing.backoff_most, seed=f"{self._around.seed}|late {self._key}")
        give_up = monotonic_seconds() + timing.patience
        why = "the venue's REST does not show what its stream has sent"
        while newest is None or not self._reaches(newest):
            try:
                async for told in self._pages():
                    yield told
                    if newest is not None and self._reaches(newest):
                        return
                if newest is None:  # whatever the feed hands on from here is newer than what REST has just told
                    return
            except RetryLater as error:
                why = str(error)
            if monotonic_seconds() > give_up:
                last, now = self._track.last, self._around.clock.now()
                if last is not None:
                    end = now if newest is None else newest.ts
                    yield Gap(self._key, last.ts + _MOMENT, end, f"not to be had over REST: {why}", now)
                return
            await pause(pauses.next_pause())

    def _reaches(self, trade: PublicTrade) -> bool:
        last = self._track.last
        return last is not None and (not self._track.fresh([trade]) or in_order(last) > in_order(trade))

    async def _pages(self) -> AsyncIterator[Batch | Gap]:
        last = self._track.last
        if last is None:
            return
        # From its whole second on: some venues' REST knows no finer stamps.
        cursor, since = None, last.ts.replace(microsecond=0)
        while True:
            page, following = await self._around.ask.trades(self._key.symbol, cursor, since)
            now = self._around.clock.now()
            fresh = sorted(self._track.fresh(page), key=in_order)
            if cursor is None and fresh and not self._track.follows(page):
                reason = f"{self._key.exchange} does not reach back so far over REST"
                yield Gap(self._key, last.ts + _MOMENT, fresh[0].ts, reason, now)
            self._track.note(fresh)
            if fresh:
                yield Batch(self._key, FeedSource.POLLING, tuple(fresh), now)
            if not page or following == cursor:
                return
            cursor = following

    def new_of(self, told: Batch) -> Batch | None:
        """The batch without what was brought already; None if that was all."""
        fresh = tuple(self._track.fresh(cast("Sequence[PublicTrade]", told.items)))
        self._track.note(fresh)
        return replace(told, items=fresh) if fresh else None

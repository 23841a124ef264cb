"""Where an earlier run ended: what the lake knows is what need not be fetched again.

In: a snapshot.  Out: for each feed its newest trades, or the end of its newest candle.  Never: a call to a venue.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

import pandas as pd

from kracken_tasks.domain.market import DataKey, SeriesKey, TapeKey
from kracken_tasks.exchange.streams.pumps import Resume
from kracken_tasks.exchange.streams.questions import trades_of
from kracken_tasks.exchange.streams.words import Channel, FeedKey, PublicTrade

__all__ = ["Known", "resume_points"]

# Trades of the newest moments: enough to know repeats by, and to see where the stream joins.
_OVERLAP = timedelta(seconds=60)


class Known(Protocol):
    """The part of a lake snapshot that resuming reads."""

    def last_ts(self, key: DataKey) -> datetime | None: ...

    def tape(self, key: TapeKey, start: datetime | None = None, end: datetime | None = None) -> pd.DataFrame: ...


def resume_points(known: Known, keys: Iterable[FeedKey], *, now: datetime, most: timedelta) -> dict[FeedKey, Resume]:
    """What each feed goes on from; one that ended longer than ``most`` ago begins afresh, its hole left to a backfill.

    Time: ``now`` is market time.
    """
    found: dict[FeedKey, Resume] = {}
    for key in keys:
        stored = key.stored_as
        last = None if stored is None or key.channel is Channel.TICKER else known.last_ts(stored)
        if last is None or now - last > most:
            continue
        if isinstance(stored, SeriesKey):
            found[key] = last + stored.timeframe.delta
        elif isinstance(stored, TapeKey):
            newest: list[PublicTrade] = trades_of(known.tape(stored, start=last - _OVERLAP))
            found[key] = newest
    return found

"""Settings into streams and the rules of recording: the part of ``wiring`` that feeds need.

In: ``Settings``.  Out: a ``WebSocketManager``, when to commit, how old a feed is.  Never: a network call that nobody asked for.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kracken_tasks.settings import Settings
from kracken_tasks.venue_wiring import enabled, stream_options, venue

if TYPE_CHECKING:
    from kracken_tasks.exchange.streams import WebSocketManager
    from kracken_tasks.feeds import FeedBoard, RecorderRules

__all__ = ["feed_age", "holder_name", "recorder_rules", "streams"]


def streams(settings: Settings, exchanges: Sequence[str] | None = None) -> WebSocketManager:
    """Streams of venues, all enabled ones unless named; questions go through the shared rate budget.  Opens nothing yet.

    Raises: Misconfigured for a venue that is not enabled.
    """
    from kracken_tasks.exchange.streams import StreamTiming, WebSocketManager
    from kracken_tasks.exchange.streams.halves import venue_halves

    names = list(exchanges or enabled(settings))
    venues = {name: venue(settings, name) for name in names}
    told = settings.price_feed
    timing = StreamTiming(
        backup_polling_interval=told.backup_polling_interval,
        quiet=told.quiet_seconds,
        silence=told.silence_seconds,
        patience=told.patience_seconds,
    )
    options = {name: stream_options(settings, name) for name in names}
    return WebSocketManager(names, timing=timing, halves=venue_halves(venues.__getitem__, options, timing))


def recorder_rules(settings: Settings) -> RecorderRules:
    from kracken_tasks.feeds import RecorderRules

    told = settings.price_feed
    return RecorderRules(
        batch_seconds=told.batch_seconds, batch_rows=told.batch_rows, resume_most=timedelta(hours=told.resume_hours)
    )


def holder_name() -> str:
    """This machine and process, as a recorder signs its pulse."""
    return "r" + re.sub(r"[^A-Za-z0-9_.-]", "-", f"{socket.gethostname()}-{os.getpid()}")


def feed_age(settings: Settings, board: FeedBoard) -> Callable[[str, datetime], tuple[float, str] | None]:
    """How old the recorded stream of a traded symbol is; None where none is recorded, unless the settings ask for one."""
    required = settings.price_feed.required

    def age(symbol: str, now: datetime) -> tuple[float, str] | None:
        pulse = board.pulse(settings.exchange, symbol, now=now)
        if pulse is not None:
            return pulse.age(now), pulse.sentence(now)
        return (float("inf"), "no stream of it is recorded, and price_feed.required asks for one") if required else None

    return age

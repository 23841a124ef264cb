"""Settings into streams and the rules of recording: what feeds need.

In: ``Settings``.  Out: a ``WebSocketManager``, when to commit, how old a feed is.  Never: a network call that nobody asked for.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.settings import Settings
from kracken_tasks.wiring.series import series
from kracken_tasks.wiring.stores import judge, lake, lake_fed_by, object_store
from kracken_tasks.wiring.venues import enabled, stream_options, venue

if TYPE_CHECKING:
    from kracken_tasks.exchange.streams import Channel as FeedChannel
    from kracken_tasks.exchange.streams import FeedKey, WebSocketManager
    from kracken_tasks.feeds import FeedBoard, Recorder, RecorderRules

__all__ = ["feed_age", "feed_board", "feeds", "recorder", "recorder_rules", "streams"]


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
        batch_seconds=told.batch_seconds, batch_rows=told.batch_rows, most_rows=told.most_rows_waiting,
        resume_most=timedelta(hours=told.resume_hours),
    )  # fmt: skip


def _holder_name() -> str:
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


def feed_board(settings: Settings) -> FeedBoard:
    """Where recorders tell the pulse of their feeds: beside the lake, in the same store."""
    from kracken_tasks.feeds.board import FeedBoard

    return FeedBoard(object_store(settings))


def recorder(
    settings: Settings, manager: WebSocketManager, feeds: Sequence[FeedKey], *, record: bool = True
) -> Recorder:
    """A recorder of feeds into the lake, by the contract's gate.  Its holder name is this machine and process.

    Raises: Misconfigured for a lake that another market feeds.
    """
    from kracken_tasks.feeds import Recorder

    for exchange in sorted({key.exchange for key in feeds}) if record else ():
        lake_fed_by(settings, exchange)  # or it is refused, before anything is heard
    return Recorder(
        manager, feeds, lake(settings), judge(settings), feed_board(settings), holder=_holder_name(),
        rules=recorder_rules(settings), record=record,
    )  # fmt: skip


def feeds(
    settings: Settings,
    exchanges: Sequence[str] | None,
    symbols: Sequence[str] | None,
    channels: Sequence[FeedChannel],
    timeframes: Sequence[Timeframe] | None = None,
) -> list[FeedKey]:
    """Venues x symbols x channels; candles once for each timeframe.  What is left out comes from the settings.

    Raises: Misconfigured for a venue that is not enabled.
    """
    from kracken_tasks.exchange.streams import Channel, FeedKey

    found = []
    for key in series(settings, exchanges, symbols, timeframes):
        for channel in channels:
            width = key.timeframe if channel is Channel.CANDLES else None
            found.append(FeedKey(key.exchange, key.symbol, channel, width))
    return list(dict.fromkeys(found))

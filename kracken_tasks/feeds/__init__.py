"""Streams into the lake: recording, resuming, and a pulse by which others know that a feed is alive.

In: a ``WebSocketManager``, a lake, the contract's judge.  Out: commits, typed gaps, pulses.  Never: a row without a verdict, a trade
twice, a claim about a span of which something is missing.

- ``recorder`` from batches to commits · ``backlog`` what waits for the lake, within a bound · ``frames`` batches as frames
- ``board``    the pulse of each feed, for other processes · ``resume`` where the last run ended
- ``report``   what a run did, ``render`` in words
"""

from kracken_tasks.feeds.board import FeedBoard, FeedPulse
from kracken_tasks.feeds.recorder import Recorder, RecorderRules
from kracken_tasks.feeds.report import FeedReport, RecorderReport

__all__ = ["FeedBoard", "FeedPulse", "FeedReport", "Recorder", "RecorderReport", "RecorderRules"]

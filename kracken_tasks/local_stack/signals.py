"""The user asks for the end: Ctrl-C, SIGTERM, or a terminal that is closed.

In: signals.  Out: ``Stopped``, raised once where the program is, and an event for loops that wait.  Never: a second interruption, which
would cut off the stopping itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["Stopped", "told_to_stop"]

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """Unwinds to where the servers are stopped; every library lets a KeyboardInterrupt through."""


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """Raise ``Stopped`` at the first signal unless the event is set already; later signals change nothing.

    Set the event before stopping begins, and stop where even an interruption just before that is caught::

        try:
            try: work()
            finally: event.set()
        finally: stop()
    """
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if not stopping.is_set():
            stopping.set()
            raise Stopped

    before = {number: signal.signal(number, stop) for number in _ENDING}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Channels: where messages go.

In: a Message.  Out: nothing, or an error that says whether to try again.  Never: an unbounded wait.
"""

from __future__ import annotations

import logging
from typing import Protocol

from kracken_tasks.alerts.messages import Message
from kracken_tasks.ledger.entries import AlertLevel

__all__ = ["Channel", "LogChannel"]

_LEVELS = {AlertLevel.INFO: logging.INFO, AlertLevel.WARNING: logging.WARNING, AlertLevel.CRITICAL: logging.CRITICAL}


class Channel(Protocol):
    """Somewhere messages can be sent.

    ``send`` returns once the message has left.  It raises RetryLater (or Misconfigured) when the message should wait, and BadData when
    this message will never be taken.
    """

    @property
    def name(self) -> str:
        """Under which deliveries are noted in the ledger; it never changes for one destination."""
        ...

    async def send(self, message: Message) -> None: ...


class LogChannel:
    """The log as a channel: always open."""

    name = "log"

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("kracken.alerts")

    async def send(self, message: Message) -> None:
        self._logger.log(_LEVELS[message.level], "%s", message.text, extra={"alert_id": message.visible_id})

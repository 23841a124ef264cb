"""Alerts: who hears of what happened.

In: alerts from the ledger's outbox, failed runs, calls from users.  Out: messages through a channel.
Never: a trade that waits for an alert, an alert lost because a channel was down, a token in a log.

- ``diagnosis``  what went wrong, as a frozen value: level, category, summary, detail, what to do
- ``messages``   an alert as a text (``domain.receipts`` says a size receipt in one line)
- ``channel``    where messages go: the protocol, and the log
- ``telegram``   the Telegram channel and ``TelegramAlerts``
- ``outbox``     deliver what is pending, in order, at least once, each with a visible id
- ``hooks``      a failed or crashed flow run is diagnosed and told
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.alerts.channel import Channel, LogChannel
    from kracken_tasks.alerts.diagnosis import Category, Diagnosis, RunFacts, diagnose
    from kracken_tasks.alerts.messages import Message, message_for, message_of_diagnosis
    from kracken_tasks.alerts.outbox import DeliveryReport, deliver, deliver_now
    from kracken_tasks.alerts.telegram import TelegramAlerts, TelegramChannel

__all__ = [
    "Category",
    "Channel",
    "DeliveryReport",
    "Diagnosis",
    "LogChannel",
    "Message",
    "RunFacts",
    "TelegramAlerts",
    "TelegramChannel",
    "deliver",
    "deliver_now",
    "diagnose",
    "message_for",
    "message_of_diagnosis",
]

# The Telegram library and the ledger's database library load with the names that need them.
_LAZY = {
    "Category": "diagnosis",
    "Channel": "channel",
    "DeliveryReport": "outbox",
    "Diagnosis": "diagnosis",
    "LogChannel": "channel",
    "Message": "messages",
    "RunFacts": "diagnosis",
    "TelegramAlerts": "telegram",
    "TelegramChannel": "telegram",
    "deliver": "outbox",
    "deliver_now": "outbox",
    "diagnose": "diagnosis",
    "message_for": "messages",
    "message_of_diagnosis": "messages",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)

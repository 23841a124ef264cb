"""The outbox: alerts written with the facts they tell of, delivered afterwards.

In: a ledger, a channel, market time.  Out: a DeliveryReport.  Never: a message marked before it left, one overtaking another,
an error that reaches the trade.

Each message is marked right after it left; killed between the two, it is sent again, recognisable by its visible id.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from kracken_tasks.alerts.channel import Channel
from kracken_tasks.alerts.messages import message_for
from kracken_tasks.errors import BadData, KrackenError
from kracken_tasks.ledger import Ledger, Source
from kracken_tasks.ledger.entries import AlertEntry

__all__ = ["DeliveryReport", "deliver", "deliver_now"]


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one delivery did: visible ids in order; ``stopped_by`` says why the rest is still waiting."""

    channel: str
    sent: tuple[str, ...]
    rejected: tuple[str, ...]
    pending: int
    stopped_by: str = ""


async def deliver(ledger: Ledger, channel: Channel, now: datetime, *, limit: int = 50) -> DeliveryReport:
    """Send what is pending for ``channel``, oldest first, at most ``limit`` messages.

    A channel that fails leaves the failed message and all after it pending; a message the channel will never take is marked
    rejected and the next one follows.  ``now`` is market time, noted with the deliveries.
    """
    sent: list[str] = []
    rejected: list[str] = []
    stopped_by = ""
    for alert in ledger.pending_alerts(channel.name, limit):
        try:
            await channel.send(message_for(alert))
        except BadData as error:
            _mark(ledger, alert, channel, now, result="rejected", reason=error.message)
            rejected.append(alert.visible_id)
        except KrackenError as error:
            stopped_by = error.message
            break
        else:
            _mark(ledger, alert, channel, now, result="sent")
            sent.append(alert.visible_id)
    pending = len(ledger.pending_alerts(channel.name, limit))
    return DeliveryReport(channel.name, tuple(sent), tuple(rejected), pending, stopped_by)


def deliver_now(ledger: Ledger, channel: Channel, now: datetime, *, limit: int = 50) -> DeliveryReport:
    """``deliver`` for callers that are not coroutines; works inside a running event loop too."""

    def run() -> DeliveryReport:
        return asyncio.run(deliver(ledger, channel, now, limit=limit))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(run).result()


def _mark(ledger: Ledger, alert: AlertEntry, channel: Channel, now: datetime, *, result: str, reason: str = "") -> None:
    with ledger.acting(Source.OUTBOX, channel.name):
        ledger.record_delivery(alert.seq, channel.name, ts=now, result=result, reason=reason)

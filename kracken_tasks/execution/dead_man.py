"""The dead-man switch: the venue cancels every order of the account unless it hears from us in time.  Off unless it is asked for.

In: a broker that has one (Kraken's CancelAllOrdersAfter), the ledger's lease.  Out: what was armed, or why not.
Never: armed over stops without being told to.

Canceling every order means canceling the stops: a switch that fires after a crash leaves the positions bare, which is worse than what it
guards against.  So it is armed only while nothing rests that protects a position or would bring such an order with its fill, and stands
down before a tick may send an entry.  ``cancels_stops`` says that a person wants it all the same; then it is armed before a tick and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol, cast

from kracken_tasks.domain.clock import Clock, iso
from kracken_tasks.domain.trading import VenueOrder
from kracken_tasks.errors import KrackenError, Misconfigured
from kracken_tasks.execution.broker import Broker
from kracken_tasks.execution.desk import lease_name
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, LeaseHeld, Ledger

__all__ = ["CancelsAfter", "DeadManSwitch"]

_LONGEST = 86_400  # seconds (Kraken, Cancel All Orders After X)
_LEASE = timedelta(seconds=30)


class CancelsAfter(Protocol):
    """The part of a venue that the switch needs."""

    def cancel_all_after(self, seconds: int) -> datetime | None:
        """Have every order of the account canceled in that many seconds; 0: call it off.  Returns when, None where it is off."""
        ...


class DeadManSwitch:
    """``seconds`` 0: there is none, and nothing is ever called.  It has to be longer than the time between two ticks."""

    def __init__(
        self,
        broker: Broker,
        ledger: Ledger,
        wall: Clock,
        *,
        seconds: int,
        cancels_stops: bool = False,
        holder: str = "",
    ) -> None:
        """Raises: Misconfigured for seconds out of range, or a broker that has no such switch."""
        if not 0 <= seconds <= _LONGEST:
            raise Misconfigured(
                f"dead_man_seconds = {seconds}: allowed is 0 (off) to {_LONGEST}", key="trading.dead_man_seconds"
            )
        if seconds and not hasattr(broker, "cancel_all_after"):
            raise Misconfigured(f"{broker.exchange} has no dead-man switch", key="trading.dead_man_seconds", allowed=0)
        self._broker, self._ledger, self._wall = broker, ledger, wall
        self._seconds, self._cancels_stops = seconds, cancels_stops
        self._holder = holder or "dead-man switch"

    @contextmanager
    def around(self) -> Iterator[None]:
        """Around a tick: stand down before, arm after.  Its own trouble is told and never stops a tick."""
        with self._told():
            if self._cancels_stops:
                self.tend()
            else:
                self.stand_down()
        yield
        with self._told():
            self.tend()

    def tend(self) -> str:
        """Arm, or stand down and return why it may not be armed now ("" if it is armed, or there is none).

        Raises: RetryLater, StateUnknown as the broker; whether it is armed is not known then.
        """
        if not self._seconds:
            return ""
        lease = self._ledger.leases.acquire(lease_name(self._ledger), self._holder, _LEASE, self._wall.now())
        if isinstance(lease, LeaseHeld):
            return f"{lease.holder} trades until {iso(lease.until)} and will see to it"
        try:
            against = "" if self._cancels_stops else self._against()
            self._venue.cancel_all_after(0 if against else self._seconds)
        finally:
            self._ledger.leases.release(lease)
        return against

    def stand_down(self) -> None:
        """Call it off: before anything is sent that it must not cancel, and on a clean stop.  Raises: as ``tend``."""
        if self._seconds:
            self._venue.cancel_all_after(0)

    @property
    def _venue(self) -> CancelsAfter:
        return cast(CancelsAfter, self._broker)

    def _against(self) -> str:
        """Why it may not be armed: orders it must not cancel, or an intent that may have become one."""
        if self._ledger.open_intents():
            return "an order is in doubt: it may be a stop, or bring one"
        for order in self._broker.open_orders():
            if order.trigger_price is not None:
                return f"stop {order.order_id} of {order.symbol} rests"
            if self._brings_a_stop(order):
                return f"entry {order.order_id} of {order.symbol} brings a stop with its fill"
        held = sorted(self._ledger.positions())
        return f"{', '.join(held)} is held" if held else ""

    def _brings_a_stop(self, order: VenueOrder) -> bool:
        intent = None if order.client_order_id is None else self._ledger.intent(order.client_order_id)
        return intent is not None and intent.request.close is not None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except KrackenError as error:
            now = self._market_now()
            facts = {"summary": "the dead-man switch could not be set", "detail": str(error), "context": self._holder}
            facts["what_to_do"] = "whether the venue will cancel every order, stops included, is not known: look there"
            draft = AlertDraft(AlertKind.ERROR, f"dead-man:{now:%Y-%m-%dT%H}", facts, AlertLevel.CRITICAL)
            self._ledger.add_alert(draft, ts=now)

    def _market_now(self) -> datetime:
        try:
            return self._broker.now()
        except KrackenError:  # a venue that does not tell the time; the alert must go out all the same
            return self._wall.now()

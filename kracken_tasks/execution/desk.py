"""The desk: what one trading run works with, handed to every step of it, and the only way to get one.

In: broker, ledger, lease, clock, settings.  Out: the next free intent key, the certainty that the lease is still ours.
Never: decisions, venue calls, anything that outlives the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.clock import Clock, iso
from kracken_tasks.domain.market import Instrument
from kracken_tasks.domain.trading import IntentKey, Purpose
from kracken_tasks.errors import RetryLater, StateUnknown
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.execution.broker import Broker
from kracken_tasks.execution.costs import CostModel
from kracken_tasks.execution.orders import SendRules
from kracken_tasks.ledger import Lease, LeaseHeld, LeaseLost, Ledger, Source

__all__ = ["AccountInUse", "Desk", "ExecutionConfig", "lease_name", "no_pause", "trading_desk"]

_MOST_OF_IT = 0.9  # of the lease's time: a wait begins and ends with nearly all of it left


@dataclass(frozen=True, slots=True)
class ExecutionConfig:
    """How orders are sent, looked for and protected.

    ``clock_skew``: how far the venue's clocks may disagree; ``listing_lag``: how long an accepted order may be missing from the venue's
    listings; ``fill_overlap``: how far back executions are listed again, for those that appear late; ``default_stop_fraction``: where
    a position without a plan gets its stop, below its entry price.

    ``adopt_unknown_orders``: orders on the venue that nobody of ours recorded become ours, else they are reported and left alone.

    ``balance_tolerance``: by asset, how far venue and fold may differ; nothing by default, for any venue.  Rounding is no reason for one:
    fills are booked only with the cost and fee that the venue's own ledger shows (see ``Broker.fills``), so that both sides hold the
    same digits, and a symbol whose fills are still owed is left out of the comparison until they come.  An allowance per fill would
    grow with every fill and hide as much; a fixed one would be used up by the first hundred.
    """

    send: SendRules = field(default_factory=SendRules)
    costs: CostModel = field(default_factory=CostModel)
    clock_skew: timedelta = timedelta(seconds=2)
    listing_lag: timedelta = timedelta(seconds=5)
    fill_overlap: timedelta = timedelta(minutes=10)
    lease_ttl: timedelta = timedelta(minutes=2)
    default_stop_fraction: Decimal = Decimal("0.03")
    adopt_unknown_orders: bool = False
    balance_tolerance: Mapping[str, Decimal] = field(default_factory=dict)


class AccountInUse(RetryLater):
    """Another run holds the account's lease.  Nothing was looked at or sent.  ``held`` says who, and until when."""

    def __init__(self, held: LeaseHeld) -> None:
        super().__init__(f"the account is in use by {held.holder} until {iso(held.until)}", holder=held.holder)
        self.held = held

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.held,))


def lease_name(ledger: Ledger) -> str:
    """The one lease under which this account trades."""
    return f"trading:{ledger.exchange}:{ledger.account}"


def no_pause(seconds: float) -> None:
    """A pause that is none: for runs that wait for nothing."""


@dataclass(slots=True)
class Desk:
    """One run's tools.  ``unknown`` names symbols that are not traded any more in this run, with the reason.

    ``owed`` are those among them whose fills the venue owes us: its balances hold what the ledger cannot hold yet.  ``touched``: something
    was sent, canceled or amended since the last look.  ``pause`` lets wall time pass (seconds); the default does not.
    """

    broker: Broker
    ledger: Ledger
    wall: Clock
    lease: Lease
    tick_id: str
    config: ExecutionConfig
    unknown: dict[str, str] = field(default_factory=dict)
    owed: frozenset[str] = frozenset()
    touched: bool = False
    pause: Callable[[float], None] = no_pause

    def require_lease(self, left: float = 0.5) -> None:
        """Make sure, before a step that cannot be taken back or a long wait, that nobody else may trade.

        The lease is renewed when less than this share of its time is left.
        Raises: LeaseLost; nothing has been sent.
        """
        now = self.wall.now()
        if not self.ledger.leases.still_held(self.lease, now):
            raise LeaseLost(f"the lease of {self.lease.holder} is gone; nothing is sent", holder=self.lease.holder)
        if self.lease.expires - now < self.config.lease_ttl * left:
            self.lease = self.ledger.leases.renew(self.lease, self.config.lease_ttl, now)

    def keep_lease(self) -> None:
        """Keep the lease between two questions to the venue, which may take long; nothing has been decided on them yet.

        One that ran out meanwhile is taken again if nobody else has had it since: otherwise an account whose look takes longer than the
        lease lasts would never be traded again.  Raises: LeaseLost.
        """
        now, leases = self.wall.now(), self.ledger.leases
        if leases.still_held(self.lease, now):
            if self.lease.expires - now < self.config.lease_ttl * _MOST_OF_IT:
                self.lease = leases.renew(self.lease, self.config.lease_ttl, now)
            return
        again = leases.acquire(self.lease.name, self.lease.holder, self.config.lease_ttl, now)
        if isinstance(again, LeaseHeld):
            raise LeaseLost(f"{again.holder} has taken the lease of {self.lease.holder}", holder=self.lease.holder)
        if again.token != self.lease.token + 1:
            leases.release(again)
            raise LeaseLost(f"somebody has traded under the lease of {self.lease.holder}", holder=self.lease.holder)
        self.lease = again

    def wait(self, seconds: float) -> None:
        """Let time pass with the lease held all the while.  Raises: LeaseLost."""
        slice_seconds = self.config.lease_ttl.total_seconds() / 4
        while seconds > 0:
            self.require_lease(_MOST_OF_IT)
            self.pause(min(seconds, slice_seconds))
            seconds -= slice_seconds
        self.require_lease(_MOST_OF_IT)

    def next_key(self, symbol: str, purpose: Purpose, leg: int = 0) -> IntentKey:
        """The first key of this run, symbol and purpose that no intent has used; attempts count up from 0."""
        attempt = 0
        while True:
            key = IntentKey(self.ledger.account, self.tick_id, symbol, purpose, leg, attempt)
            if self.ledger.intent(key.client_order_id) is None:
                return key
            attempt += 1

    def instrument(self, symbol: str) -> Instrument:
        """Raises: StateUnknown if the venue no longer lists what is held."""
        found = self.broker.instruments().get(symbol)
        if found is None:
            raise StateUnknown(f"{self.broker.exchange} no longer lists {symbol}", symbol=symbol)
        return found

    def in_doubt_until(self, deadline: datetime | None, intended_at: datetime) -> datetime:
        """When an order with this deadline that is in no listing surely does not exist."""
        last = deadline if deadline is not None else intended_at + self.config.send.deadline
        return last + self.config.clock_skew + self.config.listing_lag


@contextmanager
def trading_desk(
    broker: Broker,
    ledger: Ledger,
    wall: Clock,
    *,
    holder: str,
    tick_id: str,
    source: Source,
    config: ExecutionConfig,
    actor: str | None = None,
    take_over: bool = False,
    pause: Callable[[float], None] = no_pause,
) -> Iterator[Desk]:
    """A desk under the account's lease, which is given back at the end whatever happened.

    What is written meanwhile says that ``source`` wrote it for ``actor`` (the run's id unless said), and what is asked of the venue goes
    before exports and ingestion.  ``take_over``: the lease is taken from whoever has it, whose token is stale from then on.
    Raises: AccountInUse.
    """
    name = lease_name(ledger)
    lease = ledger.leases.acquire(name, holder, config.lease_ttl, wall.now())
    if isinstance(lease, LeaseHeld):
        if not take_over:
            raise AccountInUse(lease)
        lease = ledger.leases.take_over(name, holder, config.lease_ttl, wall.now())
    desk = Desk(broker, ledger, wall, lease, tick_id, config, pause=pause)
    try:
        with calls_at(Priority.PROTECT), ledger.acting(source, tick_id if actor is None else actor):
            yield desk
    finally:
        ledger.leases.release(desk.lease)

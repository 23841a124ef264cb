"""The account as an entry meets it: its recent past, and what is spoken for by orders under way.

In: the ledger, the newest mark, limits.  Out: ``Account``, ``Outlay``.  Never: venue calls; money counted as free that an order of ours
may take.

Between a send and the look that books its fills the ledger knows what may be spent: open intents and open orders.  Everything that is
sized meanwhile counts it as spent, held, open and turned over, at the order's worst price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.trading import Purpose, Side
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.marks import profits_since_release
from kracken_tasks.execution.trip_results import judged_net
from kracken_tasks.ledger import IntentEntry
from kracken_tasks.risk.equity import UnitMark, day_start
from kracken_tasks.risk.kelly import KellyEstimate, recent_kelly
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.state import losing_streak

__all__ = ["Account", "Outlay", "account_facts", "under_way"]


@dataclass(frozen=True, slots=True)
class Outlay:
    """What an entry under way may still buy, at its worst price.  Units: quote currency; ``cash`` with the fee.

    Estimates for the sizing of others, hence floats.
    """

    symbol: str
    notional: float
    cash: float

    @property
    def asset(self) -> str:
        return split_symbol(self.symbol)[1]


@dataclass(frozen=True, slots=True)
class Account:
    """The account's figures all entries of a run are judged by.  Units: quote currency; fractions of equity.

    ``kelly`` looks at recent trips only (None: there are no trips): one that never forgot would end an account with a bad start for ever.
    ``free`` is what the venue said at the tick's start; ``outlays`` are entries under way, one per symbol.
    """

    mark: UnitMark
    losing_streak: int
    kelly: KellyEstimate | None
    last_entry_at: Mapping[str, datetime]
    last_exit_at: Mapping[str, datetime]
    turnover_today: float
    orders_last_minute: int
    free: Mapping[str, float] = field(default_factory=dict)
    outlays: Mapping[str, Outlay] = field(default_factory=dict)

    def cash(self, desk: Desk, asset: str) -> float:
        """What can be spent: free on the venue and there by the ledger, less what orders under way may take."""
        booked = float(desk.ledger.cash().get(asset, Decimal(0)))
        taken = sum(item.cash for item in self.outlays.values() if item.asset == asset)
        return max(0.0, min(self.free.get(asset, booked), booked) - taken)

    @property
    def outlay(self) -> float:
        """Notional of all orders under way: exposure to be, and turnover."""
        return sum(item.notional for item in self.outlays.values())


def account_facts(desk: Desk, mark: UnitMark, limits: RiskLimits, free: Mapping[str, float], now: datetime) -> Account:
    """Collect what the ledger knows about the account's recent past and present in a few reads."""
    today = day_start(now, limits.zone)
    since = min(today, now - timedelta(minutes=limits.cooldown_minutes))
    entered: dict[str, datetime] = {}
    left: dict[str, datetime] = {}
    turnover = Decimal(0)
    for fill in desk.ledger.fills(since):
        (entered if fill.purpose is Purpose.ENTRY else left)[fill.symbol] = fill.ts
        turnover += fill.cost if fill.ts >= today else Decimal(0)
    listed, costs = desk.broker.instruments(), desk.config.costs
    results = [(trip.closed_at, judged_net(trip, listed, costs)) for trip in desk.ledger.round_trips()]
    return Account(
        mark=mark,
        losing_streak=losing_streak(profits_since_release(desk.ledger, listed, costs)),
        kelly=recent_kelly(results, now, limits) if results else None,
        last_entry_at=entered,
        last_exit_at=left,
        turnover_today=float(turnover),
        orders_last_minute=len(desk.ledger.intents(now - timedelta(minutes=1))),
        free=free,
        outlays=under_way(desk, limits),
    )


def under_way(desk: Desk, limits: RiskLimits) -> dict[str, Outlay]:
    """Entries that may still buy, by symbol: intents whose fate is open, and accepted orders whose fills are not booked."""
    ledger = desk.ledger
    rest = {
        order.client_order_id: order.remaining
        for order in ledger.open_orders().values()
        if order.side is Side.BUY and order.client_order_id is not None
    }
    accepted = [intent for client_order_id in rest if (intent := ledger.intent(client_order_id)) is not None]
    found: dict[str, Outlay] = {}
    for intent in (*ledger.open_intents(), *accepted):
        if intent.purpose is not Purpose.ENTRY:
            continue
        amount = float(rest.get(intent.client_order_id, intent.request.amount))
        notional = amount * _worst_price(desk, intent, limits)
        instrument = desk.broker.instruments().get(intent.symbol)
        fee = 0.0 if instrument is None else desk.config.costs.fee_fraction(instrument)
        before = found.get(intent.symbol, Outlay(intent.symbol, 0.0, 0.0))
        found[intent.symbol] = Outlay(intent.symbol, before.notional + notional, before.cash + notional * (1.0 + fee))
    return found


def _worst_price(desk: Desk, intent: IntentEntry, limits: RiskLimits) -> float:
    """The limit; of a bare market order what it was planned at, and the cap it would have had."""
    if intent.request.limit_price is not None:
        return float(intent.request.limit_price)
    decided = desk.ledger.decision(intent.tick_id, intent.symbol)
    receipt = None if decided is None else decided.decision.receipt
    return 0.0 if receipt is None else receipt.price * (1.0 + limits.price_cap_fraction)

"""What happened, in a dozen lines: read from the ledger, shown on the screen and by ``kracken status``.

In: a ledger.  Out: a frozen ``Overview`` and its panels.  Never: a figure the ledger does not hold.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.domain.clock import WallClock, iso
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import Action, Position, Purpose, TradingState
from kracken_tasks.ledger import Ledger, RoundTrip
from kracken_tasks.live import arming_told
from kracken_tasks.settings import Profile, Settings
from kracken_tasks.wiring.live import first_orders

__all__ = ["Overview", "account_of", "overview_of", "panel_of"]


@dataclass(frozen=True, slots=True)
class Overview:
    """An account at a glance.  Money in quote currency; ``blocked`` counts would-be entries by the guard that stopped them.

    ``stale``: what the newest tick did not look at, its candles being too old, and why.  ``real_money``: whether it is armed and how
    much a first entry may be worth, in sentences; empty where no real money is traded.
    """

    ticks: int
    last_tick: datetime | None
    orders: int
    fills: int
    trips: tuple[RoundTrip, ...]
    positions: tuple[Position, ...]
    blocked: tuple[tuple[str, int], ...]
    an_example: str
    stale: tuple[str, ...]
    state: TradingState
    state_reason: str
    equity: Decimal | None
    drawdown: Decimal
    currency: str
    real_money: tuple[str, ...] = ()

    @property
    def stopped(self) -> int:
        return sum(1 for trip in self.trips if trip.exit_purpose is Purpose.STOP)

    @property
    def net(self) -> Decimal:
        return sum((trip.net for trip in self.trips), Decimal(0))


def overview_of(ledger: Ledger, real_money: tuple[str, ...] = ()) -> Overview:
    """Read the account's story so far."""
    decisions, ticks = ledger.decisions(), ledger.ticks()
    newest = [entry.decision for entry in decisions if ticks and entry.tick_id == ticks[-1].tick_id]
    stopped = [
        entry.decision for entry in decisions if entry.decision.action is Action.BUY and entry.decision.blocked_by
    ]
    guards = Counter(decision.blocked_by.guard for decision in stopped if decision.blocked_by)
    mark, state = ledger.last_equity(), ledger.state()
    return Overview(
        ticks=len(ticks),
        last_tick=ticks[-1].ts if ticks else None,
        orders=len(ledger.intents()),
        fills=len(ledger.fills()),
        trips=ledger.round_trips(),
        positions=tuple(ledger.positions().values()),
        blocked=tuple(guards.most_common()),
        an_example=f"{stopped[0].symbol}: {stopped[0].reason}" if stopped else "",
        stale=tuple(
            f"{one.symbol}: {one.reason}" for one in newest if one.blocked_by and one.blocked_by.guard == "data_fresh"
        ),
        state=state.state,
        state_reason=state.reason,
        equity=None if mark is None else mark.equity,
        drawdown=Decimal(0) if mark is None else mark.drawdown,
        currency="USD" if mark is None else mark.currency,
        real_money=real_money,
    )


def account_of(settings: Settings) -> Overview:
    """The overview of the account that these settings name; no venue is asked, so the arming is held against this machine's clock."""
    ledger = wiring.ledger(settings)
    if settings.profile is not Profile.LIVE:
        return overview_of(ledger)
    return overview_of(ledger, arming_told(ledger, first_orders(settings), WallClock().now()))


def panel_of(view: Overview, title: str = "Account") -> RenderableType:
    """The overview as a panel, with open positions and the newest closed trades under it."""
    table = Table.grid(padding=(0, 2))
    table.add_row("state", f"{view.state.value} {view.state_reason}".strip())
    for line in view.real_money:
        table.add_row("real money" if line == view.real_money[0] else "", line)
    if view.equity is not None:
        table.add_row("equity", f"{plain(view.equity, 2)} {view.currency}, drawdown {plain(view.drawdown * 100, 2)} %")
    table.add_row("ticks", f"{view.ticks}" + (f", the last at {iso(view.last_tick)}" if view.last_tick else ""))
    table.add_row("orders, fills", f"{view.orders}, {view.fills}")
    table.add_row(
        "round trips",
        f"{len(view.trips)} closed, {view.stopped} by their stop, net {plain(view.net, 2)} {view.currency}",
    )
    table.add_row("blocked", ", ".join(f"{guard} {count}" for guard, count in view.blocked) or "none")
    if view.an_example:
        table.add_row("", view.an_example)
    for line in view.stale:
        table.add_row("", line)
    parts: list[RenderableType] = [table]
    if view.positions:
        parts.append(_positions(view.positions))
    if view.trips:
        parts.append(_trips(view.trips[-5:]))
    return Panel(Group(*parts), title=title, title_align="left", border_style="green")


def _positions(positions: tuple[Position, ...]) -> Table:
    table = Table("open", "amount", "entry", "stop", "target", "since", box=None, header_style="dim")
    for one in positions:
        stop = "" if one.stop_price is None else plain(one.stop_price)
        target = "" if one.take_profit_price is None else plain(one.take_profit_price)
        table.add_row(one.symbol, plain(one.amount), f"{one.entry_price:.6g}", stop, target, iso(one.opened_at))
    return table


def _trips(trips: tuple[RoundTrip, ...]) -> Table:
    table = Table("closed", "amount", "entry", "exit", "net", "by", "at", box=None, header_style="dim")
    for one in trips:
        entry, left = f"{one.entry_price:.6g}", f"{one.exit_price:.6g}"
        table.add_row(
            one.symbol, plain(one.amount), entry, left, plain(one.net, 2), one.exit_purpose.value, iso(one.closed_at)
        )
    return table

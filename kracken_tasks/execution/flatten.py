"""Flatten: cancel every order of ours and sell every position, now.

In: broker, ledger, who asks.  Out: ``FlattenReport``; the account is halted until a named person releases it.  Never: candles, models,
alert channels; an order of somebody else's touched.

The lease is taken over if another run holds it: that run's token is stale from then on and it sends nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from kracken_tasks.domain.clock import Clock, iso
from kracken_tasks.domain.trading import Purpose, TradingState
from kracken_tasks.errors import KrackenError
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.execution.broker import Broker
from kracken_tasks.execution.desk import Desk, ExecutionConfig, no_pause, trading_desk
from kracken_tasks.execution.exits import Exit, leave, settled
from kracken_tasks.execution.flatten_direct import adopt_or_halt
from kracken_tasks.execution.marks import state_text
from kracken_tasks.execution.patience import look_again, outlast_doubt
from kracken_tasks.execution.protect import Protection, protect
from kracken_tasks.execution.quoting import usable_quotes
from kracken_tasks.execution.reconcile import Reconciled, reconcile, waits_to_sell
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, Ledger, Source
from kracken_tasks.risk.state import AccountState, Cause

__all__ = ["FlattenReport", "flatten"]


@dataclass(frozen=True, slots=True)
class FlattenReport:
    """What flattening did.  ``left`` are the stops of positions that could not be sold whole; ``problems`` say why, by symbol.

    A symbol still in doubt is not sold: its doubt ends within the deadline and the listing lag, and flattening again sells what is left.
    """

    tick_id: str
    canceled: tuple[str, ...]
    exits: tuple[Exit, ...]
    left: tuple[Protection, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def flat(self) -> bool:
        return not self.left and not self.problems


@calls_at(Priority.PROTECT)  # an export must not stand before an exit
def flatten(
    broker: Broker,
    ledger: Ledger,
    wall: Clock,
    *,
    holder: str,
    by: str,
    config: ExecutionConfig | None = None,
    journal: Path | None = None,
    pause: Callable[[float], None] = no_pause,
) -> FlattenReport:
    """Halt the account, cancel what is ours, sell what is held.  Repeating it sells what is left.

    ``journal`` of a direct flatten: adopted first, or what it sold would be sold again.  ``pause`` lets so many seconds pass: a doubt that
    leaves a position bare is waited out, for a minute and a half at most where a fill is owed, and what is left by then is sold.
    Raises: RetryLater if the venue cannot be read.
    """
    with trading_desk(
        broker, ledger, wall, holder=holder, tick_id=f"flatten@{iso(broker.now())}", source=Source.FLATTEN,
        config=config or ExecutionConfig(), take_over=True, pause=pause,
    ) as desk:  # fmt: skip
        unread = adopt_or_halt(ledger, journal, broker)
        _halt(ledger, by, desk)
        report = _flatten(desk, reconcile(desk))
        return replace(report, problems={**report.problems, "journal": unread}) if unread else report


def _halt(ledger: Ledger, by: str, desk: Desk) -> None:
    state = AccountState(TradingState.HALTED, Cause.OPERATOR, f"flattened by {by}")
    now = desk.broker.now()
    with ledger.transaction():
        written = ledger.set_state(state.state, state_text(state), ts=now)
        if written.new:
            payload = {"state": state.state.value, "previous": "", "reason": state.reason}
            draft = AlertDraft(AlertKind.STATE_CHANGED, f"state:{written.entry.seq}", payload, AlertLevel.CRITICAL)
            ledger.add_alert(draft, ts=now)


def _flatten(desk: Desk, look: Reconciled) -> FlattenReport:
    canceled: list[str] = []
    exits: list[Exit] = []
    problems: dict[str, str] = {}

    def sell_what_is_held(look: Reconciled) -> tuple[Protection, ...]:
        """Sell, look what became of it, put back the stops of the rest; what stood in the way before is forgotten."""
        problems.clear()
        problems.update(look.unknown)
        canceled.extend(_cancel_entries(desk, look, problems))
        before = [settled(desk, left, look.fills) for left in exits]
        fresh = _sell_all(desk, look, problems)
        again = _looked(desk)
        exits[:] = [settled(desk, left, again.fills) for left in (*before, *fresh)]
        problems.update({left.symbol: left.problem for left in exits[len(before) :] if left.problem})
        return protect(desk, again)

    protections = outlast_doubt(desk, sell_what_is_held(look), lambda: sell_what_is_held(_looked(desk)))
    remaining = tuple(item for item in protections if item.position_id is not None)
    return FlattenReport(desk.tick_id, tuple(canceled), tuple(exits), remaining, problems)


def _looked(desk: Desk) -> Reconciled:
    return look_again(desk, partial(reconcile, desk))


def _sell_all(desk: Desk, look: Reconciled, problems: dict[str, str]) -> list[Exit]:
    positions = desk.ledger.positions()
    quotes, unquoted = usable_quotes(desk.broker, positions)
    problems |= {symbol: why for symbol, why in unquoted.items() if symbol not in problems}
    exits: list[Exit] = []
    for symbol, position in sorted(positions.items()):
        if symbol in look.unknown:  # a sale may be on its way: a second one would sell coins of the account's owner
            continue
        if symbol not in quotes:  # its stop stays, and the others are sold
            continue
        try:
            exits.append(
                leave(desk, position, quotes[symbol], look.stops(symbol), purpose=Purpose.FLATTEN, reason="flattened")
            )
        except KrackenError as error:  # the others are sold all the same
            problems[symbol] = str(error)
    return exits


def _cancel_entries(desk: Desk, look: Reconciled, problems: dict[str, str]) -> tuple[str, ...]:
    """Cancel our resting orders that are no stops; the stops go one by one, each right before its position is sold."""
    canceled: list[str] = []
    for order in look.open_orders:
        if waits_to_sell(order):
            continue
        try:
            desk.require_lease()
            desk.broker.cancel(order.order_id)
            canceled.append(order.order_id)
        except KrackenError as error:
            problems[order.symbol] = str(error)
    return tuple(canceled)

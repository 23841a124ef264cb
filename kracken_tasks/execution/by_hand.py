"""A position closed by a person's word: one, now, whatever the signals say.

In: what a tick works with, which position, who says so and why.  Out: ``Exit``.  Never: candles, signals, models; a second sale where one
is in doubt.

It runs under the tick's lease and in the tick's order: look, sell, look again, put back the stop of whatever could not be sold;
a doubt that leaves a position bare is waited out as a tick does.
"""

from __future__ import annotations

from dataclasses import replace

from kracken_tasks.domain.trading import Position, Purpose
from kracken_tasks.errors import KrackenError, TradeRefused
from kracken_tasks.execution.advanced.keeping import take_back_entries
from kracken_tasks.execution.desk import Desk, trading_desk
from kracken_tasks.execution.exits import Exit, leave, settled
from kracken_tasks.execution.flatten_direct import adopt_or_halt
from kracken_tasks.execution.patience import look_again, outlast_doubt
from kracken_tasks.execution.protect import Protection, protect
from kracken_tasks.execution.reconcile import Reconciled, reconcile
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.ledger import FillEntry, LeaseLost, Source

__all__ = ["close_by_hand"]


def close_by_hand(deps: TickDeps, slot: TickSlot, position_id: str, *, reason: str) -> Exit:
    """Sell one position whole.  Saying it twice sells once: what is gone is refused by name.

    Raises: TradeRefused for a position that is not open, RetryLater while another run trades or the venue cannot be read.
    """
    with trading_desk(
        deps.broker, deps.ledger, deps.wall, holder=deps.holder, tick_id=slot.tick_id, source=Source.PERSON,
        config=deps.config, pause=deps.pause,
    ) as desk:  # fmt: skip
        return _close(deps, desk, position_id, reason)


def _close(deps: TickDeps, desk: Desk, position_id: str, reason: str) -> Exit:
    unread = adopt_or_halt(deps.ledger, deps.journal, deps.broker)
    if unread:
        raise TradeRefused(f"an earlier flatten has to be read first: {unread}", position_id=position_id)
    look = reconcile(desk)
    position = _open_position(desk, position_id)
    doubt = desk.unknown.get(position.symbol) or look.unknown.get(position.symbol)
    if doubt:
        raise TradeRefused(f"{position.symbol} is in doubt: {doubt}", position_id=position_id, symbol=position.symbol)
    quote = desk.broker.quotes([position.symbol])[position.symbol]
    left = leave(desk, position, quote, look.stops(position.symbol), purpose=Purpose.EXIT, reason=reason)
    fills: list[FillEntry] = []
    resting: list[str] = []

    def look_now() -> Reconciled:
        again = look_again(desk, lambda: reconcile(desk))
        fills.extend(again.fills)
        return again

    def protect_again() -> tuple[Protection, ...]:
        again = look_now()
        resting.clear()
        try:
            if take_back_entries(desk, again):  # the rest of its entry would buy it again
                again = look_now()
        except LeaseLost:
            raise
        except KrackenError as error:  # stops are seen to all the same
            resting.append(f"a purchase rests on: {error}")
        return protect(desk, again)

    outlast_doubt(desk, protect_again(), protect_again)
    left = settled(desk, left, fills)
    problem = left.problem or desk.unknown.get(position.symbol, "") or "; ".join(resting)
    return replace(left, problem=problem)


def _open_position(desk: Desk, position_id: str) -> Position:
    held = desk.ledger.positions()
    for position in held.values():
        if position.position_id == position_id:
            return position
    known = ", ".join(position.position_id for position in held.values()) or "none"
    raise TradeRefused(f"no open position {position_id!r}; open: {known}", position_id=position_id)

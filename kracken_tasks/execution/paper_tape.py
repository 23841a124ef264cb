"""Resting paper limits against the trades that really happened: a queue before them, a share of the volume for them.

In: resting orders, trades in the order of their time.  Out: which order gets what at which trade, and what is still ahead of it.
Never: state, I/O, randomness.

Rules.  An order sees only trades after its arrival.  A trade at its price first serves the volume that stood there when it arrived; of
what is left, and of every trade beyond its price, the account as a whole gets ``share``, the best price first, then the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from kracken_tasks.domain.market import Instrument
from kracken_tasks.domain.money import floor_to_step
from kracken_tasks.domain.trading import Side
from kracken_tasks.execution.paper_matching import Execution, PaperBook, PaperOrder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PaperTrade", "RestingFill", "served", "trades_between", "volume_ahead"]


@dataclass(frozen=True, slots=True)
class PaperTrade:
    """A public trade: ``price`` in quote, ``amount`` in base, ``ts`` the venue's stamp (aware UTC)."""

    ts: datetime
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RestingFill:
    """What one trade does to one resting order; ``execution`` None: only its place in the queue moved."""

    order_id: str
    at: datetime
    ahead: Decimal | None
    execution: Execution | None

    def applied(self, order: PaperOrder) -> PaperOrder:
        """The order once this has happened to it."""
        moved = replace(order, ahead=self.ahead)
        return moved if self.execution is None else moved.after(self.execution, self.at)


def trades_between(frame: pd.DataFrame, after: datetime, until: datetime) -> list[PaperTrade]:
    """Trades after ``after`` up to ``until``, oldest first, from a tape of the lake or a venue's page.

    Shapes: TRADE_COLUMNS, [N]; a trade that stands twice counts once.
    """
    span = frame[(frame["ts"] > after) & (frame["ts"] <= until)]
    once = span.drop_duplicates(["trade_id", "ts", "price", "volume"]).sort_values("ts", kind="stable")
    rows = zip(once["ts"], once["price"], once["volume"], strict=True)
    return [PaperTrade(ts.to_pydatetime(), Decimal(str(price)), Decimal(str(volume))) for ts, price, volume in rows]


def volume_ahead(order: PaperOrder, book: PaperBook | None) -> Decimal | None:
    """Base standing at the order's price or better when it arrives; None: no book is known, so only trades beyond the price serve it."""
    limit = order.limit
    if book is None or limit is None:
        return None
    buys = order.view.side is Side.BUY
    levels = book.bids if buys else book.asks
    return sum((amount for price, amount in levels if (price >= limit if buys else price <= limit)), Decimal(0))


def served(
    orders: Iterable[PaperOrder], trades: Iterable[PaperTrade], instrument: Instrument, share: Decimal
) -> Iterator[RestingFill]:
    """What ``trades`` (rising in time) do to resting limits, one event per touched order and trade."""
    waiting = {order.view.order_id: order for order in orders}
    for trade in trades:
        left = floor_to_step(trade.amount * share, instrument.lot_step)
        for side in (Side.BUY, Side.SELL):
            for order in sorted((one for one in waiting.values() if _touched(one, side, trade)), key=_priority):
                event, left = _serve(order, trade, instrument, share, left)
                if event.execution is None and event.ahead == order.ahead:
                    continue
                changed = event.applied(order)
                if changed.view.status.resting:
                    waiting[order.view.order_id] = changed
                else:
                    del waiting[order.view.order_id]
                yield event


def _touched(order: PaperOrder, side: Side, trade: PaperTrade) -> bool:
    limit, view = order.limit, order.view
    if view.side is not side or limit is None or trade.ts <= view.opened_at:
        return False
    return trade.price <= limit if side is Side.BUY else trade.price >= limit


def _priority(order: PaperOrder) -> tuple[Decimal, str]:
    limit = order.limit or Decimal(0)
    return (-limit if order.view.side is Side.BUY else limit), order.view.order_id


def _serve(
    order: PaperOrder, trade: PaperTrade, instrument: Instrument, share: Decimal, left: Decimal
) -> tuple[RestingFill, Decimal]:
    """The order's part of one trade, and what of the account's part is left for the orders behind it."""
    view, limit, ahead, reached = order.view, order.limit, order.ahead, trade.amount
    if trade.price == limit:
        if ahead is None:  # nobody knows how long the queue is
            return RestingFill(view.order_id, trade.ts, None, None), left
        reached = max(Decimal(0), trade.amount - ahead)
        ahead = max(Decimal(0), ahead - trade.amount)
    elif ahead is not None:
        ahead = Decimal(0)  # a trade beyond the price: everything at it has gone
    amount = min(floor_to_step(reached * share, instrument.lot_step), left, view.remaining)
    execution = Execution(limit, amount, "maker") if amount > 0 and limit is not None else None
    return RestingFill(view.order_id, trade.ts, ahead, execution), left - amount

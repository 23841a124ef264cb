"""Trailing stops of the paper account: carried on by the last trade, never back, and remembered where they stand.

In: waiting orders, quotes.  Out: the same orders with their triggers moved, in the store.  Never: a fill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import localcontext

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import MONEY, floor_to_step, price_of, ticks_at_or_above, ticks_at_or_below
from kracken_tasks.domain.trading import Side
from kracken_tasks.execution.paper_matching import PaperOrder
from kracken_tasks.execution.paper_store import PaperStore

__all__ = ["follow_trails", "trailed"]


def trailed(order: PaperOrder, quote: Quote, instrument: Instrument) -> PaperOrder:
    """A waiting trailing stop once the last trade has carried it on, never back; every other order as it is.

    An answer without prices on both sides carries nothing on.
    """
    if order.trail is None or order.triggered or not order.view.status.resting or not quote.usable:
        return order
    sells, before = order.view.side is Side.SELL, order.view.trigger_price
    last = price_of((ticks_at_or_below if sells else ticks_at_or_above)(quote.last, instrument), instrument)
    with localcontext(MONEY):
        away = last * order.trail if order.trail_is_fraction else order.trail
        level = floor_to_step(last - away if sells else last + away, instrument.price_tick)
        if before is not None:
            level = max(before, level) if sells else min(before, level)
        offset = order.limit_offset
        limit = None if offset is None else level - offset if sells else level + offset
    if level == before:
        return order
    return replace(order, view=replace(order.view, trigger_price=level, limit_price=limit))


def follow_trails(store: PaperStore, quotes: Mapping[str, Quote], listed: Mapping[str, Instrument]) -> None:
    """Carry every waiting trailing stop of the quoted symbols on; each move is on the disk before anything is set off by it."""
    for order in store.open_orders():
        symbol = order.view.symbol
        if order.trail is None or symbol not in quotes or trailed(order, quotes[symbol], listed[symbol]) == order:
            continue
        with store.transaction():
            newest = store.order(order.view.order_id)  # another process may have been faster
            if newest is not None:
                store.put_order(trailed(newest, quotes[symbol], listed[symbol]))

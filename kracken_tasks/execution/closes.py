"""Closes: the stops that a venue places by itself the moment an entry fills, where listings tell of one and not of the other.

In: entries as booked, the orders of one look.  Out: stops that are over unseen, stops whose entry is not told yet.  Never: sending; a stop
taken for one without a position because the listing of its entry lags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import Purpose, VenueOrder
from kracken_tasks.execution.booking import Booked, Owners
from kracken_tasks.execution.desk import Desk
from kracken_tasks.ledger import FillEntry

__all__ = ["closes_never_listed", "stops_of_untold_entries"]


def closes_never_listed(
    desk: Desk, booked: Booked, seen: Mapping[str, VenueOrder], now: datetime
) -> dict[str, VenueOrder]:
    """Stops that came with entries and rest no more, although no look has ever seen them rest.

    Such a stop has sold what its entry bought.  Where the fills of orders are told later than the orders end, only its own listing says so,
    and whoever believes the position sells it again, out of coins of the account's owner.
    """
    recent = [*booked.fills, *desk.ledger.fills(now - desk.config.fill_overlap)]
    entries = {fill.order_id: fill for fill in recent if fill.purpose is Purpose.ENTRY}
    missing = {order_id: fill.ts for order_id, fill in entries.items() if _lacks_its_close(desk, fill, seen)}
    if not missing:
        return {}
    desk.keep_lease()
    closed = desk.broker.closed_orders(min(missing.values()) - desk.config.clock_skew)
    return {order.order_id: order for order in closed if order.parent_id in missing and order.order_id not in seen}


def _lacks_its_close(desk: Desk, fill: FillEntry, seen: Mapping[str, VenueOrder]) -> bool:
    """Whether less of an entry's stop is known, resting or over, than the entry has filled, and its position counts on it."""
    intent = desk.ledger.intent_of_order(fill.order_id)
    position = desk.ledger.positions().get(fill.symbol)
    if intent is None or intent.request.close is None or position is None or position.position_id != fill.position_id:
        return False
    came, filled = _came_and_filled(desk, fill.order_id, seen)
    return came < filled


def stops_of_untold_entries(
    desk: Desk, owners: Owners, stops: Iterable[VenueOrder], seen: Mapping[str, VenueOrder], now: datetime
) -> list[tuple[VenueOrder, str]]:
    """Which of the resting ``stops`` came with more of an entry than has been told to have filled, and how much that is.

    The entry has filled, and its own listing lags: a stop that was canceled for having no position would leave its coins bare.
    """
    found: list[tuple[VenueOrder, str]] = []
    for stop in stops:
        parent = stop.parent_id
        if parent is None or owners.of(stop.order_id) is None:
            continue
        if now - stop.opened_at > desk.config.fill_overlap:
            continue  # longer than a venue lags: somebody has made it larger by hand
        came, filled = _came_and_filled(desk, parent, seen)
        if came > filled:
            found.append((stop, f"{plain(came - filled)} of entry {parent}"))
    return found


def _came_and_filled(desk: Desk, entry_id: str, seen: Mapping[str, VenueOrder]) -> tuple[Decimal, Decimal]:
    """For how much stops have come with an entry, resting or over, and how much of it is booked; in base units."""
    amounts = {one.order_id: one.amount for one in seen.values() if one.parent_id == entry_id}
    for one in desk.ledger.orders().values():
        if one.parent_id == entry_id:  # as it was when it came: it may have been amended since
            amounts[one.order_id] = desk.ledger.order_history(one.order_id)[0].order.amount
    filled = sum((entry.amount for entry in desk.ledger.fills_of(entry_id)), Decimal(0))
    return sum(amounts.values(), Decimal(0)), filled

"""Reconcile: what became of every intent, order and fill, and whether venue and ledger agree.  It never sends.

In: the broker's listings, the ledger's open intents and orders.  Out: booked fills, closed intents, symbols in doubt, strangers, balance
differences.  Never: submit, amend, cancel.

An intent has never arrived only when its deadline, the allowed clock skew and the listing lag have passed in market time and it is
neither among the open nor, looked at after them, among the closed orders.  Until then its symbol is not traded.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.clock import iso, parse_utc
from kracken_tasks.domain.market import Balance, split_symbol
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import CashMovement, Fill, Purpose, Side, VenueOrder
from kracken_tasks.errors import RetryLater, StateUnknown
from kracken_tasks.execution.booking import Booked, Owners, book
from kracken_tasks.execution.closes import closes_never_listed, stops_of_untold_entries
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.strangers import adopt_strangers, report_strangers
from kracken_tasks.ledger import (
    AlertDraft,
    AlertKind,
    AlertLevel,
    BalanceLine,
    FillEntry,
    IntentEntry,
    IntentResult,
    Source,
)

__all__ = [
    "LOOKED_UP_TO",
    "Reconciled",
    "Resolution",
    "check_balances",
    "doubt_ends",
    "follow_up",
    "looked_up_to",
    "mark_of_last_tick",
    "reconcile",
    "waits_to_sell",
]

# The word under which a tick's detail says from when later looks need to list executions.
LOOKED_UP_TO = "looked_up_to"

# Fills that the ledger lacks make it differ from the venue; one that is listed later than this is looked for by a person.
_DIFFERING_LOOKS_BACK = timedelta(days=1)
_WHOLE_HISTORY = timedelta(days=3650)
_CANCELS_TAKE_SECONDS = (1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Resolution:
    """How an intent that was open at the start of the look ended."""

    client_order_id: str
    symbol: str
    result: IntentResult
    order_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One look at the venue.  ``open_orders`` are ours alone; ``unknown`` maps a symbol to why it is not traded now."""

    now: datetime
    resolved: tuple[Resolution, ...]
    unknown: Mapping[str, str]
    fills: tuple[FillEntry, ...]
    open_orders: tuple[VenueOrder, ...]
    foreign_orders: tuple[VenueOrder, ...]
    foreign_fills: tuple[Fill, ...]

    def stops(self, symbol: str) -> tuple[VenueOrder, ...]:
        """Our resting sales in ``symbol`` that wait for a trigger, the largest first.

        A purchase that waits for one (an adopted buy stop) is no stop: it protects nothing, it opens or enlarges.
        """
        found = (order for order in self.open_orders if order.symbol == symbol and waits_to_sell(order))
        return tuple(sorted(found, key=lambda order: (-order.remaining, order.opened_at, order.order_id)))


def waits_to_sell(order: VenueOrder) -> bool:
    """Whether an order rests to sell at a trigger: a stop, or a target that rests alone."""
    return order.side is Side.SELL and order.trigger_price is not None


def reconcile(desk: Desk) -> Reconciled:
    """Look at the venue once and write down everything that is new.

    Raises: RetryLater if a listing cannot be read; nothing was written then.
    """
    with desk.ledger.acting(Source.RECONCILE, desk.tick_id):
        return _reconcile(desk)


def _reconcile(desk: Desk) -> Reconciled:
    now = desk.broker.now()
    since = _since(desk, now)
    known = _booked_since(desk, since)
    pending = desk.ledger.open_intents()
    open_orders = desk.broker.open_orders()  # the first look; what leaves this list later is in the next one
    seen = {order.order_id: order for order in open_orders}
    desk.keep_lease()
    _look_among_closed(desk, pending, seen)
    desk.keep_lease()
    fills = desk.broker.fills(since, known)
    desk.keep_lease()
    owners = Owners(desk, seen.values())
    details, missing = _missing_details(desk, owners, seen, [fill for fill in fills if fill.trade_id not in known])
    seen |= details
    relevant = [order for order in seen.values() if order.status.resting or _concerns_us(desk, owners, order, fills)]
    desk.keep_lease()
    booked = book(desk, owners, relevant, fills, now)
    closes = closes_never_listed(desk, booked, seen, now)
    seen |= closes
    if closes:
        booked = _with_more(booked, book(desk, owners, closes.values(), fills, now), closes.values())
    adopted = adopt_strangers(desk, booked.foreign_orders, now)
    if adopted:
        booked = _with_more(booked, book(desk, owners, adopted, fills, now), adopted)
    if booked.late:
        booked = _with_late_fills(desk, owners, booked, seen, now)
    resolved, unknown = _settle(desk, pending, booked, now)
    unknown |= {order.symbol: f"order {order.order_id} was accepted and is in no listing" for order in missing}
    unknown |= {seen[order_id].symbol: reason for order_id, reason in booked.late.items()}
    # An order that cannot be, and rests: nobody can tell what it will do, so its symbol is left alone until it is gone.
    unknown |= {seen[i].symbol: reason for i, reason in booked.illegal.items() if seen[i].status.resting}
    stops = [order for order in seen.values() if order.status.resting and waits_to_sell(order)]
    untold = stops_of_untold_entries(desk, owners, stops, seen, now)
    for stop, reason in untold:
        unknown.setdefault(stop.symbol, f"{reason} filled and not listed yet: its stop rests")
    report_strangers(desk, booked.foreign_orders, now)
    desk.unknown = dict(unknown)
    owing = [*missing, *(seen[order_id] for order_id in booked.late), *(stop for stop, _ in untold)]
    desk.owed = _owed(desk, owing, now)
    # An order asked for by id may rest although the listing lags behind: leaving it out would place its stop twice.
    ours_open = tuple(
        order for order in seen.values() if order.status.resting and owners.of(order.order_id) is not None
    )
    return Reconciled(now, resolved, unknown, booked.fills, ours_open, booked.foreign_orders, booked.foreign_fills)


def follow_up(desk: Desk, order_ids: Iterable[str], *, ended: bool = False) -> tuple[FillEntry, ...]:
    """Look at orders just canceled or amended, so that what they filled until then is booked before the next step.

    ``ended``: the next step needs their coins.  A venue may take a cancel and carry it out later (Kraken: ``pending``), and until then the
    order trades on: it is looked at again, a few seconds long.
    Raises: RetryLater if they cannot be read; the next reconcile finds them.  StateUnknown for one that was to end and rests on.
    """
    wanted = tuple(order_ids)
    if not wanted:
        return ()
    fills, resting = _looked_at(desk, wanted)
    for seconds in _CANCELS_TAKE_SECONDS if ended else ():
        if not resting:
            break
        desk.wait(seconds)
        more, resting = _looked_at(desk, wanted)
        fills += more
    if ended and resting:
        told = f"{desk.broker.exchange} has taken the cancel of {', '.join(resting)} and lists it as resting"
        raise StateUnknown(told, orders=resting)
    return fills


def _looked_at(desk: Desk, wanted: Sequence[str]) -> tuple[tuple[FillEntry, ...], list[str]]:
    """What a look at these orders has booked, and which of them rest."""
    now = desk.broker.now()
    orders, fills = desk.broker.orders_with_fills(wanted, _booked_since(desk, _since(desk, now)))
    missing = [order_id for order_id in wanted if order_id not in orders]
    if missing:
        raise RetryLater(f"{desk.broker.exchange} does not tell of {', '.join(missing)}", orders=missing)
    booked = book(desk, Owners(desk), orders.values(), fills, now)
    for order_id, reason in booked.late.items():
        desk.unknown[orders[order_id].symbol] = reason
    desk.owed |= _owed(desk, [orders[order_id] for order_id in booked.late], now)
    return booked.fills, [order_id for order_id, order in orders.items() if order.status.resting]


def doubt_ends(desk: Desk, symbols: Container[str], now: datetime) -> datetime | None:
    """When time alone will have ended what is in doubt about these symbols; None if nothing is, or only the venue can end it.

    Time: market time.  Intents without a final outcome end with their deadline, the clock skew and the listing lag; a stop that came with
    an entry is listed within the lag after its fill; fills that the venue owes are asked for again after as long.
    """
    ends = [
        desk.in_doubt_until(intent.request.deadline, intent.ts)
        for intent in desk.ledger.open_intents()
        if intent.symbol in symbols
    ]
    lag = desk.config.listing_lag
    ends += [
        entry.ts + lag
        for entry in desk.ledger.fills(now - lag)
        if entry.symbol in symbols and entry.purpose is Purpose.ENTRY
    ]
    ends += [now + lag for symbol in desk.owed if symbol in symbols]
    return max((moment for moment in ends if moment >= now), default=None)


def check_balances(desk: Desk, now: datetime) -> tuple[Mapping[str, Balance], tuple[BalanceLine, ...]]:
    """Compare the venue's balances with the fold, writing the statement down; () means they agree.

    A difference is first looked for among deposits and withdrawals not booked yet.  In the assets of a symbol whose fills the venue owes
    us nothing can be compared: they are judged as soon as the fills are booked.
    """
    venue = desk.broker.balances()
    tolerance = desk.config.balance_tolerance
    if desk.ledger.check_balances(venue, tolerance=tolerance):
        _book_movements(desk, venue, now)
    desk.ledger.record_balances(venue, ts=now, tolerance=tolerance)
    waiting = {asset for symbol in desk.owed for asset in split_symbol(symbol)}
    lines = tuple(line for line in desk.ledger.check_balances(venue, tolerance=tolerance) if line.asset not in waiting)
    for line in lines:
        facts = {"venue": plain(line.venue), "ledger": plain(line.ledger), "difference": plain(line.difference)}
        agreed = desk.ledger.agreed_until(line.asset, tolerance.get(line.asset, Decimal(0)))
        # Told once for as long as it lasts; the same difference after a time of agreement is news.
        key = f"balance:{line.asset}:{facts['difference']}:{iso(agreed) if agreed else 'always'}"
        draft = AlertDraft(AlertKind.BALANCE_DIFFERENCE, key, {"asset": line.asset} | facts, AlertLevel.CRITICAL)
        desk.ledger.add_alert(draft, ts=now)
    return venue, lines


def _book_movements(desk: Desk, venue: Mapping[str, Balance], now: datetime) -> None:
    """Book deposits, withdrawals and the like; a new book starts with what the account holds beyond them as its opening."""
    last = desk.ledger.last_cash_ts()
    if last is not None:
        desk.ledger.book_cash(desk.broker.cash_movements(last - desk.config.fill_overlap, desk.keep_lease))
        return
    # Years of an account's lines take minutes: a run that lost its lease over them would leave them to the next, which would, too.
    movements = desk.broker.cash_movements(now - _WHOLE_HISTORY, desk.keep_lease)
    with desk.ledger.transaction():
        desk.ledger.book_cash(movements)
        if desk.ledger.last_fill_ts() is None:
            rest = desk.ledger.check_balances(venue)
            desk.ledger.book_cash(
                CashMovement(
                    f"opening:{line.asset}", "opening", "opening", line.asset, line.difference, Decimal(0), now
                )
                for line in rest
            )


def _since(desk: Desk, now: datetime) -> datetime:
    """From when executions are listed, less the overlap: the last one booked, or where the newest tick says that looks may begin.

    The latter bounds the look in an account in which others trade, too.  A new book starts with its first intent.
    """
    last, agreed = desk.ledger.last_fill_ts(), mark_of_last_tick(desk)
    if last is None and agreed is None:
        intents = desk.ledger.intents()
        last = intents[0].ts if intents else now
    return min(max(moment for moment in (last, agreed) if moment is not None), now) - desk.config.fill_overlap


def looked_up_to(before: datetime | None, now: datetime, *, agrees: bool) -> datetime:
    """From when the looks after this tick need to list executions: from now, or while venue and ledger differ for a day longer.

    ``before``: what the tick before this one said (``mark_of_last_tick``).
    """
    return now if agrees else max(before or now - _DIFFERING_LOOKS_BACK, now - _DIFFERING_LOOKS_BACK)


def mark_of_last_tick(desk: Desk) -> datetime | None:
    """From when the newest finished tick said that looks may begin; None if it did not say, or was killed before it could."""
    equity = desk.ledger.last_equity()
    tick = None if equity is None else desk.ledger.tick(equity.tick_id)
    told = "" if tick is None else tick.detail.get(LOOKED_UP_TO, "")
    return parse_utc(told) if told else None


def _booked_since(desk: Desk, since: datetime) -> frozenset[str]:
    """Trade ids that need not be asked about again."""
    return frozenset(entry.trade_id for entry in desk.ledger.fills(since))


def _owed(desk: Desk, orders: Iterable[VenueOrder], now: datetime) -> frozenset[str]:
    """Symbols of orders whose fills are owed, for as long as that is the venue's ordinary lateness; later it is a difference."""
    patience = desk.config.fill_overlap
    return frozenset(order.symbol for order in orders if now - (order.closed_at or order.opened_at) <= patience)


def _look_among_closed(desk: Desk, pending: Iterable[IntentEntry], seen: dict[str, VenueOrder]) -> None:
    """The second look, only for intents the first one did not find."""
    found = {order.client_order_id for order in seen.values()}
    missing = [intent for intent in pending if intent.client_order_id not in found]
    if not missing:
        return
    wanted = {intent.client_order_id for intent in missing}
    start = min(intent.ts for intent in missing) - desk.config.clock_skew - desk.config.fill_overlap
    for order in desk.broker.closed_orders(start):
        if order.client_order_id in wanted:
            seen[order.order_id] = order


def _missing_details(
    desk: Desk, owners: Owners, seen: Mapping[str, VenueOrder], news: Iterable[Fill]
) -> tuple[dict[str, VenueOrder], list[VenueOrder]]:
    """Orders the ledger believes open but the listing no longer shows, and orders that only a new fill speaks of.

    Second: those of the former that the venue does not tell of at all, as the ledger last saw them.
    """
    gone = {order_id: order for order_id, order in desk.ledger.open_orders().items() if order_id not in seen}
    strangers = {fill.order_id for fill in news if owners.order(fill.order_id) is None}
    wanted = sorted(gone.keys() | strangers)
    if not wanted:
        return {}, []
    found = desk.broker.orders(wanted)
    owners.add(found.values())
    parents = {order.parent_id for order in found.values() if order.parent_id and owners.order(order.parent_id) is None}
    if parents:
        owners.add(desk.broker.orders(sorted(parents)).values())
    return found, [order for order_id, order in gone.items() if order_id not in found]


def _concerns_us(desk: Desk, owners: Owners, order: VenueOrder, fills: Iterable[Fill]) -> bool:
    return owners.of(order.order_id) is not None or any(fill.order_id == order.order_id for fill in fills)


def _with_more(booked: Booked, theirs: Booked, orders: Iterable[VenueOrder]) -> Booked:
    """One look with what some of its orders, looked at after the others, have booked."""
    ids = {order.order_id for order in orders}
    return Booked(
        fills=booked.fills + theirs.fills,
        accepted=booked.accepted,
        late={**booked.late, **theirs.late},
        foreign_orders=tuple(order for order in booked.foreign_orders if order.order_id not in ids),
        foreign_fills=tuple(fill for fill in booked.foreign_fills if fill.order_id not in ids),
        illegal={**booked.illegal, **theirs.illegal},
    )


def _with_late_fills(
    desk: Desk, owners: Owners, booked: Booked, seen: Mapping[str, VenueOrder], now: datetime
) -> Booked:
    """Ask for the missing fills by order: that listing is often ahead of the one by time."""
    _, fills = desk.broker.orders_with_fills(sorted(booked.late), {entry.trade_id for entry in booked.fills})
    again = book(desk, owners, [seen[order_id] for order_id in booked.late], fills, now)
    return Booked(
        fills=booked.fills + again.fills,
        accepted=booked.accepted,
        late=again.late,
        foreign_orders=booked.foreign_orders,
        foreign_fills=booked.foreign_fills,
        illegal={**booked.illegal, **again.illegal},
    )


def _settle(
    desk: Desk, pending: Iterable[IntentEntry], booked: Booked, now: datetime
) -> tuple[tuple[Resolution, ...], dict[str, str]]:
    accepted = {intent.client_order_id for intent in booked.accepted}
    resolved: list[Resolution] = []
    unknown: dict[str, str] = {}
    for intent in pending:
        if intent.client_order_id in accepted:
            outcome = desk.ledger.outcome(intent.client_order_id)
            order_id = outcome.order_id if outcome is not None else None
            detail = f"{intent.purpose} found on the venue as {order_id}, nothing sent again"
            resolved.append(_resolution(desk, intent, IntentResult.ACCEPTED, order_id, detail, now))
            continue
        until = desk.in_doubt_until(intent.request.deadline, intent.ts)
        if now <= until:
            unknown[intent.symbol] = f"{intent.purpose} {intent.client_order_id[:8]} in doubt until {iso(until)}"
            continue
        detail = "neither among open nor closed orders after its deadline and the listing lag"
        desk.ledger.record_outcome(intent.client_order_id, IntentResult.NEVER_ARRIVED, ts=now, reason=detail)
        resolved.append(_resolution(desk, intent, IntentResult.NEVER_ARRIVED, None, detail, now))
    return tuple(resolved), unknown


def _resolution(
    desk: Desk, intent: IntentEntry, result: IntentResult, order_id: str | None, detail: str, now: datetime
) -> Resolution:
    payload = {"symbol": intent.symbol, "client_order_id": intent.client_order_id, "detail": detail}
    draft = AlertDraft(AlertKind.RECOVERED, f"recovered:{intent.client_order_id}", payload, AlertLevel.WARNING)
    desk.ledger.add_alert(draft, ts=now)
    return Resolution(intent.client_order_id, intent.symbol, result, order_id, detail)

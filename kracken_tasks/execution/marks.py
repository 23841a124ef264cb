"""Marks: what the account is worth now, what it may lose, and what it may therefore do.

In: the ledger's balances, quotes, stated rates, limits.  Out: an equity mark and the trading state, both written to the ledger.
Never: a state kept anywhere else; a deposit that looks like a profit.

Equity is a measurement for decisions (float, per unit as a fund's is); what the account holds stays exact in the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import as_decimal
from kracken_tasks.domain.trading import TradingState
from kracken_tasks.execution.costs import CostModel
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.trip_results import judged_net
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, EquityEntry, Ledger, Source, StateEntry
from kracken_tasks.risk.equity import UnitMark, day_of, mark_equity
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.state import AccountFacts, AccountState, Cause, losing_streak, next_state, released

__all__ = [
    "Valuation",
    "account_state",
    "detail_of",
    "last_mark",
    "mark",
    "move_state",
    "moved_since_mark",
    "pairs_of_held",
    "profits_since_release",
    "release",
    "state_text",
    "value_of",
    "write_state",
]

# Money that comes from outside or leaves: neither profit nor loss.  The venue's word may carry a subtype after a slash.
FLOWS = frozenset({"deposit", "withdrawal", "transfer", "opening"})
# Coins that change their pocket: in the pocket they went to they have no price, and the mark would show a loss.
_INNER_MOVES = frozenset({"earn/allocation", "earn/autoallocation", "earn/deallocation", "earn/migration"})
_RELEASED = "released by"
_DETAIL_DAY, _DETAIL_OPEN = "day", "day_open"
_TWO_DAYS = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Valuation:
    """Equity in ``currency``: ``cash`` the part that is money, ``unpriced`` assets without a rate or quote (they count as nothing)."""

    equity: float
    cash: float
    currency: str
    unpriced: tuple[str, ...] = ()


def value_of(
    amounts: Mapping[str, Decimal], quotes: Mapping[str, Quote], currency: str, rates: Mapping[str, Decimal]
) -> Valuation:
    """Value balances at the bid.  ``rates``: stated worth of other money (EUR, stable coins) in ``currency``; its own is 1."""
    money = {asset: float(rate) for asset, rate in rates.items()} | {currency: 1.0}
    equity = cash = 0.0
    unpriced: list[str] = []
    for asset, amount in sorted(amounts.items()):
        if not amount:
            continue
        if asset in money:
            cash += float(amount) * money[asset]
            continue
        price = _price(asset, quotes, money)
        if price is None:
            unpriced.append(asset)
        else:
            equity += float(amount) * price
    return Valuation(equity + cash, cash, currency, tuple(unpriced))


def _price(asset: str, quotes: Mapping[str, Quote], money: Mapping[str, float]) -> float | None:
    for name, rate in money.items():
        quote = quotes.get(f"{asset}/{name}")
        if quote is not None:
            return quote.bid * rate
    return None


def pairs_of_held(
    amounts: Mapping[str, Decimal], listed: Collection[str], currency: str, rates: Mapping[str, Decimal]
) -> tuple[str, ...]:
    """The pairs that held coins are valued by, whether or not anybody trades them; a coin without a listed pair has none.

    Own currency first, then other money in its order.
    """
    money = (currency, *rates)
    found = []
    for asset in sorted(asset for asset, amount in amounts.items() if amount and asset not in money):
        pair = next((f"{asset}/{name}" for name in money if f"{asset}/{name}" in listed), None)
        if pair is not None:
            found.append(pair)
    return tuple(found)


def mark(
    desk: Desk,
    quotes: Mapping[str, Quote],
    limits: RiskLimits,
    *,
    now: datetime,
    currency: str,
    rates: Mapping[str, Decimal],
    write: bool = True,
) -> tuple[UnitMark, Valuation]:
    """Mark the account to market; ``write`` puts it into the ledger."""
    ledger = desk.ledger
    valuation = value_of(ledger.cash(), quotes, currency, rates)
    last = ledger.last_equity()
    flow = value_of(moved_since_mark(ledger), quotes, currency, rates).equity
    if last is not None:
        now = max(now, last.ts)  # clocks of two processes may differ by a second; a mark never goes back
    previous = _previous(ledger, last, limits)
    fresh = mark_equity(previous, equity=valuation.equity, net_flow=flow, now=now, zone=limits.zone)
    if write:
        ledger.mark_equity(_entry(fresh, valuation, desk.tick_id))
    return fresh, valuation


def moved_since_mark(ledger: Ledger) -> dict[str, Decimal]:
    """Money that came or went by asset, booked after the newest mark: order of booking counts, not the venue's time.

    Empty in a ledger without marks.  A coin that left whole is among them: without its price now it would look like a loss.
    """
    last = ledger.last_equity()
    moved: dict[str, Decimal] = defaultdict(Decimal)
    if last is None:
        return moved
    for line in ledger.cash_entries(last.ts - _TWO_DAYS):
        if line.seq > last.seq and _is_flow(line.kind):
            moved[line.asset] += line.amount - line.fee
    return moved


def _is_flow(kind: str) -> bool:
    return kind.partition("/")[0] in FLOWS or kind in _INNER_MOVES


def last_mark(ledger: Ledger, limits: RiskLimits) -> UnitMark | None:
    """The newest mark as the next one will be measured against it; None in a ledger without marks."""
    return _previous(ledger, ledger.last_equity(), limits)


def _previous(ledger: Ledger, last: EquityEntry | None, limits: RiskLimits) -> UnitMark | None:
    if last is None:
        return None
    day, day_open = _day_open(ledger, last, limits)
    units = UnitMark(
        last.ts, float(last.equity), float(last.units), float(last.unit_value), float(last.peak), day, day_open
    )
    # Whatever the state has become since: limits are measured from a release on.
    since_release = any(entry.seq > last.seq and _is_release(entry) for entry in ledger.states(last.ts - _TWO_DAYS))
    return units.released() if since_release else units


def _day_open(ledger: Ledger, last: EquityEntry, limits: RiskLimits) -> tuple[date, float]:
    """The trading day of the last mark and what a unit was worth when it began; a tick that was killed has not said so."""
    day = day_of(last.ts, limits.zone)
    tick = ledger.tick(last.tick_id) if last.tick_id else None
    if tick is not None and tick.detail.get(_DETAIL_DAY) == day.isoformat():
        return day, float(tick.detail[_DETAIL_OPEN])
    marks = ledger.equity(last.ts - _TWO_DAYS)
    before = [entry for entry in marks if day_of(entry.ts, limits.zone) < day]
    first = before[-1] if before else marks[0]
    return day, float(first.unit_value)


def detail_of(fresh: UnitMark) -> dict[str, str]:
    """What the tick's entry keeps for the next mark."""
    return {_DETAIL_DAY: fresh.day.isoformat(), _DETAIL_OPEN: repr(fresh.day_open)}


def _entry(fresh: UnitMark, valuation: Valuation, tick_id: str) -> EquityEntry:
    return EquityEntry(
        ts=fresh.ts,
        equity=_stated(fresh.equity, 8),
        cash=_stated(valuation.cash, 8),
        units=_stated(fresh.units, 12),
        unit_value=_stated(fresh.unit_price, 12),
        peak=_stated(fresh.peak, 12),
        drawdown=_stated(fresh.drawdown, 12),
        currency=valuation.currency,
        tick_id=tick_id,
    )


def _stated(value: float, places: int) -> Decimal:
    """A measurement written down; no amount of money is ever made this way."""
    return as_decimal(f"{value:.{places}f}")


def move_state(desk: Desk, fresh: UnitMark, limits: RiskLimits, *, mismatch: str, now: datetime) -> AccountState:
    """Judge the account by its facts and write the state down if it changed, with an alert."""
    facts = AccountFacts(
        day=fresh.day,
        drawdown=fresh.drawdown,
        daily_loss=fresh.daily_loss,
        losing_streak=losing_streak(profits_since_release(desk.ledger, desk.broker.instruments(), desk.config.costs)),
        mismatch=mismatch,
    )
    with desk.ledger.transaction():  # a person's halt between reading and writing would be written over
        entry = desk.ledger.state()
        current = account_state(entry)
        following = next_state(current, facts, limits)
        if following != current:
            write_state(desk.ledger, entry, following, now)
    return following


def release(ledger: Ledger, by: str, *, now: datetime) -> AccountState:
    """Let a named person end a halt or a stop: drawdown, day and streak are measured from here on."""
    with ledger.acting(Source.PERSON, by), ledger.transaction():
        entry = ledger.state()
        following = released(account_state(entry), by)
        write_state(ledger, entry, following, now)
    return following


def write_state(ledger: Ledger, before: StateEntry, following: AccountState, now: datetime) -> None:
    """Write a state down with its alert, both or neither; one that holds already is not written again."""
    with ledger.transaction():
        written = ledger.set_state(following.state, state_text(following), ts=now)
        if not written.new:
            return
        level = AlertLevel.INFO if following.state is TradingState.NORMAL else AlertLevel.CRITICAL
        payload = {"state": following.state.value, "previous": before.state.value, "reason": following.reason}
        draft = AlertDraft(AlertKind.STATE_CHANGED, f"state:{written.entry.seq}", payload, level)
        ledger.add_alert(draft, ts=now)


def profits_since_release(ledger: Ledger, listed: Mapping[str, Instrument], costs: CostModel) -> list[float]:
    """What the trips closed since the last release brought, in quote and in the order they closed; fees as ``judged_net`` has them."""
    since = max((entry.ts for entry in ledger.states() if _is_release(entry)), default=None)
    return [judged_net(trip, listed, costs) for trip in ledger.round_trips() if since is None or trip.closed_at > since]


def _is_release(entry: StateEntry) -> bool:
    # By its beginning and its state: the reason of somebody's halt may speak of a release too.
    return entry.state is TradingState.NORMAL and account_state(entry).reason.startswith(_RELEASED)


def state_text(state: AccountState) -> str:
    """A state's cause, day and reason as one text for the ledger: ``daily_loss@2024-03-01: day -5.10 % ...``."""
    day = f"@{state.day.isoformat()}" if state.day is not None else ""
    return f"{state.cause.value}{day}: {state.reason}"


def account_state(entry: StateEntry) -> AccountState:
    """Read ``state_text`` back; a text of another form was written by a person and counts as the operator's."""
    head, colon, reason = entry.reason.partition(": ")
    name, _, day = head.partition("@")
    if colon and name in {cause.value for cause in Cause}:
        return AccountState(entry.state, Cause(name), reason, date.fromisoformat(day) if day else None)
    if entry.state is TradingState.NORMAL:
        return AccountState(reason=entry.reason)
    return AccountState(entry.state, Cause.OPERATOR, entry.reason)

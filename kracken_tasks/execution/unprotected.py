"""Unprotected seconds: for how long a position was larger than the stops that rested for it, by the venue's own times.

In: the ledger's fills and orders.  Out: ``Exposure``.  Never: venue calls, the clock.

The stop that an entry carries exists from the moment of the fill: such a position is bare for no second.  While a sale of the position is
under way its stop is gone on purpose; that time is told apart, as exiting.  Changes of a stop's size count from when they were seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.trading import Purpose, Side
from kracken_tasks.ledger import FillEntry, Ledger
from kracken_tasks.ledger.cash import CORRECTION

__all__ = ["Exposure", "exposure_of"]

_NONE = Decimal(0)
_LINE_BEFORE_ITS_FILL = timedelta(seconds=2)  # venues tell a line's time in whole seconds
_SALES = (Purpose.EXIT, Purpose.TAKE_PROFIT, Purpose.FLATTEN)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long one position stood without a stop of its whole size, in seconds of market time up to ``until``."""

    position_id: str
    until: datetime
    unprotected: float
    exiting: float


@dataclass(frozen=True, slots=True)
class _Change:
    ts: datetime
    held: Decimal = _NONE
    covered: Decimal = _NONE
    sales: int = 0


def exposure_of(ledger: Ledger, position_id: str, until: datetime, *, least: Decimal = _NONE) -> Exposure:
    """Measure one position from its first fill to its end or ``until``.

    ``least``: what is smaller than this (base) cannot be protected on the venue and does not count as bare.
    """
    fills = [fill for fill in ledger.fills(_opened_at(ledger, position_id)) if fill.position_id == position_id]
    if not fills:
        return Exposure(position_id, until, 0.0, 0.0)
    symbol, opened = fills[0].symbol, fills[0].ts
    end = fills[-1].ts if fills[-1].closes else until
    changes = [_Change(fill.ts, held=_signed(fill, symbol)) for fill in fills]
    changes += _corrections(ledger, fills)
    changes += _stops(ledger, symbol, opened, end)
    changes += _sales(ledger, position_id, symbol, opened, end)
    moments = sorted({change.ts for change in changes} | {end})
    held, covered, selling = _NONE, _NONE, 0
    unprotected = exiting = 0.0
    for place, moment in enumerate(moments[:-1]):
        now = [change for change in changes if change.ts == moment]
        held += sum((change.held for change in now), _NONE)
        covered += sum((change.covered for change in now), _NONE)
        selling += sum(change.sales for change in now)
        if held - covered > least and moments[place + 1] <= end:
            seconds = (moments[place + 1] - moment).total_seconds()
            if selling > 0:
                exiting += seconds
            else:
                unprotected += seconds
    return Exposure(position_id, end, unprotected, exiting)


def _opened_at(ledger: Ledger, position_id: str) -> datetime | None:
    """When the position began, so that a long history need not be read; None if nobody knows it."""
    known = {position.position_id: position.opened_at for position in ledger.positions().values()}
    known |= {trip.position_id: trip.opened_at for trip in ledger.round_trips()}
    return known.get(position_id)


def _signed(fill: FillEntry, symbol: str) -> Decimal:
    base = symbol.partition("/")[0]
    fee = fill.fee if fill.fee_currency == base else _NONE
    return fill.amount - fee if fill.side is Side.BUY else -fill.amount - fee


def _corrections(ledger: Ledger, fills: Sequence[FillEntry]) -> Iterable[_Change]:
    """Coins that a fill moved otherwise than was booked: they were short from its own moment on."""
    at, base = {fill.trade_id: fill.ts for fill in fills}, fills[0].symbol.partition("/")[0]
    for line in ledger.cash_entries(fills[0].ts - _LINE_BEFORE_ITS_FILL):
        if line.asset == base and line.reference_id in at and line.kind.partition("/")[0] == CORRECTION:
            yield _Change(at[line.reference_id], held=line.amount - line.fee)


def _stops(ledger: Ledger, symbol: str, opened: datetime, end: datetime) -> Iterable[_Change]:
    """What every stop of the symbol adds when it is placed, takes when it fills or shrinks, and takes when it ends."""
    for order in ledger.orders().values():
        if (
            order.symbol != symbol
            or order.side is not Side.SELL
            or order.trigger_price is None
            or order.opened_at > end
        ):
            continue
        if order.closed_at is not None and order.closed_at < opened:
            continue
        history = ledger.order_history(order.order_id)
        size = history[0].order.amount
        yield _Change(max(order.opened_at, opened), covered=size)
        for entry in history[1:]:
            if entry.order.amount != size:
                yield _Change(entry.ts, covered=entry.order.amount - size)
                size = entry.order.amount
        filled = _NONE
        for fill in ledger.fills_of(order.order_id):
            yield _Change(fill.ts, covered=-fill.amount)
            filled += fill.amount
        if not order.status.resting and size > filled:
            yield _Change(order.closed_at or history[-1].ts, covered=filled - size)


def _sales(ledger: Ledger, position_id: str, symbol: str, opened: datetime, end: datetime) -> Iterable[_Change]:
    """When a sale of the position was under way: from its intent to the end of its order, or of the doubt about it."""
    for intent in ledger.intents(opened, None):
        if intent.symbol != symbol or intent.purpose not in _SALES or intent.position_id != position_id:
            continue
        outcome = ledger.outcome(intent.client_order_id)
        order = None if outcome is None or outcome.order_id is None else ledger.order(outcome.order_id)
        ended = order.closed_at if order is not None else None if outcome is None else outcome.ts
        yield _Change(intent.ts, sales=1)
        yield _Change(max(intent.ts, ended or end), sales=-1)

"""The venue's statement held against the book: every difference with what explains it.

In: the fold, booked fills and cash lines, the venue's balances, ledger lines and executions.  Out: ``Checked`` per asset, whose parts and
rest sum to its difference exactly, and corrections that could be booked.  Never: a write, a tolerance, a figure that makes it fit.

The venue speaks twice: by balance, and by the lines of its own ledger.  A line that is not booked explains as much of an asset's
difference as it moved; what no line explains is ``rest``.  A correction is offered only where both statements tell the same: a fill whose
lines show other digits than were booked, or a fee taken in another coin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum

from kracken_tasks.domain.market import Balance, split_symbol
from kracken_tasks.domain.money import MONEY, plain
from kracken_tasks.domain.trading import CashMovement, Fill, Side
from kracken_tasks.ledger.cash import CORRECTION, TRADE_LINE
from kracken_tasks.ledger.entries import CashEntry, FillEntry

__all__ = ["CORRECTION", "Booked", "Cause", "Checked", "Part", "Statement", "compare", "corrections"]

_ZERO = Decimal(0)
# An order's history prints five decimals of cost and of fee, the venue's ledger more: half a unit each way, twice.
_LAST_DIGITS = Decimal("0.00002")
_EARN_MOVES = frozenset({"allocation", "autoallocation", "deallocation", "migration"})
_REWARDS = frozenset({"staking", "dividend", "reward"})
_OUR_OWN = frozenset({CORRECTION, "opening"})


class Cause(StrEnum):
    """Why venue and book differ in an asset."""

    UNBOOKED_FILL = "unbooked_fill"  # an execution the book does not hold: owed by a look, or placed by somebody else
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    REWARD = "reward"
    EARN_MOVE = "earn_move"  # the coin changed its pocket (BTC to BTC.F)
    MOVEMENT = "movement"  # any other line of the venue's ledger
    FEE_ELSEWHERE = "fee_in_another_coin"
    ROUNDING = "rounding"  # the last digits of cost or fee
    OTHERWISE = "booked_otherwise"  # a fill whose lines show another amount than was booked
    NOT_AT_VENUE = "not_at_venue"  # booked, and in none of the venue's listings
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """``amount`` of the asset that the venue has more than the book, because of ``reference`` (a trade's or a line's id)."""

    cause: Cause
    asset: str
    amount: Decimal
    reference: str
    ts: datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """One asset: difference = venue - ledger = sum of parts + rest."""

    asset: str
    venue: Decimal
    ledger: Decimal
    parts: tuple[Part, ...]

    @property
    def difference(self) -> Decimal:
        with localcontext(MONEY):
            return self.venue - self.ledger

    @property
    def rest(self) -> Decimal:
        """What nothing explains; zero where both of the venue's statements tell the same."""
        with localcontext(MONEY):
            return self.difference - sum((part.amount for part in self.parts), _ZERO)

    @property
    def agrees(self) -> bool:
        return not self.difference and not self.parts

    @property
    def told(self) -> str:
        """The difference in words, with its causes."""
        causes: dict[Cause, Decimal] = defaultdict(Decimal)
        for part in self.parts:
            causes[part.cause] += part.amount
        if self.rest:
            causes[Cause.UNKNOWN] += self.rest
        words = ", ".join(f"{cause.value} {plain(amount)}" for cause, amount in causes.items())
        return f"{plain(self.difference)} {self.asset}" + (f": {words}" if words else "")


@dataclass(frozen=True, slots=True)
class Booked:
    """The book: the fold, and the entries since the statement begins."""

    amounts: Mapping[str, Decimal]
    fills: tuple[FillEntry, ...]
    cash: tuple[CashEntry, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What the venue says.  ``lines`` its ledger since ``since``, those of trades among them where it tells them (``with_trades``);
    ``fills`` its executions.  What is booked after ``settled`` need not be listed yet."""

    balances: Mapping[str, Balance]
    lines: tuple[CashMovement, ...]
    fills: tuple[Fill, ...]
    since: datetime
    settled: datetime
    with_trades: bool


def compare(book: Booked, venue: Statement) -> tuple[Checked, ...]:
    """Every asset that either of them knows or has moved, by name."""
    with localcontext(MONEY):
        parts = [*_trades(book, venue), *_movements(book, venue)]
        by_asset: dict[str, list[Part]] = defaultdict(list)
        for part in parts:
            by_asset[part.asset].append(part)
        held = {asset: balance.total for asset, balance in venue.balances.items()}
        assets = sorted({asset for asset, amount in (*book.amounts.items(), *held.items()) if amount} | by_asset.keys())
        return tuple(
            Checked(asset, held.get(asset, _ZERO), book.amounts.get(asset, _ZERO), tuple(by_asset[asset]))
            for asset in assets
        )


def corrections(book: Booked, checked: Iterable[Checked]) -> tuple[CashMovement, ...]:
    """What could be booked so that fills stand as the venue's ledger shows them.

    Only in assets in which nothing is left unexplained, and for a fee in another coin only if that holds for both of them.
    """
    found = list(checked)
    clear = {item.asset for item in found if not item.rest}
    mended = [part for item in found for part in item.parts if part.cause in (Cause.ROUNDING, Cause.FEE_ELSEWHERE)]
    blocked = {part.reference for part in mended if part.asset not in clear}
    before = {entry.movement_id for entry in book.cash}
    return tuple(_correction(part, before) for part in mended if part.reference not in blocked)


def _correction(part: Part, before: set[str]) -> CashMovement:
    kind = "rounding" if part.cause is Cause.ROUNDING else "fee"
    number = 0
    while f"{CORRECTION}:{part.reference}:{part.asset}:{number}" in before:
        number += 1
    movement_id = f"{CORRECTION}:{part.reference}:{part.asset}:{number}"
    return CashMovement(movement_id, part.reference, f"{CORRECTION}/{kind}", part.asset, part.amount, _ZERO, part.ts)


# -- trades ----------------------------------------------------------------------------------------------------------------


def _trades(book: Booked, venue: Statement) -> Iterator[Part]:
    booked = {fill.trade_id: fill for fill in book.fills}
    if not venue.with_trades:
        for fill in venue.fills:
            if fill.trade_id not in booked and fill.ts >= venue.since:
                yield from _whole(Cause.UNBOOKED_FILL, _moved(fill), fill.trade_id, fill.ts)
        known = {fill.trade_id for fill in venue.fills}
    else:
        shown = _by_reference(venue.lines)
        for reference, lines in shown.items():
            moved = _sum((line.asset, line.amount - line.fee) for line in lines)
            ts = max(line.ts for line in lines)
            if reference in booked:
                yield from _otherwise(booked[reference], moved, lines, _corrected(book, reference), ts)
            else:
                yield from _whole(Cause.UNBOOKED_FILL, moved, reference, ts)
        known = set(shown)
    for fill_entry in book.fills:
        if fill_entry.trade_id not in known and venue.since <= fill_entry.ts < venue.settled:
            minus = {asset: -amount for asset, amount in _moved(fill_entry.fill).items()}
            yield from _whole(Cause.NOT_AT_VENUE, minus, fill_entry.trade_id, fill_entry.ts)


def _otherwise(
    fill: FillEntry, moved: Mapping[str, Decimal], lines: Iterable[CashMovement], corrected: Mapping[str, Decimal], ts: datetime
) -> Iterator[Part]:  # fmt: skip
    """How the venue's lines of a trade differ from the fill as it stands in the book, corrections included."""
    stands = _sum([*_moved(fill.fill).items(), *corrected.items()])
    differs = {
        asset: by
        for asset in moved.keys() | stands.keys()
        if (by := moved.get(asset, _ZERO) - stands.get(asset, _ZERO))
    }
    fee_assets = {line.asset for line in lines if line.fee}
    elsewhere = _fee_went_elsewhere(fill, differs, fee_assets)
    for asset, by in sorted(differs.items()):
        close = Cause.ROUNDING if abs(by) <= _LAST_DIGITS else Cause.OTHERWISE
        yield Part(Cause.FEE_ELSEWHERE if elsewhere else close, asset, by, fill.trade_id, ts)


def _fee_went_elsewhere(fill: FillEntry, differs: Mapping[str, Decimal], fee_assets: set[str]) -> bool:
    """The booked fee was not taken where it was booked, and another coin paid one instead."""
    back = differs.get(fill.fee_currency, _ZERO)
    paid = {asset: by for asset, by in differs.items() if asset != fill.fee_currency}
    return (
        bool(fill.fee)
        and bool(paid)
        and fill.fee_currency not in fee_assets
        and abs(back - fill.fee) <= _LAST_DIGITS
        and all(by < 0 and asset in fee_assets for asset, by in paid.items())
    )


def _moved(fill: Fill) -> dict[str, Decimal]:
    base, quote = split_symbol(fill.symbol)
    sign = 1 if fill.side is Side.BUY else -1
    return _sum([(base, sign * fill.amount), (quote, -sign * fill.cost), (fill.fee_currency, -fill.fee)])


def _corrected(book: Booked, reference: str) -> dict[str, Decimal]:
    ours = (line for line in book.cash if line.reference_id == reference and _type(line.kind) == CORRECTION)
    return _sum((line.asset, line.amount - line.fee) for line in ours)


def _by_reference(lines: Iterable[CashMovement]) -> dict[str, list[CashMovement]]:
    found: dict[str, list[CashMovement]] = defaultdict(list)
    for line in lines:
        if _type(line.kind) == TRADE_LINE:
            found[line.reference_id].append(line)
    return dict(found)


# -- everything else -------------------------------------------------------------------------------------------------------


def _movements(book: Booked, venue: Statement) -> Iterator[Part]:
    booked = {line.movement_id for line in book.cash}
    listed = {line.movement_id for line in venue.lines}
    for line in venue.lines:
        if _type(line.kind) != TRADE_LINE and line.movement_id not in booked:
            yield Part(_cause_of(line), line.asset, line.amount - line.fee, line.movement_id, line.ts)
    for entry in book.cash:
        ours = _type(entry.kind) in {TRADE_LINE, *_OUR_OWN}
        if not ours and entry.movement_id not in listed and venue.since <= entry.ts < venue.settled:
            yield Part(Cause.NOT_AT_VENUE, entry.asset, entry.fee - entry.amount, entry.movement_id, entry.ts)


def _cause_of(line: CashMovement) -> Cause:
    kind, _, subtype = line.kind.partition("/")
    if subtype in _EARN_MOVES or "staking" in subtype:
        return Cause.EARN_MOVE
    if kind in _REWARDS or subtype in _REWARDS:
        return Cause.REWARD
    return {"deposit": Cause.DEPOSIT, "withdrawal": Cause.WITHDRAWAL}.get(kind, Cause.MOVEMENT)


def _type(kind: str) -> str:
    return kind.partition("/")[0]


def _whole(cause: Cause, moved: Mapping[str, Decimal], reference: str, ts: datetime) -> Iterator[Part]:
    yield from (Part(cause, asset, amount, reference, ts) for asset, amount in sorted(moved.items()) if amount)


def _sum(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = defaultdict(Decimal)
    for asset, amount in amounts:
        total[asset] += amount
    return dict(total)

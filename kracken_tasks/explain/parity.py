"""Parity: what an order was worth against what its replay is worth under the bar model, and why they differ, to the cent.

In: an order as the replay wants it, the fills that came, a closing mark.  Out: ``Row`` whose columns sum to the difference exactly.
Never: a remainder outside a column, a float in money.

An order's worth at the day's close, in quote currency: what it moved, at the closing mark, less what it paid.  From the replay's worth
to the real one in steps, each with its column:

    signal      the replay decides otherwise, or wants another size
    missed fill what was asked for and did not fill
    timing      the market at the moment of sending, against the open that the bar model fills at
    fill price  the fills, against the market at the moment of sending: spread and slippage
    fee         the fee paid, against the rate the decision counted on at the model's price
    rounding    what the venue's own cost adds to amount x price, and what is left of the cents
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import StrEnum

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import Side
from kracken_tasks.ledger.entries import FillEntry

__all__ = ["Actual", "Column", "Expected", "Row", "split", "worth_of_fills"]

_ZERO = Decimal(0)
_CENT = Decimal("0.01")


class Column(StrEnum):
    SIGNAL = "signal"
    MISSED = "missed_fill"
    TIMING = "timing"
    PRICE = "fill_price"
    FEE = "fee"
    ROUNDING = "rounding"


@dataclass(frozen=True, slots=True)
class Expected:
    """An order as the replay wants it: ``amount`` in base, filled whole at ``price`` with a fee of ``fee_fraction`` of its notional."""

    amount: Decimal
    price: Decimal
    fee_fraction: Decimal


@dataclass(frozen=True, slots=True)
class Actual:
    """What was asked for and what came.  ``reference``: the market's mid when it was sent; None: nobody wrote it down, the model's
    price stands for it and timing shows in the fill price."""

    asked: Decimal
    fills: tuple[FillEntry, ...]
    reference: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One order of the day.  Amounts in ``currency``, to the cent: ``actual - replayed`` is the sum of ``columns``."""

    tick_id: str
    ts: datetime
    symbol: str
    side: Side
    purpose: str
    currency: str
    actual: Decimal
    replayed: Decimal
    columns: Mapping[Column, Decimal]
    note: str = ""

    @property
    def difference(self) -> Decimal:
        return self.actual - self.replayed


def split(
    side: Side, expected: Expected | None, actual: Actual | None, mark: Decimal
) -> tuple[Decimal, Decimal, dict[Column, Decimal]]:
    """Worth of the real order, of the replayed one, and the columns between them; all to the cent, and exact.

    ``expected`` None: the replay sends nothing; ``actual`` None: nothing was asked for.  ``mark``: the symbol's price at the day's close.
    """
    sign = 1 if side is Side.BUY else -1
    with localcontext(MONEY):
        exact = dict.fromkeys(Column, _ZERO)
        replayed = _ZERO if expected is None else _model(sign, expected, expected.amount, mark)
        real = _ZERO if actual is None else worth_of_fills(sign, actual.fills, mark)
        if expected is None or actual is None:
            exact[Column.SIGNAL] = real - replayed
        else:
            _steps(exact, sign, expected, actual, mark)
        return _to_the_cent(real, replayed, exact)


def worth_of_fills(sign: int, fills: Iterable[FillEntry], mark: Decimal) -> Decimal:
    """What fills moved, at ``mark``, less what they paid.  A fee in the base coin counts at the mark; one in a third coin at nothing."""
    return sum((sign * (fill.amount * mark - fill.cost) - _fee(fill, mark) for fill in fills), _ZERO)


def _steps(exact: dict[Column, Decimal], sign: int, expected: Expected, actual: Actual, mark: Decimal) -> None:
    fills = actual.fills
    amount = sum((fill.amount for fill in fills), _ZERO)
    printed = sum((fill.amount * fill.price for fill in fills), _ZERO)
    paid = sum((_fee(fill, mark) for fill in fills), _ZERO)
    reference = expected.price if actual.reference is None else actual.reference
    exact[Column.SIGNAL] = _model(sign, expected, actual.asked - expected.amount, mark)
    exact[Column.MISSED] = _model(sign, expected, amount - actual.asked, mark)
    exact[Column.TIMING] = -sign * amount * (reference - expected.price)
    exact[Column.PRICE] = -sign * (printed - amount * reference)
    exact[Column.FEE] = expected.fee_fraction * amount * expected.price - paid
    exact[Column.ROUNDING] = -sign * (sum((fill.cost for fill in fills), _ZERO) - printed)


def _model(sign: int, expected: Expected, amount: Decimal, mark: Decimal) -> Decimal:
    """Worth of ``amount`` under the bar model."""
    return sign * amount * (mark - expected.price) - expected.fee_fraction * amount * expected.price


def _fee(fill: FillEntry, mark: Decimal) -> Decimal:
    base, quote = split_symbol(fill.symbol)
    if fill.fee_currency == quote:
        return fill.fee
    return fill.fee * mark if fill.fee_currency == base else _ZERO


def _to_the_cent(
    real: Decimal, replayed: Decimal, exact: Mapping[Column, Decimal]
) -> tuple[Decimal, Decimal, dict[Column, Decimal]]:
    """Every figure in cents; what rounding takes from or gives to the columns stands under rounding."""
    actual, model = _cents(real), _cents(replayed)
    columns = {column: _cents(amount) for column, amount in exact.items()}
    columns[Column.ROUNDING] = _ZERO
    columns[Column.ROUNDING] = actual - model - sum(columns.values(), _ZERO)
    return actual, model, columns


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding=ROUND_HALF_EVEN)

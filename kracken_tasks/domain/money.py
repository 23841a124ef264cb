"""Money: the one Decimal context, and the one crossing from float arithmetic to exact amounts.

Decisions are computed on floats and end as integers (lots of an instrument's ``lot_step``, ticks of its ``price_tick``);
``amount_of`` and ``price_of`` turn those integers into Decimal.  Nothing else in Kracken makes money out of a float.
"""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, FloatOperation, InvalidOperation, localcontext

from kracken_tasks.domain.market import Instrument

__all__ = [
    "FREE_CREDITS",
    "MONEY",
    "amount_of",
    "as_decimal",
    "floor_to_step",
    "lots_within",
    "plain",
    "price_of",
    "ticks_at_or_above",
    "ticks_at_or_below",
]

# Kraken's fee credits: given, not bought, without a market.  A fee paid with them costs nothing and disposes of nothing.
FREE_CREDITS = frozenset({"KFEE"})

# 38 digits hold 10^20 units to 18 decimals; mixing with a float is an error, not a rounding.
MONEY = Context(prec=38, rounding=ROUND_HALF_EVEN, traps=[FloatOperation, InvalidOperation])

# A float that misses a whole number of steps by less than this many steps is that number: 0.3 / 0.1 is 2.9999999999999996.
_STEP_TOLERANCE = 1e-9


def as_decimal(text: str | int | Decimal) -> Decimal:
    """An exact amount from text or an integer.

    Raises: TypeError for a float; ValueError for text that is no finite number.
    """
    if isinstance(text, float):
        raise TypeError(f"{text!r} is a float; money is made from text, integers, or lots and ticks")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return value


def lots_within(amount: float, instrument: Instrument) -> int:
    """Whole lots in ``amount`` base units, rounded down: a size is never rounded up."""
    return math.floor(amount / float(instrument.lot_step) + _STEP_TOLERANCE)


def ticks_at_or_below(price: float, instrument: Instrument) -> int:
    """The highest tick not above ``price``: for buy limits and stops that sell."""
    return math.floor(price / float(instrument.price_tick) + _STEP_TOLERANCE)


def ticks_at_or_above(price: float, instrument: Instrument) -> int:
    """The lowest tick not below ``price``: for targets."""
    return math.ceil(price / float(instrument.price_tick) - _STEP_TOLERANCE)


def amount_of(lots: int, instrument: Instrument) -> Decimal:
    """Lots into base units, exactly."""
    with localcontext(MONEY):
        return instrument.lot_step * lots


def price_of(ticks: int, instrument: Instrument) -> Decimal:
    """Ticks into a price in quote currency, exactly."""
    with localcontext(MONEY):
        return instrument.price_tick * ticks


def floor_to_step(amount: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` not above ``amount``."""
    with localcontext(MONEY):
        return (amount / step).to_integral_value(rounding=ROUND_DOWN) * step


def plain(amount: Decimal, places: int | None = None) -> str:
    """Decimal text without exponent or negative zero; ``places`` rounds half even, None keeps what there is."""
    with localcontext(MONEY):
        if places is not None:
            amount = amount.quantize(Decimal(1).scaleb(-places))
        if amount == 0:
            amount = abs(amount)
        return format(amount, "f")

"""Prices and amounts as people write them, into exact steps.

In: Decimal, text, int or float.  Out: Decimal in whole ticks or lots.  Never: a stop rounded up, a target rounded down, an amount
rounded up.
"""

from __future__ import annotations

from decimal import ROUND_UP, Decimal, localcontext

from kracken_tasks.domain.market import Instrument
from kracken_tasks.domain.money import (
    MONEY,
    amount_of,
    as_decimal,
    floor_to_step,
    lots_within,
    price_of,
    ticks_at_or_above,
    ticks_at_or_below,
)
from kracken_tasks.errors import TradeRefused

__all__ = ["Number", "amount_asked", "at_quote", "fraction_asked", "price_above", "price_below"]

Number = Decimal | str | int | float


def price_below(price: Number, instrument: Instrument) -> Decimal:
    """The highest tick not above ``price``.  Raises: TradeRefused for what is no number."""
    if isinstance(price, float):
        return price_of(ticks_at_or_below(price, instrument), instrument)
    return floor_to_step(_exact(price, instrument), instrument.price_tick)


def price_above(price: Number, instrument: Instrument) -> Decimal:
    """The lowest tick not below ``price``.  Raises: as ``price_below``."""
    if isinstance(price, float):
        return price_of(ticks_at_or_above(price, instrument), instrument)
    with localcontext(MONEY):
        steps = _exact(price, instrument) / instrument.price_tick
        return steps.to_integral_value(rounding=ROUND_UP) * instrument.price_tick


def at_quote(price: float, instrument: Instrument) -> Decimal:
    """A quote's price as the lowest tick not below it, to compare exact prices with."""
    return price_of(ticks_at_or_above(price, instrument), instrument)


def amount_asked(amount: Number, instrument: Instrument) -> Decimal:
    """The most whole lots within ``amount``.  Raises: TradeRefused for nothing, or for what is no number."""
    if isinstance(amount, float):
        floored = amount_of(lots_within(amount, instrument), instrument)
    else:
        floored = floor_to_step(_exact(amount, instrument), instrument.lot_step)
    if floored <= 0:
        raise TradeRefused(f"{instrument.symbol}: {amount!r} is no amount to trade", symbol=instrument.symbol)
    return floored


def fraction_asked(percent: Number) -> Decimal:
    """5 (percent) as 0.05, to four digits of a percent.  Raises: TradeRefused outside 0.01 to 50."""
    try:
        value = as_decimal(repr(percent) if isinstance(percent, float) else percent)
    except ValueError as error:
        raise TradeRefused(f"{percent!r} is no percentage: {error}") from error
    if not Decimal("0.01") <= value <= 50:
        raise TradeRefused(f"a trail of {percent} %; allowed: 0.01 to 50")
    with localcontext(MONEY):
        return value.quantize(Decimal("0.0001")).normalize() / 100


def _exact(number: Decimal | str | int, instrument: Instrument) -> Decimal:
    try:
        return as_decimal(number)
    except ValueError as error:
        raise TradeRefused(f"{instrument.symbol}: {error}", symbol=instrument.symbol) from error

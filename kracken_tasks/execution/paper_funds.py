"""What the paper account can pay: what open orders hold back, what an order needs, how much of it money is there for.

In: orders, totals, executions to be.  Out: amounts by asset, a refusal in Kraken's words, the executions that can be paid.  Never: state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import MONEY, floor_to_step
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.paper_matching import (
    Execution,
    FillRules,
    PaperOrder,
    dearest_fraction,
    hold_of,
    touch_price,
)

__all__ = ["affordable", "held_back", "require_free"]

_ZERO = Decimal(0)


def held_back(
    orders: Iterable[PaperOrder], listed: Mapping[str, Instrument], rules: FillRules, leaving_out: str | None = None
) -> dict[str, Decimal]:
    """What open orders hold back, by asset."""
    held: dict[str, Decimal] = {}
    for order in orders:
        if order.view.order_id != leaving_out:
            asset, amount = hold_of(order, _ZERO, listed[order.view.symbol], rules)
            held[asset] = held.get(asset, _ZERO) + amount
    return held


def require_free(
    order: PaperOrder,
    quote: Quote,
    instrument: Instrument,
    rules: FillRules,
    totals: Mapping[str, Decimal],
    held: Mapping[str, Decimal],
) -> None:
    """Raises: TradeRefused for an order that needs more than is free."""
    asset, needed = hold_of(
        order, touch_price(order.view.side, quote, instrument, rules.slippage_bps), instrument, rules
    )
    free = totals.get(asset, _ZERO) - held.get(asset, _ZERO)
    if needed > free:
        raise TradeRefused(
            f"EOrder:Insufficient funds: {needed} {asset} needed, {free} free", symbol=order.view.symbol, asset=asset
        )


def affordable(found: Iterable[Execution], free: Decimal, instrument: Instrument, rules: FillRules) -> list[Execution]:
    """The first of a purchase's executions that ``free`` quote currency pays for, the dearest fee included, the last one in part."""
    paid: list[Execution] = []
    with localcontext(MONEY):
        for one in found:
            each = one.price * (1 + dearest_fraction(instrument, rules))
            amount = min(one.amount, floor_to_step(max(free, _ZERO) / each, instrument.lot_step))
            if amount > 0:
                paid.append(Execution(one.price, amount, one.liquidity))
            if amount < one.amount:
                break
            free -= amount * each
    return paid

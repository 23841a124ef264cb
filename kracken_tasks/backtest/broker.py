"""Backtrader's broker with three corrections for spot trading.

1. Slippage may leave the bar's range (``slip_out``), or a flat bar would trade for free; a limit order still never fills worse
   than its limit, which plain ``slip_out`` would allow.
2. An order marked ``spend_fraction`` buys for that share of the cash at the price it really fills, as a venue's quote-sized
   market order does; sized at the close it would be refused whenever the next bar opens higher.
3. Children marked ``at_once`` protect from the bar in which their parent fills, as a venue's conditional close does; plain
   Backtrader wakes them one bar later.

In: orders.  Out: fills at the next open or at a touched price.  Never: a fill at the close that made the decision.
"""

from __future__ import annotations

import math
from typing import Any

from kracken_tasks.backtest.library import bt

__all__ = ["SpotBroker", "affordable_amount"]


class SpotBroker(bt.brokers.BackBroker):  # type: ignore[misc]  # Backtrader has no types
    """Cash, fees and fills of a spot account.  Parameter ``lot_step``: base units; amounts are whole lots where we size them."""

    params = (("lot_step", 1e-8),)

    def _slip_up(self, pmax: float, price: float, doslip: bool = True, lim: bool = False) -> float | None:
        slipped: float | None = super()._slip_up(pmax, price, doslip, lim)
        return min(slipped, pmax) if lim and slipped is not None else slipped

    def _slip_down(self, pmin: float, price: float, doslip: bool = True, lim: bool = False) -> float | None:
        slipped: float | None = super()._slip_down(pmin, price, doslip, lim)
        return max(slipped, pmin) if lim and slipped is not None else slipped

    def _execute(
        self, order: Any, ago: int | None = None, price: float | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        fraction = order.info.get("spend_fraction")
        if fraction and ago is not None and price is not None:
            fee_per_unit = self.getcommissioninfo(order.data).getcommission(1.0, price)
            amount = affordable_amount(self.cash * fraction, price, fee_per_unit, self.p.lot_step)
            if amount > 0:
                order.size = order.created.size = order.created.remsize = order.executed.remsize = amount
        return super()._execute(order, ago, price, *args, **kwargs)

    def _bracketize(self, order: Any, cancel: bool = False) -> None:
        super()._bracketize(order, cancel)
        for child in [waiting for waiting in self._toactivate if waiting.info.get("at_once")]:
            self._toactivate.remove(child)
            child.activate()


def affordable_amount(cash: float, price: float, fee_per_unit: float, lot_step: float) -> float:
    """The largest whole number of lots whose cost and fee fit into ``cash`` in float arithmetic as the broker does it.

    Units: cash in quote, price and fee_per_unit in quote per base unit, lot_step in base.  0.0 if not even one lot fits.
    """
    lots = math.floor(cash / (price + fee_per_unit) / lot_step)
    while lots > 0 and cash - lots * lot_step * price - lots * lot_step * fee_per_unit < 0:
        lots -= 1
    return max(lots, 0) * lot_step

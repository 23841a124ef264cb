"""Small Backtrader strategies with known orders, for tests of the engine."""

from __future__ import annotations

from typing import Any

import backtrader as bt

__all__ = ["Brackets", "BuyThenClose", "Scripted"]


class BuyThenClose(bt.Strategy):  # type: ignore[misc]
    """Buys ``size`` at the close of bar ``buy_at`` and closes at ``sell_at`` (bars count from 0)."""

    params = (("buy_at", 0), ("sell_at", 2), ("size", 1.0))

    def next(self) -> None:
        bar = len(self.data) - 1
        if bar == self.p.buy_at:
            self.buy(size=self.p.size)
        elif bar == self.p.sell_at:
            self.close()


class Scripted(bt.Strategy):  # type: ignore[misc]
    """Places the orders of ``script``: bar number -> keyword arguments of ``buy`` or ``sell`` plus ``side``."""

    params = (("script", None),)

    def next(self) -> None:
        orders: dict[int, dict[str, Any]] = self.p.script
        order = dict(orders.get(len(self.data) - 1, {}))
        if order:
            (self.buy if order.pop("side") == "buy" else self.sell)(**order)


class Brackets(bt.Strategy):  # type: ignore[misc]
    """A plain Backtrader bracket on the first bar."""

    params = (("stop", 0.0), ("limit", 0.0))

    def next(self) -> None:
        if len(self.data) == 1:
            self.buy_bracket(exectype=bt.Order.Market, size=1.0, stopprice=self.p.stop, limitprice=self.p.limit)

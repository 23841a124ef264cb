"""What a Backtrader run leaves behind: equity at every bar, every fill, every refusal.

In: Backtrader's notifications.  Out: plain lists.  Never: a change to the run it watches.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kracken_tasks.backtest.feed import moment_of
from kracken_tasks.backtest.library import bt
from kracken_tasks.backtest.round_trips import BacktestFill

__all__ = ["Recorder", "RefusedOrder"]


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """An order that was not taken: for lack of cash (``margin``) or because the entry it belonged to was not (``rejected``)."""

    ts: datetime
    symbol: str
    amount: float
    reason: str


class Recorder(bt.Analyzer):  # type: ignore[misc]  # Backtrader has no types
    """Collects ``days`` and ``equity`` (marked at each bar's close), ``fills``, ``refused`` and ``exposed`` (bars with a position)."""

    def start(self) -> None:
        self.days: list[float] = []
        self.equity: list[float] = []
        self.fills: list[BacktestFill] = []
        self.refused: list[RefusedOrder] = []
        self.exposed = 0

    def next(self) -> None:
        # Also called for every bar of the indicators' warm-up: Analyzer.prenext hands on to next.
        broker = self.strategy.broker
        self.days.append(self.strategy.datetime[0])
        self.equity.append(broker.getvalue())
        for data in self.strategy.datas:
            if broker.getposition(data).size:
                self.exposed += 1
                break

    def notify_order(self, order: Any) -> None:
        symbol = order.data._name
        if order.status in (order.Partial, order.Completed):
            for part in order.executed.iterpending():
                fee = part.closedcomm + part.openedcomm
                kind = order.getordername().lower()
                reason = str(order.info.get("reason", ""))
                self.fills.append(BacktestFill(moment_of(part.dt), symbol, part.size, part.price, fee, kind, reason))
        elif order.status in (order.Margin, order.Rejected):
            now = moment_of(self.strategy.datetime[0])
            self.refused.append(RefusedOrder(now, symbol, order.created.size, order.getstatusname().lower()))

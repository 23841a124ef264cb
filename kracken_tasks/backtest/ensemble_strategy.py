"""Any decision callable as a Backtrader strategy, so that what is rehearsed is the code that trades.

In: candles up to the bar that just closed, and the position.  Out: an entry at the next open with a stop that protects from that
same bar and a target; exits when the callable says SELL.  Never: a candle the callable could not have known, a short position.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from kracken_tasks.backtest.feed import moment_of
from kracken_tasks.backtest.library import bt
from kracken_tasks.errors import BadData, Misconfigured

__all__ = ["Decide", "DecisionStrategy", "HeldPosition", "Step"]


class Step(NamedTuple):
    """What to do after a bar: BUY, SELL or HOLD.

    Units: size_fraction of equity in (0, 1]; stop_pct and take_profit_pct are fractions of the deciding close (0.03 is 3 %), None: none.
    ``trailing_pct``: the stop follows the best close since the entry at this distance, None: it stays; it needs a stop to move.
    """

    action: str
    size_fraction: float = 0.0
    stop_pct: float | None = None
    take_profit_pct: float | None = None
    reason: str = ""
    trailing_pct: float | None = None


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """The long position as the callable sees it.  ``amount`` base units; prices in quote; ``opened_at``: open of the filling bar."""

    amount: float
    entry_price: float
    opened_at: datetime
    stop_price: float | None
    take_profit_price: float | None


# (closed candles so far, position or None) -> Step, or a tuple in the same order
Decide = Callable[[pd.DataFrame, HeldPosition | None], tuple[Any, ...]]


class DecisionStrategy(bt.Strategy):  # type: ignore[misc]  # Backtrader has no types
    """Calls ``decide`` once per closed bar.

    Parameters: ``decide``: see ``Decide``; ``max_rows``: newest rows handed over, None for all (a frame of the last N costs less).
    Time:   the frame's last row is the bar that just closed; orders fill at the next open; stop and target live from that bar on,
            the stop first if one bar touches both.  A trailing stop is moved at a bar's close and holds from the next bar on: what the
            price did within a bar, and in which order, is not assumed.
    Raises: BadData if ``decide`` answers something that is no Step; Misconfigured without ``decide``.
    """

    params = (("decide", None), ("max_rows", None))

    def __init__(self) -> None:
        if not callable(self.p.decide):
            raise Misconfigured("DecisionStrategy needs decide=<callable>", key="decide")
        self._frame: pd.DataFrame = self.data.p.candles
        self._protection: list[Any] = []
        self._opened_at: datetime | None = None
        self._trailing: float | None = None
        self._best = -math.inf  # close since the entry

    def next(self) -> None:
        self._trail()
        rows = len(self.data)
        first = 0 if self.p.max_rows is None else max(rows - self.p.max_rows, 0)
        step = _step_from(self.p.decide(self._frame.iloc[first:rows], self._held()))
        if step.action == "BUY" and not self.position:
            self._enter(step)
        elif step.action == "SELL" and self.position:
            self._leave(step.reason)

    def _trail(self) -> None:
        """Move the stop up behind the best close; in place, as a venue amends an order."""
        if self._trailing is None or not self.position:
            return
        self._best = max(self._best, self.data.close[0])
        for order in self._protection:
            if order.info["role"] == "stop" and order.alive():
                order.created.price = max(order.created.price, self._best * (1 - self._trailing))

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed and order.isbuy():
            self._opened_at = moment_of(order.executed.dt)

    def _held(self) -> HeldPosition | None:
        if not self.position or self._opened_at is None:
            return None
        prices = {order.info["role"]: order.created.price for order in self._protection if order.alive()}
        return HeldPosition(
            self.position.size, self.position.price, self._opened_at, prices.get("stop"), prices.get("target")
        )

    def _enter(self, step: Step) -> None:
        close = self.data.close[0]
        amount = self._amount(step.size_fraction, close)
        if amount <= 0:
            return
        stop = None if step.stop_pct is None else close * (1 - step.stop_pct)
        target = None if step.take_profit_pct is None else close * (1 + step.take_profit_pct)
        # Sent as one group: the last member carries it out, and the children fall with the entry if that is refused.
        entry = self.buy(size=amount, transmit=stop is None and target is None, reason=step.reason)
        self._protection = []
        self._trailing, self._best = step.trailing_pct, -math.inf
        if stop is not None:
            self._protect(entry, amount, stop, bt.Order.Stop, "stop", last=target is None)
        if target is not None:
            self._protect(entry, amount, target, bt.Order.Limit, "target", last=True)

    def _protect(self, entry: Any, amount: float, price: float, kind: int, role: str, *, last: bool) -> None:
        order = self.sell(
            size=amount, price=price, exectype=kind, parent=entry, transmit=last, at_once=True, role=role, reason=role
        )
        self._protection.append(order)

    def _leave(self, reason: str) -> None:
        for order in self._protection:
            if order.alive():
                self.cancel(order)
        self._protection = []
        self.close(reason=reason)

    def _amount(self, size_fraction: float, close: float) -> float:
        """Whole lots for a share of equity, at most what the cash pays for with fee and slippage at this close."""
        fee = self.broker.getcommissioninfo(self.data).getcommission(1.0, close)
        affordable = self.broker.getcash() / (close * (1 + self.broker.p.slip_perc) + fee)
        wanted = self.broker.getvalue() * size_fraction / close
        lot_step: float = self.broker.p.lot_step
        return float(math.floor(min(wanted, affordable) / lot_step) * lot_step)


def _step_from(answer: tuple[Any, ...]) -> Step:
    try:
        step = Step(*answer)
    except TypeError as error:
        raise BadData(f"decide must answer (action, size_fraction, ...), not {answer!r}", rule="step") from error
    if str(step.action) not in ("BUY", "SELL", "HOLD"):
        raise BadData(f"decide answered {step.action!r}", rule="action", allowed=("BUY", "SELL", "HOLD"))
    if not 0 <= step.size_fraction <= 1:
        raise BadData(f"size_fraction {step.size_fraction} is outside [0, 1]", rule="size_fraction", allowed="[0, 1]")
    if step.stop_pct is not None and not 0 < step.stop_pct < 1:
        raise BadData(f"stop_pct {step.stop_pct} is outside (0, 1)", rule="stop_pct", allowed="(0, 1)")
    if step.trailing_pct is not None and not (0 < step.trailing_pct < 1 and step.stop_pct is not None):
        raise BadData(
            f"trailing_pct {step.trailing_pct} is outside (0, 1), or there is no stop to move",
            rule="trailing_pct",
            allowed="(0, 1)",
        )
    if step.take_profit_pct is not None and not step.take_profit_pct > 0:
        raise BadData(f"take_profit_pct {step.take_profit_pct} is not positive", rule="take_profit_pct", allowed="> 0")
    return step

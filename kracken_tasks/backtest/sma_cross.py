"""The promised example strategy: hold while the fast moving average is above the slow one.

In: closes.  Out: a buy when fast crosses above slow, a sell of everything when it falls below.  Never: a short position.
"""

from __future__ import annotations

from kracken_tasks.backtest.library import bt
from kracken_tasks.errors import Misconfigured

__all__ = ["SMACrossStrategy"]


class SMACrossStrategy(bt.Strategy):  # type: ignore[misc]  # Backtrader has no types
    """Simple-moving-average cross, long only; decided at the close, filled at the next open.

    Buys when fast is above slow and was not one bar before; sells everything as soon as fast is below slow.

    Parameters: ``fast`` < ``slow`` (bars); ``stake_fraction`` in (0, 1]: share of the cash an entry spends, fee included.
    Raises: Misconfigured for parameters out of range.
    """

    params = (("fast", 10), ("slow", 30), ("stake_fraction", 1.0))

    def __init__(self) -> None:
        _check(self.p.fast, self.p.slow, self.p.stake_fraction)
        self.fast = bt.ind.SMA(self.data.close, period=self.p.fast)
        self.slow = bt.ind.SMA(self.data.close, period=self.p.slow)

    def next(self) -> None:
        # Before the slow average exists its last value is NaN, and neither comparison holds.
        fast, slow, fast_before, slow_before = self.fast[0], self.slow[0], self.fast[-1], self.slow[-1]
        if not self.position and fast > slow and fast_before <= slow_before:
            # A first guess at the close; SpotBroker settles the amount at the price of the fill.
            unit_cost = self.data.close[0] * (1 + 2 * self._cost_fraction())
            amount = self.broker.getcash() * self.p.stake_fraction / unit_cost
            self.buy(size=amount, spend_fraction=self.p.stake_fraction, reason="fast crossed above slow")
        elif self.position and fast < slow:
            self.close(reason="fast fell below slow")

    def _cost_fraction(self) -> float:
        price = self.data.close[0]
        fee = self.broker.getcommissioninfo(self.data).getcommission(1.0, price) / price
        return float(fee + self.broker.p.slip_perc)


def _check(fast: int, slow: int, stake_fraction: float) -> None:
    if not 1 <= fast < slow:
        raise Misconfigured(f"SMA cross needs 1 <= fast < slow, not fast={fast}, slow={slow}", fast=fast, slow=slow)
    if not 0 < stake_fraction <= 1:
        raise Misconfigured(
            f"stake_fraction {stake_fraction} is outside (0, 1]", key="stake_fraction", allowed="(0, 1]"
        )

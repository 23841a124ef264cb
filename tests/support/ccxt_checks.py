"""The structural checks that come with ccxt, and the one thing in ccxt that has to be mended for them.

In: a check's name.  Out: its function.  Never: a change to what an exchange answered.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Hurried", "NumericFees", "check"]


class NumericFees:
    """ccxt leaves the fee of some venues' orders as text and its own check wants a number.  To be mixed into a client's class."""

    def parse_order(self, *arguments: Any) -> Any:
        order = super().parse_order(*arguments)  # type: ignore[misc]
        if order["fee"] is not None and order["fee"]["cost"] is not None:
            order["fee"]["cost"] = float(order["fee"]["cost"])
        return order


class Hurried:
    """The checks of streams listen for fifteen seconds by the client's clock: this one's goes ten times as fast.  To be mixed in."""

    times = 10

    def milliseconds(self) -> int:
        real: int = super().milliseconds()  # type: ignore[misc]
        self.first = getattr(self, "first", real)
        return int(self.first + (real - self.first) * self.times)


def check(name: str, kind: str) -> Any:
    """The check of this name (``fetch_ticker``) for ``sync`` or ``async`` clients."""
    return getattr(importlib.import_module(f"ccxt.test.exchange.{kind}.test_{name}"), f"test_{name}")

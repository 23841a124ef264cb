"""A size receipt in words, for alerts and reports alike.

In: a ``SizeReceipt``.  Out: one line.  Never: a figure the receipt does not hold.
"""

from __future__ import annotations

from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import SizeReceipt

__all__ = ["receipt_line"]


def receipt_line(receipt: SizeReceipt) -> str:
    """How a size came about, in one line: ``max 1000.00 -> kelly 400.00 (x0.40) -> 0.0125 BTC``.

    Units: notionals in quote currency, the result in base.
    """
    base = receipt.symbol.partition("/")[0]
    steps = [_step(cut.rule, cut.before, cut.after) for cut in receipt.cuts]
    return " -> ".join([*steps, f"{plain(receipt.amount)} {base}"])


def _step(rule: str, before: float, after: float) -> str:
    name = rule.replace("_", " ")
    if after == before:
        return f"{name} ok"
    return f"{name} {after:.2f}" + (f" (x{after / before:.2f})" if before > 0 else "")

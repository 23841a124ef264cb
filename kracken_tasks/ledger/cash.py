"""Balances as a fold: every asset from its deposits, fills and fees, exactly.

In: FillEntry and CashEntry.  Out: amount per asset, and how the venue's statement differs.  Never: I/O, rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext

from kracken_tasks.domain.market import Balance, split_symbol
from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import Side
from kracken_tasks.ledger.entries import BalanceLine, CashEntry, Entry, FillEntry

__all__ = ["CORRECTION", "TRADE_LINE", "CashFold", "balance_lines", "cash_from"]

# The venue's ledger shows each trade too, as ``trade`` or ``trade/tradespot``; the fill has moved the balance already.
TRADE_LINE = "trade"
# Lines of our own, ``correction/rounding`` and ``correction/fee``: what a fill, named by ``reference_id``, moved otherwise than was booked.
CORRECTION = "correction"

_ZERO = Decimal(0)


class CashFold:
    """Amount held per asset, free and on hold together."""

    def __init__(self) -> None:
        self.amounts: dict[str, Decimal] = {}

    def apply(self, entry: Entry) -> None:
        with localcontext(MONEY):
            if isinstance(entry, FillEntry):
                self._apply_fill(entry)
            elif isinstance(entry, CashEntry) and entry.kind.partition("/")[0] != TRADE_LINE:
                self._move(entry.asset, entry.amount - entry.fee)

    def _apply_fill(self, fill: FillEntry) -> None:
        base, quote = split_symbol(fill.symbol)
        sign = 1 if fill.side is Side.BUY else -1
        self._move(base, sign * fill.amount)
        self._move(quote, -sign * fill.cost)
        if fill.fee:
            self._move(fill.fee_currency, -fill.fee)

    def _move(self, asset: str, by: Decimal) -> None:
        self.amounts[asset] = self.amounts.get(asset, _ZERO) + by


def cash_from(entries: Iterable[Entry]) -> dict[str, Decimal]:
    """Amount per asset, folded from scratch."""
    fold = CashFold()
    for entry in entries:
        fold.apply(entry)
    return dict(fold.amounts)


def balance_lines(amounts: Mapping[str, Decimal], venue: Mapping[str, Balance]) -> tuple[BalanceLine, ...]:
    """The venue's totals beside the fold's, every asset either of them knows, by name."""
    assets = sorted(
        {asset for asset, amount in amounts.items() if amount} | {asset for asset, held in venue.items() if held.total}
    )
    return tuple(
        BalanceLine(asset, venue[asset].total if asset in venue else _ZERO, amounts.get(asset, _ZERO))
        for asset in assets
    )

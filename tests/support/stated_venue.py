"""A venue that only tells: balances, ledger lines and executions as a test states them; obeys ``VenueBooks``.

In: what it shall say.  Out: that.  Never: a movement of its own.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.market import Balance, split_symbol
from kracken_tasks.domain.trading import CashMovement, Fill, Side

__all__ = ["StatedVenue", "lines_of"]


def lines_of(fill: Fill, **other: str) -> list[CashMovement]:
    """The two lines a trade has in the venue's own ledger; ``cost`` and ``fee`` as the ledger shows them, if otherwise."""
    base, quote = split_symbol(fill.symbol)
    sign = 1 if fill.side is Side.BUY else -1
    cost, fee = Decimal(other.get("cost", str(fill.cost))), Decimal(other.get("fee", str(fill.fee)))
    fee_in = other.get("fee_in", fill.fee_currency)
    lines = []
    for asset, amount in ((base, sign * fill.amount), (quote, -sign * cost)):
        paid = fee if asset == fee_in else Decimal(0)
        lines.append(
            CashMovement(f"L-{fill.trade_id}-{asset}", fill.trade_id, "trade/tradespot", asset, amount, paid, fill.ts)
        )
    if fee_in not in (base, quote):
        lines.append(
            CashMovement(f"L-{fill.trade_id}-{fee_in}", fill.trade_id, "trade", fee_in, Decimal(0), fee, fill.ts)
        )
    return lines


@dataclass
class StatedVenue:
    """Balances are the sum of all lines and ``beside``, unless ``totals`` says otherwise."""

    lines: list[CashMovement] = field(default_factory=list)
    executions: list[Fill] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)
    totals: dict[str, str] | None = None
    moves_while_read: int = 0

    def balances(self) -> dict[str, Balance]:
        if self.totals is not None:
            return {asset: Balance(asset, Decimal(total), Decimal(0)) for asset, total in self.totals.items()}
        held = {asset: Decimal(amount) for asset, amount in self.beside.items()}
        for line in self.lines:
            held[line.asset] = held.get(line.asset, Decimal(0)) + line.amount - line.fee
        if self.moves_while_read:
            self.moves_while_read -= 1
            held["USD"] = held.get("USD", Decimal(0)) + self.moves_while_read
        return {asset: Balance(asset, total, Decimal(0)) for asset, total in held.items()}

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        return [fill for fill in self.executions if fill.ts >= start and fill.trade_id not in known]

    def cash_movements(self, start: datetime) -> list[CashMovement]:
        return [line for line in self.ledger_lines(start) if not line.kind.startswith("trade")]

    def ledger_lines(self, start: datetime) -> list[CashMovement]:
        return [replace(line) for line in self.lines if line.ts >= start]

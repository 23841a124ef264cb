"""The ledger's fills and cash lines as the tax room's trades and movements.

In: a ledger.  Out: trades and movements in time order.  Never: a write; an entry at or after ``until``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from kracken_tasks.domain.trading import CashMovement
from kracken_tasks.ledger.entries import CashEntry, FillEntry
from kracken_tasks.tax.trade import Trade

__all__ = ["LedgerFacts", "movements_from_ledger", "trades_from_ledger"]

# Lines of the venue's own ledger that show a trade again (``trade``, ``trade/tradespot``); the fill stands for it.
_TRADE_LINE = "trade"


class LedgerFacts(Protocol):
    """What the tax room needs of a ledger; ``Ledger`` has it.  Ranges are [start, end)."""

    @property
    def exchange(self) -> str: ...

    def fills(self, start: datetime | None = None, end: datetime | None = None) -> tuple[FillEntry, ...]: ...

    def cash_entries(self, start: datetime | None = None, end: datetime | None = None) -> tuple[CashEntry, ...]: ...


def trades_from_ledger(ledger: LedgerFacts, until: datetime | None = None) -> list[Trade]:
    """Every fill before ``until`` (all without it) as a trade, by timestamp and trade id."""
    return sorted(
        (_trade(entry, ledger.exchange) for entry in ledger.fills(end=until)),
        key=lambda trade: (trade.timestamp, trade.trade_id),
    )


def _trade(entry: FillEntry, exchange: str) -> Trade:
    return Trade(
        timestamp=entry.ts,
        exchange=exchange,
        symbol=entry.symbol,
        side=entry.side,
        amount=entry.amount,
        price=entry.price,
        fee_cost=entry.fee,
        fee_currency=entry.fee_currency if entry.fee else "",
        trade_id=entry.trade_id,
        order_id=entry.order_id,
    )


def movements_from_ledger(ledger: LedgerFacts, until: datetime | None = None) -> list[CashMovement]:
    """Deposits, withdrawals, rewards and the like before ``until``; lines that only repeat a trade are left out."""
    entries: Iterable[CashEntry] = ledger.cash_entries(end=until)
    moved = (entry.movement for entry in entries if entry.kind.partition("/")[0] != _TRADE_LINE)
    return sorted(moved, key=lambda line: (line.ts, line.movement_id))

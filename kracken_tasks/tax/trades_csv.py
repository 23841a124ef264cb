"""The neutral trades file: written for any program, read by ``kracken tax lots``; and the values file beside it.

In: trades, or a file.  Out: bytes, or trades.  Never: a column in exchange's own spelling, a row guessed at.

``trades.csv``: timestamp (UTC, ISO 8601, ``Z``), exchange (= wallet), symbol BASE/QUOTE, side, amount (base, gross), price, fee_cost,
fee_currency, trade_id.  ``fmv.csv``: timestamp, asset, price_<reporting currency in small letters>.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.trading import Side
from kracken_tasks.errors import BadData
from kracken_tasks.tax.tables import Row, guarded, read_rows, table_bytes, unguarded
from kracken_tasks.tax.trade import Trade, decimal_from, moment_from, shortest
from kracken_tasks.tax.values import FairValues

__all__ = ["TRADE_COLUMNS", "read_fair_values", "read_trades", "trades_bytes"]

TRADE_COLUMNS = ("timestamp", "exchange", "symbol", "side", "amount", "price", "fee_cost", "fee_currency", "trade_id")


def trades_bytes(trades: Iterable[Trade]) -> bytes:
    """The file, sorted by timestamp and trade id."""
    ordered = sorted(trades, key=lambda trade: (trade.timestamp, trade.trade_id))
    return table_bytes(TRADE_COLUMNS, (_cells(trade) for trade in ordered))


def _cells(trade: Trade) -> tuple[str, ...]:
    return (
        iso(trade.timestamp), guarded(trade.exchange), trade.symbol, trade.side.value, shortest(trade.amount), shortest(trade.price),
        shortest(trade.fee_cost), guarded(trade.fee_currency), guarded(trade.trade_id),
    )  # fmt: skip


def read_trades(path: Path) -> list[Trade]:
    """The trades of a file, in its order.

    Raises: BadData naming file, line, column and reason of the first row that cannot be a trade.
    """
    first_line: dict[tuple[str, str], tuple[int, Trade]] = {}
    trades: list[Trade] = []
    for row in read_rows(path, TRADE_COLUMNS):
        trade = _trade(row)
        line, before = first_line.setdefault((trade.exchange, trade.trade_id), (row.line, trade))
        if line != row.line and not before.is_same_fill(trade):
            raise row.wrong("trade_id", f"{trade.trade_id!r} names another trade in line {line}")
        trades.append(trade)
    return trades


def _trade(row: Row) -> Trade:
    fee = row.read("fee_cost", lambda cell: decimal_from(cell or "0", "fee_cost"))
    try:
        return Trade(
            timestamp=row.read("timestamp", lambda cell: moment_from(cell, "timestamp")),
            exchange=row.read("exchange", _required),
            symbol=row.read("symbol", _required),
            side=row.read("side", _side),
            amount=row.read("amount", lambda cell: decimal_from(cell, "amount")),
            price=row.read("price", lambda cell: decimal_from(cell, "price")),
            fee_cost=fee,
            fee_currency=row.read("fee_currency", unguarded) if fee else "",
            trade_id=row.read("trade_id", _required),
        )
    except BadData as error:
        if "line" in error.fields:
            raise
        raise row.wrong(str(error.fields["column"]), str(error.fields["reason"])) from error


def _required(cell: str) -> str:
    if not cell:
        raise ValueError("is empty")
    return unguarded(cell)


def _side(cell: str) -> Side:
    if cell not in ("buy", "sell"):
        raise ValueError(f"{cell!r} is neither buy nor sell")
    return Side(cell)


def read_fair_values(path: Path, currency: str, *, stated: Mapping[str, Decimal] | None = None) -> FairValues:
    """The values of a ``fmv.csv`` in ``currency``.

    Raises: BadData naming file, line, column and reason.
    """
    column = f"price_{currency.lower()}"
    rows = []
    for row in read_rows(path, ("timestamp", "asset", column)):
        value = row.read(column, lambda cell: decimal_from(cell, column))
        if value < 0:
            raise row.wrong(column, f"{value} is negative")
        rows.append(
            (row.read("timestamp", lambda cell: moment_from(cell, "timestamp")), row.read("asset", _required), value)
        )
    try:
        return FairValues(rows, stated=stated)
    except BadData as error:
        raise BadData(f"{path}: {error.message}", file=str(path), **error.fields) from error

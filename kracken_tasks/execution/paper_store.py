"""What the paper broker remembers: its own SQLite file, one transaction per answer.

In: orders, fills, balances, movements.  Out: the same, after a kill too.  Never: matching, prices, defaults.

A broker answers only after its transaction is on the disk, so a caller killed right after the answer finds the order when it asks again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from kracken_tasks.domain.trading import (
    CashMovement,
    ConditionalClose,
    Fill,
    OrderKind,
    OrderStatus,
    Side,
    VenueOrder,
)
from kracken_tasks.execution.paper_matching import PaperOrder

__all__ = ["PaperStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS assets (asset TEXT PRIMARY KEY, total TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (seq INTEGER PRIMARY KEY, order_id TEXT UNIQUE NOT NULL, client_order_id TEXT, open INTEGER NOT NULL,
                                   closed_us INTEGER, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS orders_open ON orders (open) WHERE open = 1;
CREATE INDEX IF NOT EXISTS orders_closed ON orders (closed_us);
CREATE TABLE IF NOT EXISTS fills (seq INTEGER PRIMARY KEY, order_id TEXT NOT NULL, ts_us INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS fills_ts ON fills (ts_us);
CREATE INDEX IF NOT EXISTS fills_order ON fills (order_id);
CREATE TABLE IF NOT EXISTS movements (seq INTEGER PRIMARY KEY, ts_us INTEGER NOT NULL, body TEXT NOT NULL);
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PaperStore:
    """The paper account's durable state; ``path`` None keeps it in memory (tests, notebooks)."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(str(path or ":memory:"), isolation_level=None, timeout=30.0, check_same_thread=False)
        if path is not None:
            self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable on exit; writers of other processes wait."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def next_number(self, name: str) -> int:
        """1, 2, 3, ... per name: what ids are made of."""
        self._db.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", (name,)
        )
        return int(self._db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()[0])

    def totals(self) -> dict[str, Decimal]:
        return {
            asset: Decimal(total) for asset, total in self._db.execute("SELECT asset, total FROM assets ORDER BY asset")
        }

    def set_total(self, asset: str, total: Decimal) -> None:
        self._db.execute(
            "INSERT INTO assets VALUES (?, ?) ON CONFLICT (asset) DO UPDATE SET total = excluded.total",
            (asset, format(total, "f")),
        )

    def put_order(self, order: PaperOrder) -> None:
        view = order.view
        closed = None if view.closed_at is None else _us(view.closed_at)
        self._db.execute(
            "INSERT INTO orders (order_id, client_order_id, open, closed_us, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (order_id) DO UPDATE SET open = excluded.open, closed_us = excluded.closed_us, body = excluded.body",
            (view.order_id, view.client_order_id, int(view.status.resting), closed, _order_text(order)),
        )

    def open_orders(self) -> list[PaperOrder]:
        return self._orders("WHERE open = 1 ORDER BY seq")

    def closed_orders(self, start: datetime) -> list[PaperOrder]:
        return self._orders("WHERE open = 0 AND closed_us >= ? ORDER BY closed_us DESC, seq DESC", _us(start))

    def order(self, order_id: str) -> PaperOrder | None:
        return next(iter(self._orders("WHERE order_id = ?", order_id)), None)

    def _orders(self, where: str, *values: object) -> list[PaperOrder]:
        return [_order_from(row[0]) for row in self._db.execute(f"SELECT body FROM orders {where}", values)]

    def add_fill(self, fill: Fill) -> None:
        self._db.execute(
            "INSERT INTO fills (order_id, ts_us, body) VALUES (?, ?, ?)", (fill.order_id, _us(fill.ts), _text(fill))
        )

    def fills(self, start: datetime) -> list[Fill]:
        rows = self._db.execute("SELECT body FROM fills WHERE ts_us >= ? ORDER BY seq DESC", (_us(start),))
        return [_fill_from(row[0]) for row in rows]

    def order_fills(self, order_ids: Iterable[str]) -> list[Fill]:
        found: list[Fill] = []
        for order_id in order_ids:
            rows = self._db.execute("SELECT body FROM fills WHERE order_id = ? ORDER BY seq", (order_id,))
            found.extend(_fill_from(row[0]) for row in rows)
        return found

    def volume(self, currency: str, after: datetime, until: datetime) -> Decimal:
        """What fills after ``after`` up to ``until`` cost together, in the markets quoted in ``currency``."""
        rows = self._db.execute(
            "SELECT json_extract(body, '$.symbol'), json_extract(body, '$.cost') FROM fills WHERE ts_us > ? AND ts_us <= ?",
            (_us(after), _us(until)),
        )
        return sum((Decimal(cost) for symbol, cost in rows if symbol.endswith(f"/{currency}")), Decimal(0))

    def seen_until(self, symbol: str) -> datetime | None:
        """Up to when this symbol's public trades have been worked through; None: never."""
        row = self._db.execute("SELECT value FROM counters WHERE name = ?", (f"trades:{symbol}",)).fetchone()
        return None if row is None else _moment(int(row[0]))

    def set_seen_until(self, symbol: str, moment: datetime) -> None:
        self._db.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (f"trades:{symbol}", _us(moment)),
        )

    def add_movement(self, movement: CashMovement) -> None:
        self._db.execute("INSERT INTO movements (ts_us, body) VALUES (?, ?)", (_us(movement.ts), _text(movement)))

    def movements(self, start: datetime) -> list[CashMovement]:
        rows = self._db.execute("SELECT body FROM movements WHERE ts_us >= ? ORDER BY seq DESC", (_us(start),))
        return [_movement_from(row[0]) for row in rows]


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    return _us(value) if isinstance(value, datetime) else value


def _flat(value: Any) -> dict[str, object]:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _text(value: Any) -> str:
    return json.dumps(_flat(value), sort_keys=True)


def _order_text(order: PaperOrder) -> str:
    return json.dumps(
        {
            "view": _flat(order.view),
            "close": None if order.close is None else _flat(order.close),
            "time_in_force": order.time_in_force,
            "triggered": order.triggered,
            "cost": format(order.cost, "f"),
            "ahead": _plain(order.ahead),
            "trail": _plain(order.trail),
            "trail_is_fraction": order.trail_is_fraction,
            "limit_offset": _plain(order.limit_offset),
        },
        sort_keys=True,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _order_from(text: str) -> PaperOrder:
    body = json.loads(text)
    view, close = body["view"], body["close"]
    opened = _moment(view["opened_at"])
    if opened is None:
        raise ValueError(f"paper order without opening time: {text}")
    return PaperOrder(
        view=VenueOrder(
            order_id=view["order_id"],
            client_order_id=view["client_order_id"],
            parent_id=view["parent_id"],
            symbol=view["symbol"],
            side=Side(view["side"]),
            kind=OrderKind(view["kind"]),
            status=OrderStatus(view["status"]),
            amount=Decimal(view["amount"]),
            filled=Decimal(view["filled"]),
            average_price=_decimal(view["average_price"]),
            limit_price=_decimal(view["limit_price"]),
            trigger_price=_decimal(view["trigger_price"]),
            opened_at=opened,
            closed_at=_moment(view["closed_at"]),
        ),
        time_in_force=body["time_in_force"],
        close=None
        if close is None
        else ConditionalClose(
            OrderKind(close["kind"]), Decimal(close["trigger_price"]), _decimal(close["limit_price"])
        ),
        triggered=body["triggered"],
        cost=Decimal(body["cost"]),
        ahead=_decimal(body.get("ahead")),  # absent in files of earlier versions, as all that follows
        trail=_decimal(body.get("trail")),
        trail_is_fraction=body.get("trail_is_fraction", False),
        limit_offset=_decimal(body.get("limit_offset")),
    )


def _fill_from(text: str) -> Fill:
    body = json.loads(text)
    amounts = {name: Decimal(body[name]) for name in ("amount", "price", "cost", "fee")}
    return Fill(**{**body, **amounts, "side": Side(body["side"]), "ts": _moment(body["ts"])})


def _movement_from(text: str) -> CashMovement:
    body = json.loads(text)
    amounts = {name: Decimal(body[name]) for name in ("amount", "fee")}
    return CashMovement(
        **{**body, **amounts, "balance_after": _decimal(body["balance_after"]), "ts": _moment(body["ts"])}
    )

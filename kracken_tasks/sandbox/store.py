"""The venue's disk: one SQLite file that survives a kill at any instant.

In: the changes of one request.  Out: the state after a restart; pages of history.  Never: two transactions for one request.
WAL with synchronous=FULL: what was committed is on disk before the answer leaves.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from kracken_tasks.sandbox.clock import NS_PER_SECOND, VenueClock
from kracken_tasks.sandbox.engine.matching import TakenLiquidity
from kracken_tasks.sandbox.engine.orders import Fill, LedgerRow, Order
from kracken_tasks.sandbox.limits import Level
from kracken_tasks.sandbox.state import Changes, Settings, State

__all__ = ["Page", "Store", "Window"]

T = TypeVar("T")

_VERSION = 1
_LOCK_SECONDS = 0.5  # a killed server's lock is gone with it; a living one's is not to be waited for
_VOLUME_DAYS = 30
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS balances (account TEXT, asset TEXT, amount INTEGER NOT NULL, PRIMARY KEY (account, asset));
CREATE TABLE IF NOT EXISTS counters (scope TEXT PRIMARY KEY, micro INTEGER NOT NULL, at_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS nonces (key TEXT PRIMARY KEY, nonce TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    txid TEXT PRIMARY KEY, no INTEGER NOT NULL UNIQUE, account TEXT NOT NULL, live INTEGER NOT NULL,
    opened_ns INTEGER NOT NULL, closed_ns INTEGER NOT NULL, cl_ord_id TEXT, userref INTEGER, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS orders_closed ON orders (account, live, closed_ns);
CREATE INDEX IF NOT EXISTS orders_client ON orders (cl_ord_id);
CREATE TABLE IF NOT EXISTS fills (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, ts_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, refid TEXT NOT NULL, ts_ns INTEGER NOT NULL,
    type TEXT NOT NULL, asset TEXT NOT NULL, amount INTEGER NOT NULL, fee INTEGER NOT NULL, balance INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of history: (start, end] in nanoseconds, and the page's offset.  ``by`` names the order's time that counts."""

    start_ns: int | None = None
    end_ns: int | None = None
    offset: int = 0
    by: str = "both"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of history, newest first, and how many rows there are in all."""

    rows: list[T]
    count: int


class Store:
    """One SQLite file (or memory, when there is no path)."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=_LOCK_SECONDS
        )
        # One server per file: a second one would trade on a memory of its own.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def flush(self, state: State) -> None:
        """Write what changed, inside a transaction; nothing if all of it can be worked out again."""
        changes = state.changes
        if not changes.must_write:
            return
        if not self._db.in_transaction:
            self.begin()
        many = self._db.executemany
        many("INSERT OR REPLACE INTO orders VALUES (?,?,?,?,?,?,?,?,?)", map(_order_row, changes.orders.values()))
        many("INSERT INTO fills VALUES (?,?,?,?,?)", (_fill_row(fill) for fill in changes.fills))
        many("INSERT INTO ledger VALUES (?,?,?,?,?,?,?,?,?,?)", (_ledger_row(row) for row in changes.rows))
        many(
            "INSERT OR REPLACE INTO balances VALUES (?,?,?)",
            ((account, asset, state.balances[account, asset]) for account, asset in changes.balances),
        )
        many(
            "INSERT OR REPLACE INTO counters VALUES (?,?,?)",
            ((scope, state.counters[scope].micro, state.counters[scope].at_ns) for scope in changes.counters),
        )
        # A nonce may be larger than 64 bits: text.
        many("INSERT OR REPLACE INTO nonces VALUES (?,?)", ((key, str(state.nonces[key])) for key in changes.nonces))
        many("INSERT OR REPLACE INTO meta VALUES (?,?)", ((k, json.dumps(v)) for k, v in _meta_of(state).items()))
        state.changes = Changes()

    def load(self) -> State | None:
        """The state as it was committed last; None for a new file.  Raises: ValueError for a file of another version."""
        meta = {name: json.loads(body) for name, body in self._db.execute("SELECT name, body FROM meta")}
        if not meta:
            return None
        if meta["version"] != _VERSION:
            raise ValueError(f"sandbox state of version {meta['version']}, this program reads {_VERSION}")
        orders = map(_order_from, self._db.execute("SELECT body FROM orders WHERE live = 1 ORDER BY no"))
        state = State(
            seed=meta["seed"],
            clock=VenueClock.from_json(meta["clock"]),
            settings=Settings.from_json(meta["settings"]),
            processed_ns=meta["processed_ns"],
            numbers=meta["numbers"],
            balances={
                (account, asset): amount for account, asset, amount in self._db.execute("SELECT * FROM balances")
            },
            orders={order.txid: order for order in orders},
            taken={symbol: TakenLiquidity.from_json(body) for symbol, body in meta["taken"].items()},
            counters={scope: Level(micro, at) for scope, micro, at in self._db.execute("SELECT * FROM counters")},
            nonces={key: int(nonce) for key, nonce in self._db.execute("SELECT * FROM nonces")},
            switches=meta["switches"],
        )
        since = state.processed_ns - _VOLUME_DAYS * 86_400 * NS_PER_SECOND
        for (body,) in self._db.execute("SELECT body FROM fills WHERE ts_ns > ? ORDER BY no", (since,)):
            fill = Fill.from_json(json.loads(body))
            state.volumes.setdefault(fill.account, deque()).append((fill.ts_ns, fill.volume_usd))
        return state

    def order(self, txid: str) -> Order | None:
        row = self._db.execute("SELECT body FROM orders WHERE txid = ?", (txid,)).fetchone()
        return _order_from(row) if row else None

    def order_numbered(self, no: int) -> Order | None:
        row = self._db.execute("SELECT body FROM orders WHERE no = ?", (no,)).fetchone()
        return _order_from(row) if row else None

    def orders_of(self, account: str) -> list[Order]:
        """Every order the account ever placed, oldest first."""
        rows = self._db.execute("SELECT body FROM orders WHERE account = ? ORDER BY no", (account,))
        return [_order_from(row) for row in rows]

    def closed_orders(
        self,
        account: str,
        window: Window,
        limit: int,
        *,
        listed_by_ns: int,
        cl_ord_id: str | None = None,
        userref: int | None = None,
    ) -> Page[Order]:
        """Orders no longer live and opened by ``listed_by_ns``, last closed first."""
        where = ["account = ?", "live = 0", "opened_ns <= ?"]
        spans = {"open": ("opened_ns",), "close": ("closed_ns",)}.get(window.by, ("opened_ns", "closed_ns"))
        within = [_within(column, window) for column in spans]
        where.append("(" + " OR ".join(text for text, _ in within) + ")")
        arguments: list[Any] = [account, listed_by_ns, *(value for _, part in within for value in part)]
        for column, wanted in (("cl_ord_id", cl_ord_id), ("userref", userref)):
            if wanted is not None:
                where.append(f"{column} = ?")
                arguments.append(wanted)
        return self._page(
            "orders", "body", where, arguments, "closed_ns DESC, no DESC", window.offset, limit, _order_from
        )

    def fills(self, account: str, window: Window, limit: int) -> Page[Fill]:
        text, values = _within("ts_ns", window)
        where = ["account = ?", text]
        return self._page("fills", "body", where, [account, *values], "no DESC", window.offset, limit, _fill_from)

    def fill(self, account: str, fill_id: str) -> Fill | None:
        row = self._db.execute("SELECT body FROM fills WHERE account = ? AND id = ?", (account, fill_id)).fetchone()
        return _fill_from(row) if row else None

    def ledger(
        self, account: str, window: Window, limit: int, assets: Iterable[str] = (), kind: str | None = None
    ) -> Page[LedgerRow]:
        text, values = _within("ts_ns", window)
        where, arguments = ["account = ?", text], [account, *values]
        wanted = list(assets)
        if wanted:
            where.append(f"asset IN ({','.join('?' * len(wanted))})")
            arguments += wanted
        if kind is not None:
            where.append("type = ?")
            arguments.append(kind)
        columns = "id, no, account, refid, ts_ns, type, asset, amount, fee, balance"
        return self._page(
            "ledger", columns, where, arguments, "no DESC", window.offset, limit, lambda row: LedgerRow(*row)
        )

    def ledger_row(self, account: str, row_id: str) -> LedgerRow | None:
        columns = "id, no, account, refid, ts_ns, type, asset, amount, fee, balance"
        row = self._db.execute(
            f"SELECT {columns} FROM ledger WHERE account = ? AND id = ?", (account, row_id)
        ).fetchone()
        return LedgerRow(*row) if row else None

    def ledger_ids_of(self, refid: str) -> list[str]:
        return [row_id for (row_id,) in self._db.execute("SELECT id FROM ledger WHERE refid = ? ORDER BY no", (refid,))]

    def _page(
        self,
        table: str,
        columns: str,
        where: list[str],
        values: list[Any],
        order: str,
        offset: int,
        limit: int,
        read: Callable[[Any], T],
    ) -> Page[T]:
        condition = " AND ".join(where)
        count = self._db.execute(f"SELECT count(*) FROM {table} WHERE {condition}", values).fetchone()[0]
        rows = self._db.execute(
            f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?",
            [*values, limit, offset],
        )
        return Page([read(row) for row in rows], count)


def _within(column: str, window: Window) -> tuple[str, list[int]]:
    """start is exclusive, end inclusive."""
    parts, values = ["1"], []
    if window.start_ns is not None:
        parts.append(f"{column} > ?")
        values.append(window.start_ns)
    if window.end_ns is not None:
        parts.append(f"{column} <= ?")
        values.append(window.end_ns)
    return f"({' AND '.join(parts)})", values


def _meta_of(state: State) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "seed": state.seed,
        "clock": state.clock.to_json(),
        "settings": state.settings.to_json(),
        "processed_ns": state.processed_ns,
        "numbers": state.numbers,
        "taken": {symbol: taken.to_json() for symbol, taken in state.taken.items()},
        "switches": state.switches,
    }


def _order_row(order: Order) -> tuple[Any, ...]:
    body = json.dumps(order.to_json(), separators=(",", ":"))
    live = int(order.status.is_live)
    return (
        order.txid, order.no, order.account, live, order.opened_ns, order.closed_ns, order.cl_ord_id, order.userref, body,
    )  # fmt: skip


def _fill_row(fill: Fill) -> tuple[Any, ...]:
    return (fill.no, fill.id, fill.account, fill.ts_ns, json.dumps(fill.to_json(), separators=(",", ":")))


def _ledger_row(row: LedgerRow) -> tuple[Any, ...]:
    return (
        row.no, row.id, row.account, row.refid, row.ts_ns, row.type, row.asset, row.amount, row.fee, row.balance,
    )  # fmt: skip


def _order_from(row: tuple[str]) -> Order:
    return Order.from_json(json.loads(row[0]))


def _fill_from(row: tuple[str]) -> Fill:
    return Fill.from_json(json.loads(row[0]))

"""The private channels: executions, one event a frame, and balances, one transaction a frame.

In: what happened to orders and money, in its order.  Out: frames as Kraken sends them: full where an order is announced, lean where it
moves on.  Never: a judgement about an order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from kracken_tasks.sandbox.assets import asset_from_key
from kracken_tasks.sandbox.dialects.kraken.streams.execution_reports import Reports
from kracken_tasks.sandbox.dialects.kraken.streams.feeds import Frame, code_of
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Digits, Json, digits, stamp
from kracken_tasks.sandbox.engine.orders import Fill, LedgerRow, Order, Status
from kracken_tasks.sandbox.state import Happening
from kracken_tasks.sandbox.store import Window
from kracken_tasks.sandbox.venue import Venue

__all__ = ["AccountFeed", "BalancesFeed", "ExecutionsFeed"]

_SNAPSHOT_FILLS: Final = 50
_TRANSITIONS: Final = ("new", "trade", "filled", "canceled", "expired")


class AccountFeed(ABC):
    """A feed that is told what happened instead of looking at the market.  ``sequence`` counts its frames from 1."""

    channel: str

    def __init__(self, venue: Venue, account: str) -> None:
        self.venue = venue
        self.account = account
        self._sequence = 0
        self._waiting: deque[Frame] = deque()

    @abstractmethod
    def snapshot(self, now_ns: int) -> list[Frame]:
        """What is known at ``now_ns``."""

    @abstractmethod
    def events(self, happened: Sequence[Happening]) -> Iterator[tuple[int, list[Json]]]:
        """What of it this channel tells: the moment and the rows of each frame."""

    def hear(self, happened: Sequence[Happening]) -> None:
        mine = [one for one in happened if one.account == self.account]
        self._waiting.extend(self.frame(ts_ns, "update", rows) for ts_ns, rows in self.events(mine))

    def updates(self, after_ns: int, until_ns: int) -> Iterator[Frame]:
        """What was heard and belongs to this span or earlier; after_ns does not matter, nothing is told twice."""
        while self._waiting and self._waiting[0].ts_ns <= until_ns:
            yield self._waiting.popleft()

    def frame(self, ts_ns: int, kind: str, rows: list[Json]) -> Frame:
        self._sequence += 1
        return Frame(ts_ns, {"channel": self.channel, "type": kind, "data": rows, "sequence": self._sequence})


class ExecutionsFeed(AccountFeed):
    """Order events and fills.  ``every_status`` False leaves out all but openings, fills and ends."""

    channel = "executions"

    def __init__(self, venue: Venue, account: str, orders: bool, trades: bool, every_status: bool) -> None:
        super().__init__(venue, account)
        self._with_orders, self._with_trades, self._every_status = orders, trades, every_status
        self._reports = Reports(venue)
        self._known: dict[str, Order] = {}
        self._fills: dict[str, list[Fill]] = {}

    def snapshot(self, now_ns: int) -> list[Frame]:
        live = sorted(self.venue.state.orders_of(self.account), key=lambda order: order.no)
        self._known = {order.txid: order for order in live}
        frames = []
        if self._with_orders:
            frames.append(self.frame(now_ns, "snapshot", [self._reports.standing(order) for order in live]))
        if self._with_trades:
            fills = self.venue.store.fills(self.account, Window(), _SNAPSHOT_FILLS).rows
            rows = [self._reports.trade(fill, self._order_of(fill)) for fill in reversed(fills)]  # oldest first
            frames.append(self.frame(now_ns, "snapshot", rows))
        return frames

    def _order_of(self, fill: Fill) -> Order:
        order = self._known.get(fill.txid) or self.venue.store.order(fill.txid)
        if order is None:
            raise LookupError(f"fill {fill.id} of an order that is nowhere: {fill.txid}")
        return order

    def events(self, happened: Sequence[Happening]) -> Iterator[tuple[int, list[Json]]]:
        for one in happened:
            if isinstance(one, Fill):
                self._fills.setdefault(one.txid, []).append(one)
            elif isinstance(one, Order):
                for ts_ns, row in self._steps(one):
                    if self._every_status or row["exec_type"] in _TRANSITIONS:
                        yield ts_ns, [row]

    def _steps(self, order: Order) -> Iterator[tuple[int, Json]]:
        """From the order as it was told last to the order as it is."""
        told, reports = self._known.get(order.txid), self._reports
        at_ns = order.opened_ns
        if told is None:
            yield at_ns, reports.announced(order)
            if order.status is Status.OPEN:
                yield at_ns, reports.moved(order, "new", at_ns)
        elif told.status is Status.PENDING and order.status is Status.OPEN:
            yield order.start_ns, reports.moved(order, "new", order.start_ns)
        if told is not None and order.amended_ns != told.amended_ns:
            yield order.amended_ns, reports.amended(order)
        if told is not None and order.triggered and not told.triggered:
            yield order.triggered_ns, reports.triggered(order)
        if told is None or order.filled > told.filled:
            for fill in self._fills.pop(order.txid, []):
                yield fill.ts_ns, reports.trade(fill, order)
        if order.status.is_live:
            self._known[order.txid] = order
        else:
            self._known.pop(order.txid, None)
            ended = {Status.CLOSED: "filled", Status.CANCELED: "canceled", Status.EXPIRED: "expired"}
            yield order.closed_ns, reports.moved(order, ended[order.status], order.closed_ns)


class BalancesFeed(AccountFeed):
    """Every asset's total, then every ledger transaction; the rows of one trade come in one frame."""

    channel = "balances"

    def snapshot(self, now_ns: int) -> list[Frame]:
        rows = []
        for (account, key), amount in sorted(self.venue.state.balances.items()):
            if account == self.account:
                asset = asset_from_key(key)
                total = digits(amount, asset.decimals)
                wallets = [{"type": "spot", "id": "main", "balance": total}]
                rows.append({"asset": code_of(asset), "asset_class": "currency", "balance": total, "wallets": wallets})
        return [self.frame(now_ns, "snapshot", rows)]

    def events(self, happened: Sequence[Happening]) -> Iterator[tuple[int, list[Json]]]:
        rows = [one for one in happened if isinstance(one, LedgerRow)]
        for _, transaction in groupby(rows, key=lambda row: row.refid):
            booked = list(transaction)
            yield booked[0].ts_ns, [_row_json(row) for row in booked]


def _row_json(row: LedgerRow) -> Json:
    asset = asset_from_key(row.asset)

    def amount(value: int) -> Digits:
        return digits(value, asset.decimals)

    shown: dict[str, Any] = {
        "ledger_id": row.id,
        "ref_id": row.refid,
        "timestamp": stamp(row.ts_ns),
        "type": row.type,
        "asset": code_of(asset),
        "asset_class": "currency",
        "category": row.type,
        "wallet_type": "spot",
        "wallet_id": "main",
    }
    return shown | {"amount": amount(row.amount), "fee": amount(row.fee), "balance": amount(row.balance)}

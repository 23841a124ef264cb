"""Koinly's universal template: trades and movements in twelve columns.  The file is imported by hand; Koinly has no upload API.

In: trades and cash movements.  Out: bytes.  Never: an amount with its fee inside, an unknown kind of movement passed over.

Amounts are gross, the fee stands beside them; a deposit row cannot carry a fee, so it shows what arrived.
Source: Koinly's help articles 9489976 (templates), 9490023 (tags), 9490025 (fees), read November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal, localcontext

from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import CashMovement, Side
from kracken_tasks.errors import BadData
from kracken_tasks.tax.tables import guarded, table_bytes
from kracken_tasks.tax.trade import Trade, shortest
from kracken_tasks.tax.values import FIAT, FREE_CREDITS

__all__ = ["INNER_MOVES", "KOINLY_COLUMNS", "MOVEMENT_LABELS", "koinly_bytes"]

KOINLY_COLUMNS = (
    "Date", "Sent Amount", "Sent Currency", "Received Amount", "Received Currency", "Fee Amount", "Fee Currency", "Net Worth Amount",
    "Net Worth Currency", "Label", "Description", "TxHash",
)  # fmt: skip

# The venue's word for a movement -> Koinly's label for (coins that came, coins that left).  ``type/subtype`` is looked up whole, then
# by its type.  A kind that is not here stops the export: it may be income, and income left out is a wrong return.
MOVEMENT_LABELS: dict[str, tuple[str, str]] = {
    "deposit": ("", ""),
    "opening": ("", ""),
    "withdrawal": ("", ""),
    "transfer": ("", ""),
    "staking": ("reward", "cost"),
    "earn/reward": ("reward", "cost"),
    "dividend": ("reward", "cost"),
    "rollover": ("fee refund", "margin fee"),
    "correction": ("fee refund", "cost"),  # the last digits of a fee, booked after the venue's ledger showed them
}
# Coins moved between pockets of one account (spot, staking, earn): neither income nor disposal, and no row.
INNER_MOVES = frozenset(
    {
        "earn/allocation", "earn/autoallocation", "earn/deallocation", "earn/migration", "transfer/stakingfromspot",
        "transfer/spotfromstaking", "transfer/spottostaking", "transfer/stakingtospot",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Line:
    """One row; the fields stand in the order of the columns."""

    date: str
    sent: str = ""
    sent_currency: str = ""
    received: str = ""
    received_currency: str = ""
    fee: str = ""
    fee_currency: str = ""
    worth: str = ""
    worth_currency: str = ""
    label: str = ""
    description: str = ""
    tx_hash: str = ""

    def cells(self) -> tuple[str, ...]:
        return tuple(guarded(getattr(self, field.name)) for field in fields(self))


def koinly_bytes(trades: Iterable[Trade], movements: Iterable[CashMovement] = (), *, exchange: str = "") -> bytes:
    """The file, sorted by timestamp and id.  ``exchange`` is named in the rows of movements.

    Raises: BadData naming a movement of a kind whose meaning for tax is not known.
    """
    lines = [(trade.timestamp, trade.trade_id, _trade_line(trade)) for trade in trades]
    for movement in movements:
        line = _movement_line(movement, exchange)
        if line is not None:
            lines.append((movement.ts, movement.movement_id, line))
    lines.sort(key=lambda item: item[:2])
    return table_bytes(KOINLY_COLUMNS, (line.cells() for _, _, line in lines))


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _trade_line(trade: Trade) -> _Line:
    base, quote = (shortest(trade.amount), trade.base), (shortest(trade.cost), trade.quote)
    sent, received = (quote, base) if trade.side is Side.BUY else (base, quote)
    pays_fee = bool(trade.fee_cost) and trade.fee_currency not in FREE_CREDITS
    priced = trade.quote in FIAT  # else Koinly prices it
    order = f"order {trade.order_id} " if trade.order_id else ""
    return _Line(
        _date(trade.timestamp), *sent, *received,
        fee=shortest(trade.fee_cost) if pays_fee else "",
        fee_currency=trade.fee_currency if pays_fee else "",
        worth=quote[0] if priced else "",
        worth_currency=quote[1] if priced else "",
        description=f"{trade.exchange} {order}trade {trade.trade_id}",
        tx_hash=f"{trade.exchange}-{trade.trade_id}",
    )  # fmt: skip


def _movement_line(movement: CashMovement, exchange: str) -> _Line | None:
    if movement.kind in INNER_MOVES:
        return None
    labels = MOVEMENT_LABELS.get(movement.kind) or MOVEMENT_LABELS.get(movement.kind.partition("/")[0])
    if labels is None:
        allowed = ", ".join(sorted(MOVEMENT_LABELS))
        raise BadData(
            f"movement {movement.movement_id}: what a {movement.kind!r} of {movement.asset} means for tax is not known; known: {allowed}",
            movement_id=movement.movement_id, kind=movement.kind, asset=movement.asset, allowed=allowed,
        )  # fmt: skip
    came_as, left_as = labels
    words = " ".join(part for part in (exchange, movement.kind, movement.reference_id) if part)
    names = {
        "description": words,
        "tx_hash": f"{exchange}-{movement.movement_id}" if exchange else movement.movement_id,
    }
    with localcontext(MONEY):
        net = movement.amount - movement.fee
    if net > 0:
        return _Line(
            _date(movement.ts), received=shortest(net), received_currency=movement.asset, label=came_as, **names
        )
    if movement.amount < 0:
        return _Line(
            _date(movement.ts), sent=shortest(-movement.amount), sent_currency=movement.asset, label=left_as, **names,
            **_fee_of(movement),
        )  # fmt: skip
    return _cost_line(movement, net, left_as, names)


def _fee_of(movement: CashMovement) -> dict[str, str]:
    return {"fee": shortest(movement.fee), "fee_currency": movement.asset} if movement.fee else {}


def _cost_line(movement: CashMovement, net: Decimal, label: str, names: dict[str, str]) -> _Line | None:
    """Nothing came and the fee left: a rollover, or a deposit eaten by its fee."""
    if not net:
        return None
    return _Line(_date(movement.ts), sent=shortest(-net), sent_currency=movement.asset, label=label or "cost", **names)

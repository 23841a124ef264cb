"""A trade as the tax room sees it, and how one is recognised in what users hold in their hands.

In: exact values, or a mapping with numbers, texts and a timestamp in any usual form.  Out: ``Trade``.
Never: a negative fee, a number that is not finite, a trade without a moment.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from typing import Any

from kracken_tasks.domain.clock import from_ms, iso, parse_utc, to_ms
from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.money import MONEY, plain
from kracken_tasks.domain.trading import Side
from kracken_tasks.errors import BadData

__all__ = ["Trade", "decimal_from", "moment_from", "once_each", "shortest", "trades_from_mappings"]

_ZERO = Decimal(0)
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$")
# Digits 16 and 17 of a float are its own noise (0.1 + 0.2 = 0.30000000000000004); 15 survive any way there and back.
_FLOAT_DIGITS = Context(prec=15)
# As seconds this is the year 5138, as milliseconds it is 1973: no trade in bitcoin is near either.
_MILLISECONDS_FROM = Decimal("1e11")
_LATEST_MS = Decimal("1e14")


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution.  ``amount`` in base, gross of fees; ``price`` in quote per base; ``fee_cost`` >= 0 in ``fee_currency``.

    ``exchange`` is the wallet whose lots it moves.  Times are UTC and kept to the millisecond, which is what the files hold.
    Raises: BadData if it cannot be a trade.
    """

    timestamp: datetime
    exchange: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal
    fee_cost: Decimal
    fee_currency: str
    trade_id: str
    order_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "timestamp", from_ms(to_ms(self.timestamp)))
        try:
            split_symbol(self.symbol)
        except ValueError as error:
            raise self._wrong("symbol", str(error)) from error
        if self.amount <= 0:
            raise self._wrong("amount", f"{self.amount} is not above zero")
        if self.price <= 0:
            raise self._wrong("price", f"{self.price} is not above zero")
        if self.fee_cost < 0:
            raise self._wrong("fee_cost", f"{self.fee_cost} is negative; book a rebate as income")
        if self.fee_cost and not self.fee_currency:
            raise self._wrong("fee_currency", "a fee needs its currency")
        for column in ("exchange", "fee_currency", "trade_id", "order_id"):
            if not str(getattr(self, column)).isprintable():
                raise self._wrong(column, "holds a character that cannot be printed")

    def _wrong(self, column: str, reason: str) -> BadData:
        which = f"trade {self.trade_id}: " if self.trade_id and self.trade_id.isprintable() else ""
        return BadData(f"{which}{column}: {reason}", trade_id=self.trade_id, column=column, reason=reason)

    @property
    def base(self) -> str:
        return split_symbol(self.symbol)[0]

    @property
    def quote(self) -> str:
        return split_symbol(self.symbol)[1]

    @property
    def cost(self) -> Decimal:
        """amount x price in quote, without the fee.  (A venue's own cost figure is truncated.)"""
        with localcontext(MONEY):
            return self.amount * self.price

    @property
    def facts(self) -> tuple[str, ...]:
        """What makes it the trade it is, as text; its moment and fee may be told a little differently by two endpoints."""
        return self.symbol, self.side.value, shortest(self.amount), shortest(self.price)

    def is_same_fill(self, other: Trade) -> bool:
        return self.facts == other.facts


def once_each(trades: Iterable[Trade]) -> list[Trade]:
    """In time order, the same fill told twice (REST and stream) kept once.  Rows of one instant keep their order.

    Raises: BadData if one id names two different trades.
    """
    known: dict[tuple[str, str], Trade] = {}
    for trade in trades:
        before = known.setdefault((trade.exchange, trade.trade_id), trade)
        if before is not trade and not before.is_same_fill(trade):
            raise BadData(
                f"trade id {trade.trade_id} on {trade.exchange} names two different trades",
                trade_id=trade.trade_id, exchange=trade.exchange, first=before.facts, second=trade.facts,
            )  # fmt: skip
    return sorted(known.values(), key=lambda trade: trade.timestamp)


def shortest(amount: Decimal) -> str:
    """Plain text of an amount: no exponent, no trailing zeros, no negative zero."""
    with localcontext(MONEY):
        return plain(amount.normalize())


# --- mappings, as users hold them ---


def trades_from_mappings(rows: Sequence[Mapping[str, Any] | Trade]) -> list[Trade]:
    """Trades from dicts ``{symbol, side, amount, price, timestamp, exchange, fee: {cost, currency}}`` (ccxt's form included).

    ``trade_id`` or ``id`` is kept; without one a stable id is made from the content, and equal rows count as several trades.
    Raises: BadData naming the position in the list, the key and the reason.
    """
    trades: list[Trade] = []
    seen: Counter[str] = Counter()
    for index, row in enumerate(rows):
        try:
            trade = row if isinstance(row, Trade) else _trade_of(row)
            trades.append(trade if trade.trade_id else replace(trade, trade_id=_made_id(trade, seen)))
        except BadData as error:
            raise BadData(f"trades[{index}]: {error.message}", **{**error.fields, "index": index}) from error
    return once_each(trades)


def _trade_of(row: Mapping[str, Any]) -> Trade:
    fee = row.get("fee") or {}
    if not isinstance(fee, Mapping):
        raise _bad("fee", f"{fee!r} is not a mapping with cost and currency")
    fee_cost = _ZERO if fee.get("cost") is None else decimal_from(fee["cost"], "fee.cost")
    return Trade(
        timestamp=moment_from(_required(row, "timestamp"), "timestamp"),
        exchange=_text(row.get("exchange")) or "unknown",
        symbol=_text(_required(row, "symbol")),
        side=_side(_required(row, "side")),
        amount=decimal_from(_required(row, "amount"), "amount"),
        price=decimal_from(_required(row, "price"), "price"),
        fee_cost=fee_cost,
        fee_currency=_text(fee.get("currency")) if fee_cost else "",
        trade_id=_text(row.get("trade_id") or row.get("id")),
        order_id=_text(row.get("order_id") or row.get("order")),
    )


def _made_id(trade: Trade, seen: Counter[str]) -> str:
    said = (iso(trade.timestamp), trade.exchange, *trade.facts, shortest(trade.fee_cost), trade.fee_currency)
    digest = hashlib.sha256("|".join(said).encode()).hexdigest()[:12]
    seen[digest] += 1
    return f"row-{digest}-{seen[digest]}"


def _required(row: Mapping[str, Any], key: str) -> Any:
    if row.get(key) is None:
        raise _bad(key, "is missing")
    return row[key]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _side(value: Any) -> Side:
    try:
        return Side(str(value).strip().lower())
    except ValueError:
        raise _bad("side", f"{value!r} is neither buy nor sell") from None


def decimal_from(value: Any, column: str) -> Decimal:
    """An exact amount from text, an integer or a Decimal; a float by the digits it prints, without its noise.

    Raises: BadData for anything that is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise _bad(column, f"{value!r} is not a number")
    text = repr(value) if isinstance(value, float) else str(value).strip()
    if not _NUMBER.match(text):
        raise _bad(column, f"{text!r} is not a number")
    exact = Decimal(text)
    return _FLOAT_DIGITS.plus(exact) if isinstance(value, float) else exact


def moment_from(value: Any, column: str) -> datetime:
    """Seconds or milliseconds since 1970 (told apart by size), ISO 8601 (without a zone: UTC), or an aware datetime.

    Raises: BadData for anything else.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _bad(column, f"{value!r} has no time zone")
        return value.astimezone(UTC)
    text = _text(value)
    if isinstance(value, int | float | Decimal) or _NUMBER.match(text):
        number = decimal_from(value, column)
        ms = number if abs(number) >= _MILLISECONDS_FROM else number * 1000
        if not 0 <= ms < _LATEST_MS:
            raise _bad(column, f"{value!r} is neither seconds nor milliseconds since 1970")
        return from_ms(int(ms))
    try:
        return parse_utc(text)
    except ValueError:
        raise _bad(column, f"{value!r} is no date; write 2024-03-04T09:15:02Z") from None


def _bad(column: str, reason: str) -> BadData:
    return BadData(f"{column}: {reason}", column=column, reason=reason)

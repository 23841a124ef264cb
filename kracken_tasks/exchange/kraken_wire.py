"""Kraken's rows in domain words: pure functions from what its REST endpoints answer.

In: raw dictionaries and lists (numbers as the text they arrived as).  Out: instruments, quotes, orders, fills, balances, frames.
Never: a call, a float where money is.

Source: Kraken REST reference (AssetPairs, Ticker, OHLC, Trades, OpenOrders, ClosedOrders, TradesHistory, Ledgers, BalanceEx), 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

from kracken_tasks.domain.market import (
    CANDLE_COLUMNS,
    TRADE_COLUMNS,
    Balance,
    CandleSource,
    Fees,
    Instrument,
    MarketStatus,
    OrderBook,
    Quote,
)
from kracken_tasks.domain.money import as_decimal
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderStatus, Side, VenueOrder

__all__ = [
    "as_booked",
    "balance_of",
    "candles_of",
    "fees_of",
    "fill_of",
    "instrument_of",
    "moment_of",
    "movement_of",
    "order_book_of",
    "order_of",
    "quote_of",
    "status_of",
    "trades_of",
    "without_lines",
]

Row = Mapping[str, Any]
SymbolOf = Callable[[str], str]
CodeOf = Callable[[str], str]

_STATUS: Final = {
    "pending": OrderStatus.OPEN,  # accepted, not in the book yet: it can still trade
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.CLOSED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
}
# Kinds we never send, but may find on an account that a person trades on too.
_UNUSUAL_KINDS: Final = {"iceberg": OrderKind.LIMIT, "settle-position": OrderKind.MARKET}
_TRIGGERED: Final = (
    OrderKind.STOP_LOSS,
    OrderKind.STOP_LOSS_LIMIT,
    OrderKind.TAKE_PROFIT,
    OrderKind.TAKE_PROFIT_LIMIT,
)
_TRAILING: Final = (OrderKind.TRAILING_STOP, OrderKind.TRAILING_STOP_LIMIT)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(seconds: str | int | float) -> datetime:
    """Unix seconds with a fraction, as text, into an exact UTC datetime (microseconds)."""
    return _EPOCH + timedelta(microseconds=int(Decimal(str(seconds)) * 1_000_000))


def instrument_of(exchange: str, symbol: str, pair: Row, base_decimals: int | None) -> Instrument:
    """An AssetPairs row.  The lot step is the coarser of the pair's and the asset's precision: Kraken credits at the asset's, and a
    sale of the full fill would otherwise lack funds (freqtrade issue 11765)."""
    decimals = [int(pair["lot_decimals"])] + ([] if base_decimals is None else [base_decimals])
    tick = Decimal(1).scaleb(-int(pair["pair_decimals"]))
    return Instrument(
        exchange=exchange,
        symbol=symbol,
        price_tick=max(tick, as_decimal(str(pair.get("tick_size") or tick))),
        lot_step=Decimal(1).scaleb(-min(decimals)),
        min_amount=as_decimal(str(pair.get("ordermin") or 0)),
        min_cost=as_decimal(str(pair.get("costmin") or 0)),
        maker_fee=_first_tier(pair.get("fees_maker") or pair.get("fees")),
        taker_fee=_first_tier(pair.get("fees")),
        status=status_of(str(pair.get("status") or "online")),
    )


def quote_of(symbol: str, row: Row, ts: datetime) -> Quote:
    """A Ticker row: first fields of ask, bid and last trade."""
    return Quote(symbol=symbol, bid=float(row["b"][0]), ask=float(row["a"][0]), last=float(row["c"][0]), ts=ts)


def status_of(word: str) -> str:
    """Kraken's word for a market's status as ``MarketStatus``; a word nobody knows stays as it is, and is not ``online``."""
    return MarketStatus(word) if word in set(MarketStatus) else word


def order_book_of(symbol: str, row: Row, ts: datetime) -> OrderBook:
    """A Depth answer: [price, volume, time] a level, best first."""
    sides = [tuple((float(level[0]), float(level[1])) for level in row[side]) for side in ("bids", "asks")]
    return OrderBook(symbol, sides[0], sides[1], ts)


def fees_of(told: Row, pair: str) -> Fees:
    """What TradeVolume says of one pair, in percent there."""
    taker = as_decimal(str(told["fees"][pair]["fee"])) / 100
    maker = (told.get("fees_maker") or {}).get(pair)
    return Fees(maker=taker if maker is None else as_decimal(str(maker["fee"])) / 100, taker=taker)


def candles_of(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """OHLC rows [time, open, high, low, close, vwap, volume, count] into the candle columns, source ``ohlc``."""
    table = np.array([[float(cell) for cell in row[:8]] for row in rows], dtype=np.float64).reshape(-1, 8)
    return pd.DataFrame(
        {
            "ts": pd.to_datetime((table[:, 0] * 1000).astype("int64"), unit="ms", utc=True).astype(
                "datetime64[ms, UTC]"
            ),
            "open": table[:, 1],
            "high": table[:, 2],
            "low": table[:, 3],
            "close": table[:, 4],
            "volume": table[:, 6],
            "vwap": table[:, 5],
            "trades": pd.array(table[:, 7].astype("int64"), dtype="Int64"),
            "source": CandleSource.OHLC.value,
        },
        columns=list(CANDLE_COLUMNS),
    )


def trades_of(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Trades rows [price, volume, time, side, kind, misc, id] into the trade columns, as the venue orders them."""
    seconds = np.array([float(row[2]) for row in rows], dtype=np.float64)
    whole = np.floor(seconds)
    # Rounding must not carry a trade into the next second, which may be the next candle.
    micros = np.minimum(np.rint((seconds - whole) * 1e6), 999_999)
    ids = [int(row[6]) if len(row) > 6 and str(row[6]).isdigit() else None for row in rows]
    return pd.DataFrame(
        {
            "ts": pd.to_datetime((whole * 1_000_000 + micros).astype("int64"), unit="us", utc=True),
            "price": np.array([float(row[0]) for row in rows], dtype=np.float64),
            "volume": np.array([float(row[1]) for row in rows], dtype=np.float64),
            "side": pd.array([str(row[3]) for row in rows], dtype="str"),
            "kind": pd.array([str(row[4]) for row in rows], dtype="str"),
            "trade_id": pd.array(ids, dtype="Int64"),
        },
        columns=list(TRADE_COLUMNS),
    )


def balance_of(asset: str, row: Row) -> Balance:
    """A BalanceEx row: the total, and what open orders hold."""
    return Balance(asset=asset, total=as_decimal(str(row["balance"])), held=as_decimal(str(row.get("hold_trade") or 0)))


def order_of(order_id: str, row: Row, symbol_of: SymbolOf) -> VenueOrder:
    """An order as OpenOrders, ClosedOrders and QueryOrders tell it.  ``refid`` is the order whose fill placed this one."""
    text = row["descr"]
    kind = _UNUSUAL_KINDS.get(text["ordertype"]) or OrderKind(text["ordertype"])
    trigger, limit = _prices_of(kind, text, row)
    filled = as_decimal(str(row["vol_exec"]))
    closed = row.get("closetm")
    return VenueOrder(
        order_id=order_id,
        client_order_id=row.get("cl_ord_id") or None,
        parent_id=row.get("refid") or None,
        symbol=symbol_of(text["pair"]),
        side=Side(text["type"]),
        kind=kind,
        status=_STATUS[row["status"]],
        amount=as_decimal(str(row["vol"])),
        filled=filled,
        average_price=as_decimal(str(row["price"])) if filled > 0 else None,
        limit_price=limit,
        trigger_price=trigger,
        opened_at=moment_of(row["opentm"]),
        closed_at=moment_of(closed) if closed and Decimal(str(closed)) else None,
    )


def fill_of(trade_id: str, row: Row, symbol_of: SymbolOf, quote_asset_of: Callable[[str], str]) -> Fill:
    """A TradesHistory or QueryTrades row.  Kraken prints the fee in quote currency here; ``as_booked`` knows better."""
    symbol = symbol_of(row["pair"])
    return Fill(
        trade_id=trade_id,
        order_id=row["ordertxid"],
        symbol=symbol,
        side=Side(row["type"]),
        amount=as_decimal(str(row["vol"])),
        price=as_decimal(str(row["price"])),
        cost=as_decimal(str(row["cost"])),
        fee=as_decimal(str(row["fee"])),
        fee_currency=quote_asset_of(symbol),
        ts=moment_of(row["time"]),
        liquidity="maker" if str(row.get("maker", "")).lower() == "true" else "taker",
    )


def movement_of(movement_id: str, row: Row, code_of: CodeOf) -> CashMovement:
    """A Ledgers row.  The kind carries the subtype after a slash where there is one."""
    subtype = str(row.get("subtype") or "")
    balance = row.get("balance")
    return CashMovement(
        movement_id=movement_id,
        reference_id=str(row.get("refid") or ""),
        kind=f"{row['type']}/{subtype}" if subtype else str(row["type"]),
        asset=code_of(row["asset"]),
        amount=as_decimal(str(row["amount"])),
        fee=as_decimal(str(row.get("fee") or 0)),
        ts=moment_of(row["time"]),
        balance_after=None if balance in (None, "") else as_decimal(str(balance)),
    )


def as_booked(fills: Sequence[Fill], lines: Sequence[CashMovement]) -> list[Fill]:
    """The same fills with cost and fee as the venue's ledger booked them, and the fee in the asset it was really taken in.

    Trade history prints cost and fee to five decimals and always in quote currency; what moved the balances stands in the ledger, to the
    asset's own decimals, and may be a fee in base or in credits (dali-rp2 issue 219, rotki issue 3500).  A fill whose lines are not there
    keeps what history says.  The amount stays the executed one, so that fills add up to their order.
    """
    by_fill = _by_fill(lines)
    return [_booked(fill, by_fill.get(fill.trade_id, [])) for fill in fills]


def without_lines(fills: Sequence[Fill], lines: Sequence[CashMovement]) -> frozenset[str]:
    """Trade ids of the fills that the venue's ledger does not show in both assets: what they moved is not known to the last digit."""
    by_fill = _by_fill(lines)
    return frozenset(fill.trade_id for fill in fills if _cost_of(fill, by_fill.get(fill.trade_id, [])) is None)


def _by_fill(lines: Sequence[CashMovement]) -> dict[str, list[CashMovement]]:
    found: dict[str, list[CashMovement]] = {}
    for line in lines:
        found.setdefault(line.reference_id, []).append(line)
    return found


def _cost_of(fill: Fill, lines: Sequence[CashMovement]) -> Decimal | None:
    base, _, quote = fill.symbol.partition("/")
    costs = [abs(line.amount) for line in lines if line.asset == quote]
    return costs[0] if len(costs) == 1 and any(line.asset == base for line in lines) else None


def _booked(fill: Fill, lines: Sequence[CashMovement]) -> Fill:
    cost = _cost_of(fill, lines)
    if cost is None:
        return fill
    quote = fill.symbol.partition("/")[2]
    charged = next((line for line in lines if line.fee > 0), None)
    fee, currency = (charged.fee, charged.asset) if charged else (Decimal(0), quote)
    return replace(fill, cost=cost, fee=fee, fee_currency=currency)


def _first_tier(tiers: Any) -> Decimal:
    # [[30-day volume, percent], ...]: the first is what an account without volume pays.
    return as_decimal(str(tiers[0][1])) / 100 if tiers else Decimal(0)


def _prices_of(kind: OrderKind, text: Row, row: Row) -> tuple[Decimal | None, Decimal | None]:
    first, second = _price(text.get("price")), _price(text.get("price2"))
    if kind in _TRIGGERED:
        return first, second
    if kind in _TRAILING:
        return _price(row.get("stopprice")), _price(
            row.get("limitprice")
        ) if kind is OrderKind.TRAILING_STOP_LIMIT else None
    return None, first if kind is OrderKind.LIMIT else None


def _price(text: Any) -> Decimal | None:
    # Kraken writes "0" for "none"; a trailing order's price is an offset ("+5.0%"), not a price.
    raw = str(text or "0")
    if raw[0] in "+-" or raw.endswith("%"):
        return None
    value = as_decimal(raw)
    return value if value else None

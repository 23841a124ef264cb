"""ccxt's unified structures in domain words: pure functions from what it hands out with its numbers kept as text.

In: dictionaries and lists.  Out: instruments, quotes, orders, fills, frames.  Never: a call, a float where money is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.domain.market import CANDLE_COLUMNS, TRADE_COLUMNS, CandleSource, Instrument, MarketStatus, Quote
from kracken_tasks.domain.money import as_decimal
from kracken_tasks.domain.trading import Fill, OrderKind, OrderStatus, Side, VenueOrder

__all__ = ["candles_of", "fill_of", "has_prices", "instrument_of", "order_of", "quote_of", "trades_of"]

_STATUS: Final = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.CLOSED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}


def instrument_of(exchange: str, market: Mapping[str, Any]) -> Instrument:
    limits = market["limits"]
    return Instrument(
        exchange=exchange,
        symbol=market["symbol"],
        price_tick=as_decimal(str(market["precision"]["price"])),
        lot_step=as_decimal(str(market["precision"]["amount"])),
        min_amount=as_decimal(str(limits["amount"].get("min") or 0)),
        min_cost=as_decimal(str((limits.get("cost") or {}).get("min") or 0)),
        maker_fee=as_decimal(str(market.get("maker") or 0)),
        taker_fee=as_decimal(str(market.get("taker") or 0)),
        status=MarketStatus.OFFLINE if market.get("active") is False else MarketStatus.ONLINE,
    )


def has_prices(row: Mapping[str, Any]) -> bool:
    return row.get("bid") is not None and row.get("ask") is not None


def quote_of(symbol: str, row: Mapping[str, Any], ts: datetime) -> Quote:
    bid, ask = float(row["bid"]), float(row["ask"])
    last = row.get("last")
    return Quote(symbol, bid, ask, (bid + ask) / 2 if last is None else float(last), ts)


def candles_of(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    table = np.array([[float(cell) for cell in row[:6]] for row in rows], dtype=np.float64).reshape(-1, 6)
    stamps = pd.to_datetime(table[:, 0].astype("int64"), unit="ms", utc=True).astype("datetime64[ms, UTC]")
    columns: dict[str, Any] = {"ts": stamps}
    columns |= {name: table[:, at] for at, name in enumerate(("open", "high", "low", "close", "volume"), start=1)}
    columns |= {
        "vwap": np.nan,
        "trades": pd.array([None] * len(rows), dtype="Int64"),
        "source": CandleSource.OHLC.value,
    }
    return pd.DataFrame(columns, columns=list(CANDLE_COLUMNS))


def trades_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    ids = [int(row["id"]) if str(row.get("id") or "").isdigit() else None for row in rows]
    return pd.DataFrame(
        {
            "ts": pd.to_datetime([int(row["timestamp"]) for row in rows], unit="ms", utc=True).astype(
                "datetime64[us, UTC]"
            ),
            "price": np.array([float(row["price"]) for row in rows], dtype=np.float64),
            "volume": np.array([float(row["amount"]) for row in rows], dtype=np.float64),
            "side": pd.array([str(row.get("side") or "")[:1] for row in rows], dtype="str"),
            "kind": pd.array([str(row.get("type") or "")[:1] for row in rows], dtype="str"),
            "trade_id": pd.array(ids, dtype="Int64"),
        },
        columns=list(TRADE_COLUMNS),
    )


def order_of(row: Mapping[str, Any]) -> VenueOrder:
    filled = as_decimal(str(row.get("filled") or 0))
    price = row.get("price")
    return VenueOrder(
        order_id=str(row["id"]),
        client_order_id=row.get("clientOrderId") or None,
        parent_id=None,
        symbol=row["symbol"],
        side=Side(row["side"]),
        kind=OrderKind.MARKET if row.get("type") == "market" else OrderKind.LIMIT,
        status=_STATUS[row["status"]],
        amount=_whole_amount(row, filled),
        filled=filled,
        average_price=as_decimal(str(row["average"])) if filled > 0 and row.get("average") else None,
        limit_price=None if price is None or row.get("type") == "market" else as_decimal(str(price)),
        trigger_price=None,
        opened_at=from_ms(int(row["timestamp"])),
    )


def _whole_amount(row: Mapping[str, Any], filled: Decimal) -> Decimal:
    # Bitstamp tells a single order's rest only, and ccxt leaves that in the raw row.
    if row["amount"] is None:
        return filled + as_decimal(str(row["info"]["amount_remaining"]))
    return as_decimal(str(row["amount"]))


def fill_of(row: Mapping[str, Any]) -> Fill:
    amount, price = as_decimal(str(row["amount"])), as_decimal(str(row["price"]))
    fee = row.get("fee") or {}
    return Fill(
        trade_id=str(row["id"]),
        order_id=str(row.get("order") or ""),
        symbol=row["symbol"],
        side=Side(row["side"]),
        amount=amount,
        price=price,
        cost=as_decimal(str(row["cost"])) if row.get("cost") else amount * price,
        fee=as_decimal(str(fee.get("cost") or 0)),
        fee_currency=str(fee.get("currency") or row["symbol"].partition("/")[2]),
        ts=from_ms(int(row["timestamp"])),
        liquidity=str(row.get("takerOrMaker") or "taker"),
    )

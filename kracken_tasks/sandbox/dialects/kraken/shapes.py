"""Wire shapes of private answers: orders, trades, ledger rows, as recorded from Kraken.

In: engine values.  Out: JSON-ready dicts with Kraken's keys, order and number formats.  Never: a decision.
"""

from __future__ import annotations

from typing import Any

from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.assets import Asset
from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.engine.orders import CloseTerms, Fill, Kind, LedgerRow, Order, PriceTerm
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing

__all__ = [
    "close_text",
    "ledger_json",
    "order_json",
    "order_text",
    "print_decimals",
    "seconds_of",
    "term_text",
    "trade_json",
    "volume_text",
]

_FEE_DECIMALS = 8
_COST_DECIMALS = 5


def print_decimals(listing: Listing) -> int:
    """Costs, fees and average prices come with five decimals, or the pair's if it has more."""
    return max(_COST_DECIMALS, listing.price_decimals)


def seconds_of(ts_ns: int) -> float:
    """Kraken prints moments as fractions of a second."""
    return ts_ns / NS_PER_SECOND


def _cut(value: int, decimals: int, to: int) -> str:
    return text_of(value // 10 ** (decimals - to) if decimals > to else value * 10 ** (to - decimals), to)


def term_text(term: PriceTerm | None, decimals: int) -> str:
    if term is None:
        return "0"
    return f"{term.sign}{text_of(term.value, 4)}%" if term.percent else f"{term.sign}{text_of(term.value, decimals)}"


def _prices(order: Order, decimals: int) -> tuple[str, str]:
    if order.kind.is_trailing:
        return term_text(order.trail, decimals), term_text(order.trail_limit, decimals)
    price = text_of(order.price, decimals) if order.price else "0"
    return price, text_of(order.price2, decimals) if order.price2 else "0"


def _at(kind: Kind, price: str, price2: str) -> str:
    """``limit 50.00000``, ``stop loss 55.0 -> limit 54.0``."""
    if kind is Kind.MARKET:
        return "market"
    name = kind.value.removesuffix("-limit").replace("-", " ") or "limit"
    words = f"{name} {price}"
    return f"{words} -> limit {price2}" if kind.waits_for_trigger and kind.ends_as_limit else words


def volume_text(order: Order, listing: Listing) -> str:
    if order.quote_volume:
        return _cut(order.quote_volume, listing.cost_decimals, _FEE_DECIMALS)
    return text_of(order.lots, LOT_DECIMALS)


def order_text(order: Order, listing: Listing) -> str:
    """``buy 0.10000000 LTCUSDT @ limit 50.00000``."""
    side = "buy" if order.side > 0 else "sell"
    at = _at(order.kind, *_prices(order, listing.price_decimals))
    return f"{side} {volume_text(order, listing)} {listing.spec.altname} @ {at}"


def close_text(close: CloseTerms | None, listing: Listing) -> str:
    if close is None:
        return ""
    decimals = listing.price_decimals
    return f"close position @ {_at(close.kind, term_text(close.price, decimals), term_text(close.price2, decimals))}"


def order_json(order: Order, listing: Listing, with_trades: bool) -> dict[str, Any]:
    """An order as OpenOrders, ClosedOrders and QueryOrders show it."""
    decimals = print_decimals(listing)
    price, price2 = _prices(order, listing.price_decimals)
    average = order.cost // order.filled if order.filled else 0
    if order.filled:  # to print decimals, from the exact cost
        average = order.cost * 10 ** (decimals - listing.price_decimals) // order.filled
    shown: dict[str, Any] = {"refid": order.refid, "userref": order.userref}
    if order.cl_ord_id is not None:
        shown["cl_ord_id"] = order.cl_ord_id
    shown |= {
        "status": order.status.value,
        "opentm": seconds_of(order.opened_ns),
        "starttm": seconds_of(order.start_ns) if order.start_ns else 0,
        "expiretm": seconds_of(order.expire_ns) if order.expire_ns else 0,
        "descr": {
            "pair": listing.spec.altname,
            "type": "buy" if order.side > 0 else "sell",
            "ordertype": order.kind.value,
            "price": price,
            "price2": price2,
            "leverage": "none",
            "order": order_text(order, listing),
            "close": close_text(order.close, listing),
        },
        "vol": volume_text(order, listing),
        "vol_exec": text_of(order.filled, LOT_DECIMALS),
        "cost": _cut(order.cost, listing.cost_decimals, decimals),
        "fee": _cut(order.fee_e8, _FEE_DECIMALS, decimals),
        "price": text_of(average, decimals),
        "stopprice": _cut(order.stop, listing.price_decimals, decimals),
        "limitprice": _cut(_limit_shown(order), listing.price_decimals, decimals),
        "misc": "",
        "oflags": ",".join(order.flags),
    }
    if order.trigger is not None:
        shown["trigger"] = order.trigger
    if with_trades and order.trades:
        shown["trades"] = list(order.trades)
    if order.status.is_live:
        return shown
    return shown | {"reason": order.reason, "closetm": seconds_of(order.closed_ns)}


def _limit_shown(order: Order) -> int:
    if order.trail_limit is not None:
        return order.limit or max(0, order.trail_limit.resolved(order.stop, order.side > 0))
    return order.limit if order.triggered else 0


def trade_json(fill: Fill, listing: Listing) -> dict[str, Any]:
    """An execution as TradesHistory shows it; the fee is told in quote, whatever it was paid in."""
    decimals = print_decimals(listing)
    return {
        "ordertxid": fill.txid,
        "postxid": fill.id,
        "pair": listing.spec.key,
        "aclass": "forex",
        "time": seconds_of(fill.ts_ns),
        "type": "buy" if fill.side > 0 else "sell",
        "ordertype": fill.kind.value,
        "price": _cut(fill.price, listing.price_decimals, decimals),
        "cost": _cut(fill.cost, listing.cost_decimals, decimals),
        "fee": _cut(fill.fee_e8, _FEE_DECIMALS, decimals),
        "vol": text_of(fill.lots, LOT_DECIMALS),
        "margin": text_of(0, decimals),
        "leverage": "0",
        "misc": "",
        "trade_id": fill.no,
        "maker": fill.maker,
    }


def ledger_json(row: LedgerRow, asset: Asset) -> dict[str, Any]:
    return {
        "refid": row.refid,
        "time": seconds_of(row.ts_ns),
        "type": row.type,
        "subtype": "",
        "aclass": "currency",
        "asset": row.asset,
        "amount": text_of(row.amount, asset.decimals),
        "fee": text_of(row.fee, asset.decimals),
        "balance": text_of(row.balance, asset.decimals),
    }

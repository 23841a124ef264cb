"""Coinbase's orders and fills.

In: a signed call.  Out: JSON-ready answers with Coinbase's keys.  A client order id is good for one order: sent again, it answers
with the order it already made.  An order's id is a UUID that carries its number.  Never: a balance.
Source: Coinbase Advanced Trade API documentation, "Orders".
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Final

from kracken_tasks.domain.clock import parse_utc, to_ns
from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.assets import asset_from_key
from kracken_tasks.sandbox.dialects.coinbase.errors import argument, failed_order, failure_of, not_found
from kracken_tasks.sandbox.dialects.coinbase.order_request import DOWN, LIMITS, STOPS, OrderFailed, order_spec
from kracken_tasks.sandbox.dialects.coinbase.public import listing_of, price_text, size_text, stamp, trimmed, whole
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint
from kracken_tasks.sandbox.engine.orders import Fill, Kind, Order, Refused, Status
from kracken_tasks.sandbox.listing import Listing
from kracken_tasks.sandbox.store import Window

__all__ = ["ORDERS"]

_ALL: Final = 1_000_000
_ORDERS, _FILLS = 100, 100
_STATUS: Final = {
    Status.PENDING: "PENDING",
    Status.OPEN: "OPEN",
    Status.CLOSED: "FILLED",
    Status.CANCELED: "CANCELLED",
    Status.EXPIRED: "EXPIRED",
}
_TIFS: Final = {
    "GTC": "GOOD_UNTIL_CANCELLED",
    "GTD": "GOOD_UNTIL_DATE_TIME",
    "IOC": "IMMEDIATE_OR_CANCEL",
    "FOK": "FILL_OR_KILL",
}


def create_order(call: Call) -> Any:
    listing = listing_of(call)
    configuration, client_id = call.values.get("order_configuration"), call.text("client_order_id")
    if client_id is None:
        raise argument("client_order_id is required")
    known = next((order for order in call.orders() if order.cl_ord_id == client_id), None)
    try:
        order = known or call.venue.desk.place(call.account, order_spec(call, listing), call.now_ns)
    except Refused as refused:
        failure = refused.failure if isinstance(refused, OrderFailed) else failure_of(refused.reason)
        return failed_order(failure, configuration)
    return {
        "success": True,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": order_id(order),
        "success_response": {
            "order_id": order_id(order),
            "product_id": listing.spec.key,
            "side": "BUY" if order.side > 0 else "SELL",
            "client_order_id": client_id,
        },
        "order_configuration": configuration,
    }


def preview_order(call: Call) -> Any:
    listing = listing_of(call)
    try:
        call.venue.desk.place(call.account, order_spec(call, listing), call.now_ns, validate_only=True)
    except Refused as refused:
        failure = refused.failure if isinstance(refused, OrderFailed) else failure_of(refused.reason)
        return {"errs": [failure[1]], "warning": [], "preview_id": ""}
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, 1)
    return {
        "errs": [],
        "warning": [],
        "best_bid": price_text(bids[0][0], listing) if bids else "",
        "best_ask": price_text(asks[0][0], listing) if asks else "",
        "preview_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.account}:{call.now_ns}")),
    }


def order_id(order: Order) -> str:
    """A UUID of its own whose last group is the order's number."""
    digest = hashlib.sha256(order.txid.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[12:15]}-8{digest[15:18]}-{order.no:012x}"


def _order(call: Call, wanted: str) -> Order | None:
    tail = wanted.rpartition("-")[2]
    try:
        found = call.order_numbered(int(tail, 16)) if len(tail) == 12 else None
    except ValueError:
        return None
    return found if found is not None and order_id(found) == wanted else None


def get_order(call: Call) -> Any:
    order = _order(call, call.text("order_id") or "")
    if order is None:
        reason = "order with this orderID was not found"
        raise not_found(reason) from None
    return {"order": order_json(call, order)}


def list_orders(call: Call) -> Any:
    """Newest first: of products, in states, opened within [start_date, end_date); ``cursor`` goes on below an order's number."""
    states, products = _many(call, "order_status"), {*_many(call, "product_ids"), *_many(call, "product_id")}
    start, end, cursor = _moment(call, "start_date"), _moment(call, "end_date"), whole(call, "cursor")
    limit = whole(call, "limit") or _ORDERS
    by_symbol = call.venue.listings.by_symbol
    rows = [
        order
        for order in reversed(call.orders())
        if (not states or _STATUS[order.status] in states)
        and (not products or by_symbol[order.symbol].spec.key in products)
        and (start is None or order.opened_ns >= start)
        and (end is None or order.opened_ns < end)
        and (cursor is None or order.no < cursor)
    ]
    page = rows[:limit]
    more = len(rows) > limit
    return {
        "orders": [order_json(call, order) for order in page],
        "sequence": "0",
        "has_next": more,
        "cursor": str(page[-1].no) if more else "",
    }


def _many(call: Call, name: str) -> set[str]:
    value = call.values.get(name)
    if not value:
        return set()
    return set(value) if isinstance(value, list) else {str(value)}


def _moment(call: Call, name: str) -> int | None:
    value = call.text(name)
    if value is None:
        return None
    try:
        return to_ns(parse_utc(value))
    except ValueError:
        raise argument(f"{name} must be RFC 3339") from None


def list_fills(call: Call) -> Any:
    """Newest first; as ``list_orders``."""
    orders, products = (
        {*_many(call, "order_ids"), *_many(call, "order_id")},
        {*_many(call, "product_ids"), *_many(call, "product_id")},
    )
    start, end = _moment(call, "start_sequence_timestamp"), _moment(call, "end_sequence_timestamp")
    limit, cursor = whole(call, "limit") or _FILLS, whole(call, "cursor")
    ids = {order.txid: order_id(order) for order in call.orders()}
    by_symbol = call.venue.listings.by_symbol
    rows = [
        fill
        for fill in call.venue.store.fills(call.account, Window(), _ALL).rows
        if (not orders or ids[fill.txid] in orders)
        and (not products or by_symbol[fill.symbol].spec.key in products)
        and (start is None or fill.ts_ns >= start)
        and (end is None or fill.ts_ns <= end)
        and (cursor is None or fill.no < cursor)
    ]
    page = rows[:limit]
    return {
        "fills": [_fill_json(fill, by_symbol[fill.symbol], ids[fill.txid], call.account) for fill in page],
        "cursor": str(page[-1].no) if len(rows) > limit else "",
    }


def _fill_json(fill: Fill, listing: Listing, own_order: str, account: str) -> dict[str, Any]:
    return {
        "entry_id": hashlib.sha256(fill.id.encode()).hexdigest(),
        "trade_id": str(uuid.uuid5(uuid.NAMESPACE_OID, fill.id)),
        "order_id": own_order,
        "trade_time": stamp(fill.ts_ns),
        "trade_type": "FILL",
        "price": price_text(fill.price, listing),
        "size": size_text(fill.lots),
        "commission": trimmed(fill.fee_e8, 8),
        "product_id": listing.spec.key,
        "sequence_timestamp": stamp(fill.ts_ns),
        "liquidity_indicator": "MAKER" if fill.maker else "TAKER",
        "size_in_quote": False,
        "user_id": str(uuid.uuid5(uuid.NAMESPACE_OID, account)),
        "side": "BUY" if fill.side > 0 else "SELL",
    }


def cancel_orders(call: Call) -> Any:
    ids = call.values.get("order_ids")
    if not isinstance(ids, list) or not ids:
        raise argument("order_ids is required")
    results = []
    for wanted in map(str, ids):
        order = _order(call, wanted)
        live = order is not None and order.status.is_live
        if order is not None and live:
            call.venue.desk.cancel(order, call.now_ns)
        reason = "UNKNOWN_CANCEL_FAILURE_REASON" if live else "UNKNOWN_CANCEL_ORDER"
        results.append({"success": live, "failure_reason": reason, "order_id": wanted})
    return {"results": results}


def order_json(call: Call, order: Order) -> dict[str, Any]:
    listing = call.venue.listings.by_symbol[order.symbol]
    fees, worth = trimmed(order.fee_e8, 8), trimmed(order.cost, listing.cost_decimals)
    average = trimmed(order.cost * 10**10 // order.filled, listing.price_decimals + 10) if order.filled else "0"
    share = 10_000 * order.filled // order.lots if order.lots else 10_000 if order.filled else 0
    last = call.venue.store.fill(order.account, order.trades[-1]) if order.trades else None
    after = order.cost + order.side * order.fee_e8 * 10 ** (listing.cost_decimals - 8)
    return {
        "order_id": order_id(order),
        "product_id": listing.spec.key,
        "user_id": str(uuid.uuid5(uuid.NAMESPACE_OID, order.account)),
        "order_configuration": _configuration(order, listing),
        "side": "BUY" if order.side > 0 else "SELL",
        "client_order_id": order.cl_ord_id or "",
        "status": _STATUS[order.status],
        "time_in_force": _TIFS[order.tif],
        "created_time": stamp(order.opened_ns),
        "completion_percentage": text_of(share, 2) if share else "0",
        "filled_size": size_text(order.filled),
        "average_filled_price": average,
        "fee": "",
        "number_of_fills": str(len(order.trades)),
        "filled_value": worth,
        "pending_cancel": False,
        "size_in_quote": order.quote_volume > 0,
        "total_fees": fees,
        "size_inclusive_of_fees": False,
        "total_value_after_fees": trimmed(after, listing.cost_decimals),
        "trigger_status": _trigger_status(order),
        "order_type": "MARKET"
        if order.kind is Kind.MARKET
        else "STOP_LIMIT"
        if order.kind.waits_for_trigger
        else "LIMIT",
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": not order.status.is_live,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": order.reason or "" if order.status is Status.CANCELED else "",
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": "0" if not order.status.is_live else _held(call, order),
        "is_liquidation": False,
        "last_fill_time": stamp(last.ts_ns) if last is not None else None,
        "edit_history": [],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
    }


def _held(call: Call, order: Order) -> str:
    asset, amount = call.venue.engine.booking.hold_of(order)
    return trimmed(amount, asset_from_key(asset).decimals)


def _trigger_status(order: Order) -> str:
    if not order.kind.waits_for_trigger:
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if order.triggered else "STOP_PENDING"


def _configuration(order: Order, listing: Listing) -> dict[str, Any]:
    if order.kind is Kind.MARKET:
        spent = {"quote_size": text_of(order.quote_volume, listing.cost_decimals)}
        return {"market_market_ioc": spent if order.quote_volume else {"base_size": size_text(order.lots)}}
    terms: dict[str, Any] = {"base_size": size_text(order.lots)}
    if order.expire_ns:
        terms["end_time"] = stamp(order.expire_ns)
    if order.kind is Kind.LIMIT:
        name = next(name for name, tif in LIMITS.items() if tif == order.tif)
        return {name: {**terms, "limit_price": price_text(order.price, listing), "post_only": order.post_only}}
    falling = order.kind.triggers_when_falling(order.side)
    stop = {
        "limit_price": price_text(order.price2, listing),
        "stop_price": price_text(order.price, listing),
        "stop_direction": DOWN if falling else "STOP_DIRECTION_STOP_UP",
    }
    name = next(name for name, tif in STOPS.items() if tif == order.tif)
    return {name: {**terms, **stop}}


_V3: Final = "/api/v3/brokerage"
ORDERS: Final = (
    Endpoint("POST", f"{_V3}/orders", "POST orders", create_order, private=True),
    Endpoint("POST", f"{_V3}/orders/preview", "orders/preview", preview_order, private=True),
    Endpoint("POST", f"{_V3}/orders/batch_cancel", "orders/batch_cancel", cancel_orders, private=True),
    Endpoint("GET", f"{_V3}/orders/historical/batch", "orders/historical/batch", list_orders, private=True),
    Endpoint("GET", f"{_V3}/orders/historical/fills", "orders/historical/fills", list_fills, private=True),
    Endpoint("GET", f"{_V3}/orders/historical/{{order_id}}", "orders/historical", get_order, private=True),
)

"""Coinbase's accounts, orders and fills.

In: a signed call.  Out: JSON-ready answers with Coinbase's keys.  Fees are taken in the quote.  A client order id is good for one
order: sent again, it answers with the order it already made.  An order's id is a UUID that carries its number.
Source: Coinbase Advanced Trade API documentation, "Orders", "Accounts", "Fees".
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Final

from kracken_tasks.domain.clock import parse_utc, to_ns
from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.dialects.coinbase.errors import argument, failed_order, failure_of, not_found
from kracken_tasks.sandbox.dialects.coinbase.public import (
    listing_of,
    price_text,
    read_decimal,
    size_text,
    stamp,
    whole,
)
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint
from kracken_tasks.sandbox.engine.orders import Fill, Kind, Order, OrderSpec, PriceTerm, Refused, Status
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.market.pairs import code_of
from kracken_tasks.sandbox.store import Window

__all__ = ["ACCOUNT"]

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
_LIMITS: Final = {"limit_limit_gtc": "GTC", "limit_limit_gtd": "GTD", "limit_limit_fok": "FOK", "sor_limit_ioc": "IOC"}
_STOPS: Final = {"stop_limit_stop_limit_gtc": "GTC", "stop_limit_stop_limit_gtd": "GTD"}
_DOWN: Final = "STOP_DIRECTION_STOP_DOWN"
_SIZE = ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_SIZE_PRECISION", "Invalid size precision")
_PRICE = ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_PRICE_PRECISION", "Invalid price precision")
_CONFIGURATION = (
    "UNSUPPORTED_ORDER_CONFIGURATION",
    "UNKNOWN_PREVIEW_FAILURE_REASON",
    "Unsupported order configuration",
)
_ABOVE = (
    "UNKNOWN_FAILURE_REASON",
    "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
    "Stop price is above the last trade price",
)
_BELOW = (
    "UNKNOWN_FAILURE_REASON",
    "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE",
    "Stop price is below the last trade price",
)


class _Failed(Refused):
    """An order that fails inside an HTTP 200."""

    def __init__(self, failure: tuple[str, str, str]) -> None:
        super().__init__(failure[0])
        self.failure = failure


def accounts(call: Call) -> Any:
    rows = [_account_json(call, code, *amounts) for code, amounts in sorted(call.balances().items())]
    return {"accounts": rows, "has_next": False, "cursor": "", "size": len(rows)}


def one_account(call: Call) -> Any:
    wanted = call.text("account_uuid")
    for row in accounts(call)["accounts"]:
        if row["uuid"] == wanted:
            return {"account": row}
    raise not_found("account not found")


def accounts_v2(call: Call) -> Any:
    """The older listing, which tells no holds: what ccxt's balance reads unless told otherwise."""
    codes = {code_of(asset.key): asset for asset in call.venue.listings.assets()}
    rows = [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.account}:{code}")),
            "name": f"{code} Wallet",
            "primary": False,
            "type": "fiat" if codes[code].fiat else "wallet",
            "currency": {"code": code, "name": code, "exponent": 8, "type": "fiat" if codes[code].fiat else "crypto"},
            "balance": {"amount": text_of(total, decimals), "currency": code},
            "resource": "account",
        }
        for code, (total, _, decimals) in sorted(call.balances().items())
    ]
    return {"pagination": {"ending_before": None, "starting_after": None, "limit": 250, "order": "desc"}, "data": rows}


def _account_json(call: Call, code: str, total: int, held: int, decimals: int) -> dict[str, Any]:
    fiat = any(asset.fiat and asset.altname == code for asset in call.venue.listings.assets())
    opened = stamp(call.venue.market.first_trade_ns(next(iter(call.venue.listings.by_symbol))))
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.account}:{code}")),
        "name": f"{code} Wallet",
        "currency": code,
        "available_balance": {"value": text_of(total - held, decimals), "currency": code},
        "default": True,
        "active": True,
        "created_at": opened,
        "updated_at": opened,
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if fiat else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": text_of(held, decimals), "currency": code},
        "retail_portfolio_id": _portfolio(call),
    }


def _portfolio(call: Call) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, call.account))


def portfolios(call: Call) -> Any:
    return {"portfolios": [{"name": "Default", "uuid": _portfolio(call), "type": "DEFAULT", "deleted": False}]}


def transaction_summary(call: Call) -> Any:
    volume = call.venue.engine.booking.volume_cents(call.account, call.now_ns)
    schedule = next(iter(call.venue.listings.by_symbol.values())).schedule
    tier = schedule.at(volume)
    following = schedule.after(tier)
    return {
        "total_volume": volume / 100,
        "total_fees": 0,
        "fee_tier": {
            "pricing_tier": f"Advanced {schedule.tiers.index(tier) + 1}",
            "usd_from": str(tier.volume_usd),
            "usd_to": str(following.volume_usd) if following else "",
            "taker_fee_rate": text_of(tier.taker_ppm, 6),
            "maker_fee_rate": text_of(tier.maker_ppm, 6),
            "aop_from": "",
            "aop_to": "",
        },
        "margin_rate": None,
        "goods_and_services_tax": None,
        "advanced_trade_only_volume": volume / 100,
        "advanced_trade_only_fees": 0,
        "coinbase_pro_volume": 0,
        "coinbase_pro_fees": 0,
        "total_balance": "",
        "has_promo_fee": False,
    }


def create_order(call: Call) -> Any:
    listing = listing_of(call)
    configuration, client_id = call.values.get("order_configuration"), call.text("client_order_id")
    if client_id is None:
        raise argument("client_order_id is required")
    known = next((order for order in call.orders() if order.cl_ord_id == client_id), None)
    try:
        order = known or call.venue.desk.place(call.account, _spec(call, listing), call.now_ns)
    except Refused as refused:
        failure = refused.failure if isinstance(refused, _Failed) else failure_of(refused.reason)
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
        call.venue.desk.place(call.account, _spec(call, listing), call.now_ns, validate_only=True)
    except Refused as refused:
        failure = refused.failure if isinstance(refused, _Failed) else failure_of(refused.reason)
        return {"errs": [failure[1]], "warning": [], "preview_id": ""}
    bids, asks = call.venue.engine.execution.matcher.book(listing.symbol, call.now_ns, 1)
    return {
        "errs": [],
        "warning": [],
        "best_bid": price_text(bids[0][0], listing) if bids else "",
        "best_ask": price_text(asks[0][0], listing) if asks else "",
        "preview_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.account}:{call.now_ns}")),
    }


def _spec(call: Call, listing: Listing) -> OrderSpec:
    side = {"BUY": 1, "SELL": -1}.get((call.text("side") or "").upper())
    if side is None:
        raise argument("side is required")
    configuration = call.values.get("order_configuration")
    if not isinstance(configuration, dict) or len(configuration) != 1:
        raise _Failed(_CONFIGURATION)
    name, terms = next(iter(configuration.items()))
    if not isinstance(terms, dict):
        raise _Failed(_CONFIGURATION)
    client_id = call.text("client_order_id")
    if name == "market_market_ioc":
        lots, cost = _market_size(listing, terms, side)
        return OrderSpec(listing.symbol, side, Kind.MARKET, lots, quote_volume=cost, tif="IOC", cl_ord_id=client_id)
    tif = _LIMITS.get(name) or _STOPS.get(name)
    if tif is None:
        raise _Failed(_CONFIGURATION)
    limit = PriceTerm("", _price(listing, terms, "limit_price"))
    lots, expire_ns = _lots(listing, terms), _end_ns(terms) if tif == "GTD" else 0
    if name in _STOPS:
        kind, stop = _stop(call, listing, terms, side)
        return OrderSpec(
            listing.symbol, side, kind, lots, price=PriceTerm("", stop), price2=limit, tif=tif, expire_ns=expire_ns,
            cl_ord_id=client_id,
        )  # fmt: skip
    flags = ("post", "fciq") if terms.get("post_only") is True else ("fciq",)
    return OrderSpec(
        listing.symbol,
        side,
        Kind.LIMIT,
        lots,
        price=limit,
        flags=flags,
        tif=tif,
        expire_ns=expire_ns,
        cl_ord_id=client_id,
    )


def _market_size(listing: Listing, terms: dict[str, Any], side: int) -> tuple[int, int]:
    if side < 0 or "base_size" in terms:
        return _lots(listing, terms), 0
    cost = read_decimal(terms.get("quote_size"), listing.cost_decimals)
    if cost is None:
        raise _Failed(_SIZE)
    return 0, cost


def _lots(listing: Listing, terms: dict[str, Any]) -> int:
    lots = read_decimal(terms.get("base_size"), LOT_DECIMALS)
    if lots is None or lots % listing.step:
        raise _Failed(_SIZE)
    return lots


def _price(listing: Listing, terms: dict[str, Any], name: str) -> int:
    ticks = read_decimal(terms.get(name), listing.price_decimals)
    if ticks is None:
        raise _Failed(_PRICE)
    return ticks


def _end_ns(terms: dict[str, Any]) -> int:
    try:
        return to_ns(parse_utc(str(terms.get("end_time"))))
    except ValueError:
        raise argument("end_time is required") from None


def _stop(call: Call, listing: Listing, terms: dict[str, Any], side: int) -> tuple[Kind, int]:
    """The engine knows a falling and a rising trigger by what they are for: a stop or a profit."""
    stop = _price(listing, terms, "stop_price")
    falling = terms.get("stop_direction") == _DOWN
    last = call.venue.engine.execution.last_price(listing.symbol, call.now_ns)
    if falling and stop >= last:
        raise _Failed(_ABOVE)
    if not falling and stop <= last:
        raise _Failed(_BELOW)
    return (Kind.STOP_LOSS_LIMIT if falling == (side < 0) else Kind.TAKE_PROFIT_LIMIT), stop


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
        "commission": text_of(fill.fee_e8, 8),
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
    fees, worth = text_of(order.fee_e8, 8), text_of(order.cost, listing.cost_decimals)
    average = f"{order.cost / order.filled / 10**listing.price_decimals:.10f}" if order.filled else "0"
    share = 100 * order.filled // order.lots if order.lots else 100 if order.filled else 0
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
        "completion_percentage": str(share),
        "filled_size": size_text(order.filled),
        "average_filled_price": average,
        "fee": "",
        "number_of_fills": str(len(order.trades)),
        "filled_value": worth,
        "pending_cancel": False,
        "size_in_quote": order.quote_volume > 0,
        "total_fees": fees,
        "size_inclusive_of_fees": False,
        "total_value_after_fees": text_of(after, listing.cost_decimals),
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
        "last_fill_time": None,
        "outstanding_hold_amount": "0",
    }


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
        name = next(name for name, tif in _LIMITS.items() if tif == order.tif)
        return {name: {**terms, "limit_price": price_text(order.price, listing), "post_only": order.post_only}}
    falling = order.kind.triggers_when_falling(order.side)
    stop = {
        "limit_price": price_text(order.price2, listing),
        "stop_price": price_text(order.price, listing),
        "stop_direction": _DOWN if falling else "STOP_DIRECTION_STOP_UP",
    }
    name = next(name for name, tif in _STOPS.items() if tif == order.tif)
    return {name: {**terms, **stop}}


_V3: Final = "/api/v3/brokerage"
ACCOUNT: Final = (
    Endpoint("GET", "/v2/accounts", "v2/accounts", accounts_v2, private=True),
    Endpoint("GET", f"{_V3}/accounts", "accounts", accounts, private=True),
    Endpoint("GET", f"{_V3}/accounts/{{account_uuid}}", "accounts", one_account, private=True),
    Endpoint("GET", f"{_V3}/portfolios", "portfolios", portfolios, private=True),
    Endpoint("GET", f"{_V3}/transaction_summary", "transaction_summary", transaction_summary, private=True),
    Endpoint("POST", f"{_V3}/orders", "POST orders", create_order, private=True),
    Endpoint("POST", f"{_V3}/orders/preview", "orders/preview", preview_order, private=True),
    Endpoint("POST", f"{_V3}/orders/batch_cancel", "orders/batch_cancel", cancel_orders, private=True),
    Endpoint("GET", f"{_V3}/orders/historical/batch", "orders/historical/batch", list_orders, private=True),
    Endpoint("GET", f"{_V3}/orders/historical/fills", "orders/historical/fills", list_fills, private=True),
    Endpoint("GET", f"{_V3}/orders/historical/{{order_id}}", "orders/historical", get_order, private=True),
)

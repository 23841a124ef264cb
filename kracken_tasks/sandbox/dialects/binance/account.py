"""Binance's account and orders.

In: a signed call.  Out: JSON-ready answers with Binance's keys.  The commission of a buy is taken from what was bought, that of a
sell from what was received.  Never: a price that was not sent.
Source: Binance spot API documentation, "Account" and "Trading endpoints".
"""

from __future__ import annotations

from typing import Any, Final

from kracken_tasks.sandbox.amounts import scaled, text_of
from kracken_tasks.sandbox.clock import NS_PER_MS
from kracken_tasks.sandbox.dialects.binance.arguments import amount, listing_of, price, required, whole
from kracken_tasks.sandbox.dialects.binance.errors import bad_filter, malformed, refused
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint, asset_codes
from kracken_tasks.sandbox.engine.matching import Wish
from kracken_tasks.sandbox.engine.orders import Fill, Kind, Order, OrderSpec, PriceTerm, Status
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.store import Window

__all__ = ["ACCOUNT"]

_KINDS: Final = {
    "MARKET": Kind.MARKET,
    "LIMIT": Kind.LIMIT,
    "LIMIT_MAKER": Kind.LIMIT,
    "STOP_LOSS": Kind.STOP_LOSS,
    "STOP_LOSS_LIMIT": Kind.STOP_LOSS_LIMIT,
    "TAKE_PROFIT": Kind.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": Kind.TAKE_PROFIT_LIMIT,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items() if name != "LIMIT_MAKER"}
_TIFS: Final = ("GTC", "IOC", "FOK")
_LIMITED: Final = (Kind.LIMIT, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT)
_PAGE, _MOST = 500, 1000
_ALL: Final = 1_000_000
_BY_USER: Final = "User requested"
# What the answers to a new and a cancelled order tell of it.
_ACKNOWLEDGED: Final = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
_RESULT: Final = ("price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status", "timeInForce",
                  "type", "side", "workingTime", "selfTradePreventionMode")  # fmt: skip
_FILL: Final = ("price", "qty", "commission", "commissionAsset", "tradeId")


def account(call: Call) -> Any:
    tier = next(iter(call.venue.listings.by_symbol.values())).schedule.tiers[0]
    shown = call.text("omitZeroBalances")
    balances = [
        {"asset": code, "free": _eight(total - held, decimals), "locked": _eight(held, decimals)}
        for code, (total, held, decimals) in sorted(call.balances().items())
        if total or (shown or "").lower() != "true"
    ]
    rates = {"maker": text_of(tier.maker_ppm * 100, 8), "taker": text_of(tier.taker_ppm * 100, 8)}
    return {
        "makerCommission": tier.maker_ppm // 100,
        "takerCommission": tier.taker_ppm // 100,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {**rates, "buyer": "0.00000000", "seller": "0.00000000"},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.now_ns // NS_PER_MS,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": 1,
    }


def _eight(units: int, decimals: int) -> str:
    return text_of(units // 10 ** (decimals - 8) if decimals > 8 else units * 10 ** (8 - decimals), 8)


def trade_fee(call: Call) -> Any:
    asked = call.text("symbol")
    listings = [listing_of(call)] if asked else list(call.venue.listings.by_symbol.values())
    volume = call.venue.engine.booking.volume_cents(call.account, call.now_ns)
    answer = []
    for listing in listings:
        tier = listing.schedule.at(volume)
        rates = {"makerCommission": text_of(tier.maker_ppm, 6), "takerCommission": text_of(tier.taker_ppm, 6)}
        answer.append({"symbol": listing.spec.key, **rates})
    return answer


def new_order(call: Call) -> Any:
    """Answers as newOrderRespType asks: ACK, RESULT or FULL (with fills; what ccxt asks for)."""
    listing = listing_of(call)
    order = call.venue.desk.place(call.account, _spec(call, listing), call.now_ns)
    shown = {**order_json(call, order, listing), "transactTime": call.now_ns // NS_PER_MS}
    kind = (call.text("newOrderRespType") or "FULL").upper()
    if kind == "ACK":
        return {name: shown[name] for name in _ACKNOWLEDGED}
    told = _ACKNOWLEDGED + _RESULT + (("stopPrice",) if order.kind.waits_for_trigger else ())
    result = {name: shown[name] for name in told}
    if kind == "RESULT":
        return result
    fills = [{**fill_json(fill, listing), "tradeId": fill.no} for fill in _fills_of(call, order)]
    return result | {"fills": [{name: fill[name] for name in _FILL} for fill in fills]}


def test_order(call: Call) -> Any:
    listing = listing_of(call)
    call.venue.desk.place(call.account, _spec(call, listing), call.now_ns, validate_only=True)
    return {}


def _spec(call: Call, listing: Listing) -> OrderSpec:
    side = {"BUY": 1, "SELL": -1}.get(required(call, "side").upper())
    if side is None:
        raise refused(-1117, "Invalid side.")
    name = required(call, "type").upper()
    kind = _KINDS.get(name)
    if kind is None:
        raise refused(-1116, "Invalid orderType.")
    flags = ["post"] if name == "LIMIT_MAKER" else []
    lots, cost = _size(call, listing, kind, side)
    limit = PriceTerm("", price(call, "price", listing)) if kind in _LIMITED else None
    stop = _stop(call, listing, kind, side)
    return OrderSpec(
        symbol=listing.symbol,
        side=side,
        kind=kind,
        lots=lots,
        quote_volume=cost,
        price=limit if stop is None else stop,
        price2=limit if stop is not None else None,
        flags=(*flags, "fcib" if side > 0 else "fciq"),
        tif=_tif(call, name),
        cl_ord_id=_client_id(call),
    )


def _size(call: Call, listing: Listing, kind: Kind, side: int) -> tuple[int, int]:
    """Lots, or what to spend: a market order may name either."""
    if call.text("quoteOrderQty") is None:
        return amount(call, "quantity", listing), 0
    if kind is not Kind.MARKET or call.text("quantity") is not None:
        raise refused(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    try:
        cost = scaled(required(call, "quoteOrderQty"), listing.cost_decimals)
    except ValueError:
        raise refused(-1111, "Parameter 'quoteOrderQty' has too much precision.") from None
    if side > 0:
        return 0, cost
    # A sale for a sum is a sale of what brings it now.
    levels = call.venue.engine.execution.matcher.preview(listing.symbol, Wish(side, cost=cost), call.now_ns)
    lots = sum(lots for _, lots in levels) // listing.step * listing.step
    if lots <= 0:
        raise bad_filter("NOTIONAL")
    return lots, 0


def _stop(call: Call, listing: Listing, kind: Kind, side: int) -> PriceTerm | None:
    if not kind.waits_for_trigger:
        return None
    stop = price(call, "stopPrice", listing)
    last = call.venue.engine.execution.last_price(listing.symbol, call.now_ns)
    if last <= stop if kind.triggers_when_falling(side) else last >= stop:
        raise refused(-2010, "Stop price would trigger immediately.")
    return PriceTerm("", stop)


def _tif(call: Call, name: str) -> str:
    sent = call.text("timeInForce")
    if sent is None:
        if name in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"):
            raise refused(-1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.")
        return "GTC"
    if sent not in _TIFS:
        raise refused(-1115, "Invalid timeInForce.")
    return sent


def _client_id(call: Call) -> str | None:
    sent = call.text("newClientOrderId")
    if sent is not None and (len(sent) > 36 or not all(c.isascii() and (c.isalnum() or c in ".:/_-") for c in sent)):
        raise refused(
            -1100, "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'."
        )
    return sent


def _shown_id(order: Order) -> str:
    """The client's id, or the one the venue made up."""
    return order.cl_ord_id or order.txid.replace("-", "")


def _named(call: Call, listing: Listing) -> Order | None:
    number, client_id = whole(call, "orderId"), call.text("origClientOrderId")
    if number is not None:
        found = call.order_numbered(number)
        return found if found is not None and found.symbol == listing.symbol else None
    if client_id is None:
        raise refused(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return next((o for o in reversed(_orders(call, listing)) if _shown_id(o) == client_id), None)


def _orders(call: Call, listing: Listing) -> list[Order]:
    return [order for order in call.orders() if order.symbol == listing.symbol]


def query_order(call: Call) -> Any:
    listing = listing_of(call)
    order = _named(call, listing)
    if order is None:
        raise refused(-2013, "Order does not exist.")
    return order_json(call, order, listing)


def cancel_order(call: Call) -> Any:
    listing = listing_of(call)
    order = _named(call, listing)
    if order is None or not order.status.is_live:
        raise refused(-2011, "Unknown order sent.")
    return _canceled(call, order, listing)


def _canceled(call: Call, order: Order, listing: Listing) -> dict[str, Any]:
    ended = call.venue.desk.cancel(order, call.now_ns)
    shown = order_json(call, ended, listing)
    own = call.text("newClientOrderId") or f"cancel{order.no}"
    told = {**shown, "clientOrderId": own, "transactTime": call.now_ns // NS_PER_MS}
    names = (name for name in (*_ACKNOWLEDGED, *_RESULT) if name != "workingTime")
    return {"origClientOrderId": _shown_id(order), **{name: told[name] for name in names}}


def cancel_open_orders(call: Call) -> Any:
    listing = listing_of(call)
    live = [order for order in _orders(call, listing) if order.status.is_live]
    if not live:
        raise refused(-2011, "Unknown order sent.")
    return [_canceled(call, order, listing) for order in live]


def open_orders(call: Call) -> Any:
    wanted = listing_of(call).symbol if call.text("symbol") is not None else None
    live = [order for order in call.orders() if order.status.is_live and wanted in (None, order.symbol)]
    return [order_json(call, order, call.venue.listings.by_symbol[order.symbol]) for order in live]


def all_orders(call: Call) -> Any:
    """Of one symbol, oldest first: from an order id on, or opened within a span, or the newest."""
    listing = listing_of(call)
    limit = min(whole(call, "limit", _PAGE) or _PAGE, _MOST)
    first, start, end = whole(call, "orderId"), whole(call, "startTime"), whole(call, "endTime")
    orders = [
        order
        for order in _orders(call, listing)
        if (first is None or order.no >= first) and _within(order.opened_ns, start, end)
    ]
    newest = first is None and start is None
    return [order_json(call, order, listing) for order in (orders[-limit:] if newest else orders[:limit])]


def _within(ts_ns: int, start_ms: int | None, end_ms: int | None) -> bool:
    ms = ts_ns // NS_PER_MS
    return (start_ms is None or ms >= start_ms) and (end_ms is None or ms <= end_ms)


def my_trades(call: Call) -> Any:
    listing = listing_of(call)
    limit = min(whole(call, "limit", _PAGE) or _PAGE, _MOST)
    first, start, end = whole(call, "fromId"), whole(call, "startTime"), whole(call, "endTime")
    order_no = whole(call, "orderId")
    if first is not None and start is not None:
        raise malformed("fromId")
    wanted = call.order_numbered(order_no) if order_no is not None else None
    if order_no is not None and wanted is None:
        raise refused(-2013, "Order does not exist.")
    fills = [
        fill
        for fill in reversed(call.venue.store.fills(call.account, Window(), _ALL).rows)
        if fill.symbol == listing.symbol
        and (wanted is None or fill.txid == wanted.txid)
        and (first is None or fill.no >= first)
        and _within(fill.ts_ns, start, end)
    ]
    newest = first is None and start is None
    numbers = {order.txid: order.no for order in _orders(call, listing)}
    return [
        {**fill_json(fill, listing), "orderId": numbers[fill.txid]}
        for fill in (fills[-limit:] if newest else fills[:limit])
    ]


def _fills_of(call: Call, order: Order) -> list[Fill]:
    call.flushed()
    found = (call.venue.store.fill(call.account, fill_id) for fill_id in order.trades)
    return [fill for fill in found if fill is not None]


def fill_json(fill: Fill, listing: Listing) -> dict[str, Any]:
    base, quote = asset_codes(listing)
    in_base = fill.side > 0
    return {
        "symbol": listing.spec.key,
        "id": fill.no,
        "orderListId": -1,
        "price": _price_text(fill.price, listing),
        "qty": text_of(fill.lots, LOT_DECIMALS),
        "quoteQty": _quote_text(fill.cost, listing),
        "commission": text_of(fill.fee_lots if in_base else fill.fee_e8, 8),
        "commissionAsset": base if in_base else quote,
        "time": fill.ts_ns // NS_PER_MS,
        "isBuyer": fill.side > 0,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def _price_text(ticks: int, listing: Listing) -> str:
    return text_of(ticks * 10 ** (8 - listing.price_decimals), 8)


def _quote_text(cost: int, listing: Listing) -> str:
    return text_of(cost // 10**listing.price_decimals, 8)


def order_json(call: Call, order: Order, listing: Listing) -> dict[str, Any]:
    status = _status(order)
    whole_lots = order.filled if order.quote_volume and status == "FILLED" else order.lots
    opened = order.opened_ns // NS_PER_MS
    return {
        "symbol": listing.spec.key,
        "orderId": order.no,
        "orderListId": -1,
        "clientOrderId": _shown_id(order),
        "price": _price_text(_limit_of(order), listing),
        "origQty": text_of(whole_lots, LOT_DECIMALS),
        "executedQty": text_of(order.filled, LOT_DECIMALS),
        "origQuoteOrderQty": _quote_text(order.quote_volume, listing),
        "cummulativeQuoteQty": _quote_text(order.cost, listing),
        "status": status,
        "timeInForce": order.tif,
        "type": "LIMIT_MAKER" if order.post_only else _NAMES[order.kind],
        "side": "BUY" if order.side > 0 else "SELL",
        "stopPrice": _price_text(order.stop, listing),
        "icebergQty": "0.00000000",
        "time": opened,
        "updateTime": max(opened, _updated_ns(call, order) // NS_PER_MS),
        "isWorking": not order.waits,
        "workingTime": -1 if order.waits else opened,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def _limit_of(order: Order) -> int:
    if order.kind is Kind.MARKET or not order.kind.ends_as_limit:
        return 0
    return order.price2 if order.kind.waits_for_trigger else order.price


def _status(order: Order) -> str:
    if order.status.is_live:
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    if order.status is Status.CLOSED:
        return "FILLED"
    return "CANCELED" if order.status is Status.CANCELED and order.reason == _BY_USER else "EXPIRED"


def _updated_ns(call: Call, order: Order) -> int:
    if order.closed_ns or not order.trades:
        return order.closed_ns
    last = call.venue.store.fill(call.account, order.trades[-1])
    return last.ts_ns if last is not None else 0


ACCOUNT: Final = (
    Endpoint("GET", "/api/v3/account", "account", account, private=True, weight=20),
    Endpoint("GET", "/sapi/v1/asset/tradeFee", "asset/tradeFee", trade_fee, private=True),
    Endpoint("POST", "/api/v3/order", "POST order", new_order, private=True),
    Endpoint("POST", "/api/v3/order/test", "order/test", test_order, private=True),
    Endpoint("GET", "/api/v3/order", "GET order", query_order, private=True, weight=4),
    Endpoint("DELETE", "/api/v3/order", "DELETE order", cancel_order, private=True),
    Endpoint("DELETE", "/api/v3/openOrders", "DELETE openOrders", cancel_open_orders, private=True),
    Endpoint("GET", "/api/v3/openOrders", "openOrders", open_orders, private=True, weight=6),
    Endpoint("GET", "/api/v3/allOrders", "allOrders", all_orders, private=True, weight=20),
    Endpoint("GET", "/api/v3/myTrades", "myTrades", my_trades, private=True, weight=20),
)

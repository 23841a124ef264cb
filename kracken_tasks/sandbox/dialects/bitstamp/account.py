"""Bitstamp's account and orders.

In: a signed call.  Out: JSON-ready answers with Bitstamp's keys.  Fees are taken in the quote.  Order ids are large whole numbers.
Never: a price that was not sent.
Source: Bitstamp API v2 documentation, "Account balances", "Orders", "Transactions private", "Fees".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.sandbox.amounts import scaled, text_of
from kracken_tasks.sandbox.assets import asset_from_key
from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.dialects.bitstamp.errors import bad_order, not_found, translated
from kracken_tasks.sandbox.dialects.bitstamp.public import listing_of, price_text, whole
from kracken_tasks.sandbox.dialects.rest import Call, Endpoint, Rejection, asset_codes
from kracken_tasks.sandbox.engine.orders import Fill, Kind, LedgerRow, Order, OrderSpec, PriceTerm, Refused, Status
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.market.pairs import code_of
from kracken_tasks.sandbox.store import Window

__all__ = ["ACCOUNT"]

_FIRST_ID: Final = 1_800_000_000_000_000
_ALL: Final = 1_000_000
_PAGE, _MOST = 100, 1000
_STATUS: Final = {
    Status.PENDING: "Open",
    Status.OPEN: "Open",
    Status.CLOSED: "Finished",
    Status.CANCELED: "Canceled",
    Status.EXPIRED: "Expired",
}


def account_balances(call: Call) -> Any:
    wanted = call.text("currency")
    rows = [
        {
            "currency": code.lower(),
            "total": _eight(total, decimals),
            "available": _eight(total - held, decimals),
            "reserved": _eight(held, decimals),
        }
        for code, (total, held, decimals) in sorted(call.balances().items())
        if wanted in (None, code.lower())
    ]
    if wanted is None:
        return rows
    if not rows:
        raise not_found("Currency not found.")
    return rows[0]


def _eight(units: int, decimals: int) -> str:
    return text_of(units // 10 ** (decimals - 8) if decimals > 8 else units * 10 ** (8 - decimals), 8)


def trading_fees(call: Call) -> Any:
    volume = call.venue.engine.booking.volume_cents(call.account, call.now_ns)
    rows = []
    for listing in call.venue.listings.by_symbol.values():
        tier = listing.schedule.at(volume)
        fees = {"maker": text_of(tier.maker_ppm * 10, 5), "taker": text_of(tier.taker_ppm * 10, 5)}
        rows.append({"currency_pair": listing.spec.key, "market": listing.spec.key, "fees": fees})
    wanted = call.text("market_symbol")
    return [row for row in rows if wanted in (None, row["market"])]


def _buy(call: Call) -> Any:
    return _limit(call, 1)


def _sell(call: Call) -> Any:
    return _limit(call, -1)


def _limit(call: Call, side: int) -> Any:
    listing = listing_of(call)
    lots = _amount(call, listing, "amount", listing.lot_decimals)
    try:
        ticks = scaled(_required(call, "price"), listing.price_decimals)
    except ValueError:
        raise bad_order(_too_fine(listing.price_decimals), "price") from None
    if ticks <= 0:
        raise bad_order("Ensure this value is greater than or equal to 0.", "price")
    flags = ("post", "fciq") if _flag(call, "moc_order") else ("fciq",)
    tif = "FOK" if _flag(call, "fok_order") else "IOC" if _flag(call, "ioc_order") else "GTC"
    expire_ns = (whole(call, "expire_time") or 0) * 1_000_000 if _flag(call, "gtd_order") else 0
    spec = OrderSpec(
        listing.symbol, side, Kind.LIMIT, lots, price=PriceTerm("", ticks), flags=flags, tif=tif, expire_ns=expire_ns,
        cl_ord_id=call.text("client_order_id"),
    )  # fmt: skip
    return _placed(call, listing, spec, ticks)


def _buy_market(call: Call) -> Any:
    return _market(call, 1)


def _sell_market(call: Call) -> Any:
    return _market(call, -1)


def _market(call: Call, side: int) -> Any:
    listing = listing_of(call)
    lots = _amount(call, listing, "amount", listing.lot_decimals)
    spec = OrderSpec(listing.symbol, side, Kind.MARKET, lots, cl_ord_id=call.text("client_order_id"))
    return _placed(call, listing, spec)


def _buy_instant(call: Call) -> Any:
    """Spend so much of the quote, at the market."""
    listing = listing_of(call)
    cost = _amount(call, listing, "amount", listing.cost_decimals, listing.cost_decimals)
    spec = OrderSpec(listing.symbol, 1, Kind.MARKET, 0, quote_volume=cost, cl_ord_id=call.text("client_order_id"))
    return _placed(call, listing, spec)


def _amount(call: Call, listing: Listing, name: str, decimals: int, to: int = LOT_DECIMALS) -> int:
    try:
        value = scaled(_required(call, name), decimals)
    except ValueError:
        raise bad_order(_too_fine(decimals), name) from None
    if value <= 0:
        raise bad_order("Ensure this value is greater than or equal to 1E-8.", name)
    return value * int(10 ** (to - decimals))


def _required(call: Call, name: str) -> str:
    value = call.text(name)
    if value is None:
        raise bad_order("This field is required.", name)
    return value


def _too_fine(decimals: int) -> str:
    return f"Ensure that there are no more than {decimals} decimal places."


def _flag(call: Call, name: str) -> bool:
    return (call.text(name) or "").lower() == "true"


def _placed(call: Call, listing: Listing, spec: OrderSpec, ticks: int = 0) -> Any:
    if spec.cl_ord_id and any(order.cl_ord_id == spec.cl_ord_id for order in call.orders()):
        raise translated("EOrder:Duplicate order")
    try:
        order = call.venue.desk.place(call.account, spec, call.now_ns)
    except Refused as refused:
        raise _reworded(call, listing, spec, refused) from None
    return _placed_json(order, listing, ticks)


def _reworded(call: Call, listing: Listing, spec: OrderSpec, refused: Refused) -> Rejection:
    """Two refusals tell numbers: what is needed, what there is."""
    base, quote = asset_codes(listing)
    if refused.reason == "EOrder:Insufficient funds":
        spent = quote if spec.side > 0 else base
        total, held, decimals = call.balances()[spent]
        return bad_order(
            f"You have only {_eight(total - held, decimals)} {spent} available. Check your account balance for details."
        )
    if "minimum not met" in refused.reason:
        return bad_order(f"Minimum order size is {listing.spec.costmin} {quote}.")
    return translated(refused.reason)


def _placed_json(order: Order, listing: Listing, ticks: int) -> dict[str, Any]:
    average = order.cost // order.filled if order.filled else 0
    return {
        "id": str(_FIRST_ID + order.no),
        "market": listing.symbol,
        "datetime": _stamp(order.opened_ns),
        "type": _side(order),
        "price": price_text(ticks or average, listing),
        "amount": text_of(order.filled if order.quote_volume else order.lots, LOT_DECIMALS),
        "client_order_id": order.cl_ord_id or "",
    }


def _side(order: Order) -> str:
    return "0" if order.side > 0 else "1"


def _stamp(ts_ns: int) -> str:
    moment = from_ms(ts_ns // 1_000_000)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + f".{ts_ns // 1000 % 1_000_000:06d}"


def _named(call: Call) -> Order:
    """The order by ``id`` or ``client_order_id``.  Raises: Rejection for none of the account's."""
    client_id, number = call.text("client_order_id"), whole(call, "id")
    if number is not None:
        found = call.order_numbered(number - _FIRST_ID)
    else:
        found = next((o for o in reversed(call.orders()) if client_id and o.cl_ord_id == client_id), None)
    if found is None:
        raise not_found()
    return found


def order_status(call: Call) -> Any:
    order = _named(call)
    listing = call.venue.listings.by_symbol[order.symbol]
    return {
        "id": _FIRST_ID + order.no,
        "datetime": _stamp(order.opened_ns),
        "type": _side(order),
        "status": _STATUS[order.status],
        "market": listing.symbol,
        "transactions": [_part_json(fill, listing) for fill in _fills_of(call, order)],
        "amount_remaining": text_of(max(0, order.remaining) if not order.quote_volume else 0, LOT_DECIMALS),
        "client_order_id": order.cl_ord_id or "",
    }


def _fills_of(call: Call, order: Order) -> list[Fill]:
    call.flushed()
    found = (call.venue.store.fill(call.account, fill_id) for fill_id in order.trades)
    return [fill for fill in found if fill is not None]


def _part_json(fill: Fill, listing: Listing) -> dict[str, Any]:
    base, quote = asset_codes(listing)
    return {
        "tid": fill.no,
        "price": price_text(fill.price, listing),
        base.lower(): text_of(fill.lots, LOT_DECIMALS),
        quote.lower(): text_of(fill.cost, listing.cost_decimals),
        "fee": text_of(fill.fee_e8, 8),
        "datetime": _stamp(fill.ts_ns),
        "type": 2,
    }


def open_orders(call: Call) -> Any:
    wanted = None if call.text("pair") in (None, "all") else listing_of(call).symbol
    live = [order for order in call.orders() if order.status.is_live and wanted in (None, order.symbol)]
    return [_open_json(order, call.venue.listings.by_symbol[order.symbol]) for order in live]


def _open_json(order: Order, listing: Listing) -> dict[str, Any]:
    return {
        "id": str(_FIRST_ID + order.no),
        "datetime": _stamp(order.opened_ns),
        "type": _side(order),
        "price": price_text(order.price, listing),
        "amount": text_of(order.remaining, LOT_DECIMALS),
        "amount_at_create": text_of(order.lots, LOT_DECIMALS),
        "currency_pair": listing.symbol,
        "market": listing.symbol,
        "client_order_id": order.cl_ord_id or "",
    }


def cancel_order(call: Call) -> Any:
    order = _named(call)
    if not order.status.is_live:
        raise not_found()
    return _cancelled(call, order)


def _cancelled(call: Call, order: Order) -> dict[str, Any]:
    listing = call.venue.listings.by_symbol[order.symbol]
    call.venue.desk.cancel(order, call.now_ns)
    return {
        "id": _FIRST_ID + order.no,
        "amount": text_of(order.remaining, LOT_DECIMALS),
        "price": price_text(order.price, listing),
        "type": 0 if order.side > 0 else 1,
        "market": listing.symbol,
        "currency_pair": listing.symbol,
        "status": "Canceled",
    }


def cancel_all_orders(call: Call) -> Any:
    wanted = None if call.text("pair") is None else listing_of(call).symbol
    live = [order for order in call.orders() if order.status.is_live and wanted in (None, order.symbol)]
    return {"canceled": [_cancelled(call, order) for order in live], "success": True}


def user_transactions(call: Call) -> Any:
    """Trades (type 2) and deposits (0), newest first unless ``sort`` is asc."""
    wanted = None if call.text("pair") is None else listing_of(call).symbol
    limit, offset = whole(call, "limit") or _PAGE, whole(call, "offset") or 0
    if limit > _MOST:
        raise bad_order("Limit should be from 1 to 1000.", "limit")
    since = whole(call, "since_timestamp")
    numbers = {order.txid: order.no for order in call.orders()}
    fills = call.venue.store.fills(call.account, Window(), _ALL).rows
    listed = call.venue.listings.by_symbol
    rows = [
        (fill.ts_ns, _trade_json(fill, listed[fill.symbol], _FIRST_ID + numbers[fill.txid]))
        for fill in fills
        if wanted in (None, fill.symbol)
    ]
    if wanted is None:
        cash = call.venue.store.ledger(call.account, Window(), _ALL).rows
        rows += [(row.ts_ns, _cash_json(row)) for row in cash if row.type != "trade"]
    rows = [row for row in rows if since is None or row[0] >= since * NS_PER_SECOND]
    rows.sort(key=lambda row: row[0], reverse=call.text("sort") != "asc")
    return [row for _, row in rows[offset : offset + limit]]


def _trade_json(fill: Fill, listing: Listing, order_id: int) -> dict[str, Any]:
    base, quote = asset_codes(listing)
    lots, cost = text_of(fill.side * fill.lots, LOT_DECIMALS), text_of(-fill.side * fill.cost, listing.cost_decimals)
    return {
        "id": fill.no,
        "datetime": _stamp(fill.ts_ns),
        "type": "2",
        "fee": text_of(fill.fee_e8, 8),
        base.lower(): lots,
        quote.lower(): cost,
        f"{base}_{quote}".lower(): price_text(fill.price, listing),
        "order_id": order_id,
    }


def _cash_json(row: LedgerRow) -> dict[str, Any]:
    asset = asset_from_key(row.asset)
    kind = "0" if row.type == "deposit" else "1"
    amount = text_of(row.amount, asset.decimals)
    stamp = datetime.fromtimestamp(row.ts_ns // NS_PER_SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {"id": -row.no, "datetime": stamp, "type": kind, "fee": "0.00000000", code_of(row.asset).lower(): amount}


ACCOUNT: Final = (
    Endpoint("POST", "/api/v2/account_balances/", "account_balances", account_balances, private=True),
    Endpoint("POST", "/api/v2/account_balances/{currency}/", "account_balances", account_balances, private=True),
    Endpoint("POST", "/api/v2/fees/trading/", "fees/trading", trading_fees, private=True),
    Endpoint("POST", "/api/v2/fees/trading/{market_symbol}/", "fees/trading", trading_fees, private=True),
    Endpoint("POST", "/api/v2/buy/market/{pair}/", "buy/market", _buy_market, private=True),
    Endpoint("POST", "/api/v2/sell/market/{pair}/", "sell/market", _sell_market, private=True),
    Endpoint("POST", "/api/v2/buy/instant/{pair}/", "buy/instant", _buy_instant, private=True),
    Endpoint("POST", "/api/v2/buy/{pair}/", "buy", _buy, private=True),
    Endpoint("POST", "/api/v2/sell/{pair}/", "sell", _sell, private=True),
    Endpoint("POST", "/api/v2/order_status/", "order_status", order_status, private=True),
    Endpoint("POST", "/api/v2/open_orders/{pair}/", "open_orders", open_orders, private=True),
    Endpoint("POST", "/api/v2/cancel_order/", "cancel_order", cancel_order, private=True),
    Endpoint("POST", "/api/v2/cancel_all_orders/", "cancel_all_orders", cancel_all_orders, private=True),
    Endpoint("POST", "/api/v2/cancel_all_orders/{pair}/", "cancel_all_orders", cancel_all_orders, private=True),
    Endpoint("POST", "/api/v2/user_transactions/", "user_transactions", user_transactions, private=True),
    Endpoint("POST", "/api/v2/user_transactions/{pair}/", "user_transactions", user_transactions, private=True),
)

"""Kraken's trading endpoints: add, batch, amend, edit, cancel, and the dead man's switch.

In: a signed call.  Out: the ``result`` of Kraken's envelope.  Never: a reading of history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from kracken_tasks.domain.clock import from_ms, iso
from kracken_tasks.sandbox import ids
from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.clock import NS_PER_MS, NS_PER_SECOND
from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments, invalid
from kracken_tasks.sandbox.dialects.kraken.context import Call, Json
from kracken_tasks.sandbox.dialects.kraken.order_request import check_deadline, order_spec
from kracken_tasks.sandbox.dialects.kraken.shapes import close_text, order_text, term_text, volume_text
from kracken_tasks.sandbox.engine.desk import Amendment
from kracken_tasks.sandbox.engine.orders import Order, OrderSpec, Refused
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing

__all__ = ["TRADING"]

_BATCH = range(2, 16)
_CANCEL_BATCH = 50


def add_order(call: Call) -> Json:
    listing = call.listing(call.arguments.text("pair"))
    check_deadline(call)
    spec = order_spec(call, listing)
    validate_only = call.arguments.flag("validate")
    order = call.venue.desk.place(call.account, spec, call.now_ns, validate_only)
    answer: Json = {"descr": _description(order, listing)}
    return answer if validate_only else answer | {"txid": [order.txid]}


def _description(order: Order, listing: Listing) -> Json:
    described = {"order": order_text(order, listing)}
    return described | {"close": close_text(order.close, listing)} if order.close else described


def add_order_batch(call: Call) -> Json:
    """2 to 15 orders of one pair.  A malformed one refuses the whole batch; one the engine refuses fails alone."""
    listing = call.listing(call.arguments.text("pair"))
    check_deadline(call)
    raw = call.arguments.values.get("orders")
    if not isinstance(raw, list) or len(raw) not in _BATCH:
        raise invalid("orders")
    specs: list[OrderSpec] = []
    for item in raw:
        if not isinstance(item, dict):
            raise invalid("orders")
        specs.append(order_spec(replace(call, arguments=Arguments.from_object(item)), listing))
    validate_only = call.arguments.flag("validate")
    answers: list[Json] = []
    for spec in specs:
        try:
            order = call.venue.desk.place(call.account, spec, call.now_ns, validate_only)
        except Refused as refusal:
            answers.append({"error": refusal.reason})
        else:
            answer: Json = {"descr": _description(order, listing)}
            answers.append(answer if validate_only else answer | {"txid": order.txid})
    return {"orders": answers}


def amend_order(call: Call) -> Json:
    order = _named(call)
    check_deadline(call)
    listing = call.venue.listings.by_symbol[order.symbol]
    arguments, decimals = call.arguments, listing.price_decimals
    lots = None
    if arguments.text("order_qty") is not None:
        lots = arguments.volume("order_qty", listing.lot_decimals) * 10 ** (LOT_DECIMALS - listing.lot_decimals)
    change = Amendment(
        lots=lots,
        limit=arguments.price("limit_price", decimals),
        trigger=arguments.price("trigger_price", decimals),
        post_only=arguments.flag("post_only") if arguments.text("post_only") is not None else None,
    )
    if change == Amendment():
        raise Refused("EGeneral:Invalid arguments:no changes")
    call.venue.desk.amend(order, change, call.now_ns)
    state = call.venue.state
    return {"amend_id": ids.fill_id(f"{state.seed}:amend", state.next_number("amend"))}


def _named(call: Call) -> Order:
    """The live order a request means, by txid, cl_ord_id or, where unambiguous, userref."""
    found = _all_named(call)
    if len(found) != 1:
        raise Refused("EOrder:Unknown order")
    return found[0]


def _all_named(call: Call) -> list[Order]:
    desk, account = call.venue.desk, call.account
    cl_ord_id, txid = call.arguments.text("cl_ord_id"), call.arguments.text("txid")
    if cl_ord_id is not None:
        return [desk.live_by_client_id(account, cl_ord_id)]
    reference = txid if txid is not None else call.arguments.required("userref")
    return _by_reference(call, reference)


def _by_reference(call: Call, reference: str) -> list[Order]:
    """A txid names one order; a whole number is a userref and may name several."""
    if reference.lstrip("-").isdigit():
        found = [o for o in call.venue.state.orders_of(call.account) if o.userref == int(reference)]
        if not found:
            raise Refused("EOrder:Unknown order")
        return found
    if not ids.is_txid(reference):
        raise Refused("EOrder:Invalid order")
    return [call.venue.desk.live_order(call.account, reference)]


def edit_order(call: Call) -> Json:
    """Cancel and replace: the successor has a new id, and what is not sent stays as it was."""
    order = _named(call)
    check_deadline(call)
    listing = call.listing(call.arguments.text("pair"))
    if listing.symbol != order.symbol:
        raise invalid("pair")
    decimals = listing.price_decimals
    trailing = order.kind.is_trailing
    kept = {
        "type": "buy" if order.side > 0 else "sell",
        "ordertype": order.kind.value,
        "volume": volume_text(order, listing),
        "price": term_text(order.trail, decimals) if trailing else _kept(order.price, decimals),
        "price2": term_text(order.trail_limit, decimals) if order.trail_limit else _kept(order.price2, decimals),
        "oflags": ",".join(order.flags),
        "userref": None if order.userref is None else str(order.userref),
        "expiretm": _kept(order.expire_ns, 9),
    }
    sent = {name: value for name, value in call.arguments.values.items() if name not in ("txid", "cl_ord_id")}
    spec = order_spec(replace(call, arguments=Arguments({**kept, **sent})), listing)
    validate_only = call.arguments.flag("validate")
    edited = call.venue.desk.edit(order, spec, call.now_ns, validate_only)
    return {
        "status": "ok",
        "originaltxid": order.txid,
        "txid": edited.txid,
        "volume": volume_text(edited, listing),
        "price": _kept(edited.price, decimals) or "0",
        "price2": _kept(edited.price2, decimals) or "0",
        "orders_cancelled": 0 if validate_only else 1,
        "descr": _description(edited, listing),
    }


def _kept(value: int, decimals: int) -> str | None:
    return text_of(value, decimals) if value else None


def cancel_order(call: Call) -> Json:
    found = _all_named(call)
    for order in found:
        call.venue.desk.cancel(order, call.now_ns)
    return {"count": len(found)}


def cancel_order_batch(call: Call) -> Json:
    """Up to 50 ids; those that name nothing live are passed over, unless none does."""
    references = [*call.arguments.listed("orders")]
    client_ids = [*call.arguments.listed("cl_ord_ids")]
    if not 0 < len(references) + len(client_ids) <= _CANCEL_BATCH:
        raise invalid("orders")
    found: dict[str, Order] = {}
    for reference in references:
        try:
            found.update({order.txid: order for order in _by_reference(call, reference)})
        except Refused:
            continue
    for order in call.venue.state.orders_of(call.account):
        if order.cl_ord_id in client_ids:
            found[order.txid] = order
    if not found:
        raise Refused("EOrder:Unknown order")
    for order in found.values():
        call.venue.desk.cancel(order, call.now_ns)
    return {"count": len(found)}


def cancel_all(call: Call) -> Json:
    live = list(call.venue.state.orders_of(call.account))
    for order in live:
        call.venue.desk.cancel(order, call.now_ns)
    return {"count": len(live)}


def cancel_all_orders_after(call: Call) -> Json:
    timeout = call.arguments.whole("timeout")
    if timeout is None or not 0 <= timeout <= 86_400:
        raise invalid("timeout")
    at_ns = call.now_ns + timeout * NS_PER_SECOND if timeout else 0
    call.venue.state.set_switch(call.account, at_ns)
    return {"currentTime": _stamp(call.now_ns), "triggerTime": _stamp(at_ns) if at_ns else "0"}


def _stamp(ts_ns: int) -> str:
    return iso(from_ms(ts_ns // NS_PER_MS))


TRADING: Final[dict[str, Callable[[Call], Json]]] = {
    "AddOrder": add_order,
    "AddOrderBatch": add_order_batch,
    "AmendOrder": amend_order,
    "EditOrder": edit_order,
    "CancelOrder": cancel_order,
    "CancelOrderBatch": cancel_order_batch,
    "CancelAll": cancel_all,
    "CancelAllOrdersAfter": cancel_all_orders_after,
}

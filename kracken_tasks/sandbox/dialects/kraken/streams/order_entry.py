"""Orders over the socket: v2's words turned into REST's, so that both go through the same checks and the same engine.

In: a method and its params.  Out: its answers.  Raises ``Refused`` in the venue's words.  Never: a rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments, invalid
from kracken_tasks.sandbox.dialects.kraken.context import Call
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Json
from kracken_tasks.sandbox.dialects.kraken.trading import TRADING
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.venue import Venue

__all__ = ["METHODS", "serve"]

_UNITS: Final = ("static", "pct", "quote")
Params = dict[str, Any]


def serve(venue: Venue, now_ns: int, account: str, method: str, params: Params) -> list[Json]:
    """All answers of one request."""
    return METHODS[method](_Caller(venue, now_ns, account), params)


class _Caller:
    """Calls REST's endpoints from inside."""

    def __init__(self, venue: Venue, now_ns: int, account: str) -> None:
        self._venue, self._now_ns, self._account = venue, now_ns, account

    def ask(self, endpoint: str, values: Params) -> Any:
        sent = {name: value for name, value in values.items() if value is not None}
        return TRADING[endpoint](Call(self._venue, self._now_ns, Arguments.from_object(sent), self._account))

    def symbol_of(self, txid: str) -> str | None:
        order = self._venue.state.orders.get(txid)
        return None if order is None or order.account != self._account else order.symbol


def _add_order(caller: _Caller, params: Params) -> list[Json]:
    answer = caller.ask("AddOrder", _order_arguments(params) | _shared(params))
    return [{"result": _placed(params, answer["txid"][0] if "txid" in answer else None)}]


def _placed(params: Params, txid: str | None) -> Json:
    result: Json = {} if txid is None else {"order_id": txid}
    for name in ("cl_ord_id", "order_userref"):
        if params.get(name) is not None:
            result[name] = params[name]
    return result


def _batch_add(caller: _Caller, params: Params) -> list[Json]:
    orders = params.get("orders")
    if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
        raise invalid("orders")
    sent = [_order_arguments(order) for order in orders]
    answers = caller.ask("AddOrderBatch", {"orders": sent} | _shared(params))["orders"]
    results: list[Json] = [
        {"error": answer["error"]} if "error" in answer else _placed(order, answer.get("txid"))
        for order, answer in zip(orders, answers, strict=True)
    ]
    return [{"result": results}]


def _amend_order(caller: _Caller, params: Params) -> list[Json]:
    sent = {
        "txid": params.get("order_id"),
        "cl_ord_id": params.get("cl_ord_id"),
        "order_qty": params.get("order_qty"),
        "limit_price": _price(params, "limit_price", "limit_price_type"),
        "trigger_price": _price(params, "trigger_price", "trigger_price_type"),
        "post_only": params.get("post_only"),
        "deadline": params.get("deadline"),
    }
    answer = caller.ask("AmendOrder", sent)
    named = {name: params[name] for name in ("order_id", "cl_ord_id") if params.get(name) is not None}
    return [{"result": {"amend_id": answer["amend_id"], **named}}]


def _edit_order(caller: _Caller, params: Params) -> list[Json]:
    txid = str(params.get("order_id"))
    sent = {
        "txid": txid,
        "pair": params.get("symbol") or caller.symbol_of(txid),
        "volume": params.get("order_qty"),
        "oflags": "post" if params.get("post_only") else None,
        "userref": params.get("order_userref"),
        "validate": params.get("validate"),
        "deadline": params.get("deadline"),
    }
    trigger, limit = _trigger_price(params), _price(params, "limit_price", "limit_price_type")
    sent |= {"price": trigger, "price2": limit} if trigger is not None else {"price": limit}
    answer = caller.ask("EditOrder", sent)
    return [{"result": {"order_id": answer["txid"], "original_order_id": answer["originaltxid"]}}]


def _cancel_order(caller: _Caller, params: Params) -> list[Json]:
    """One answer an order, as Kraken gives them."""
    answers: list[Json] = []
    names = (("order_id", "txid"), ("cl_ord_id", "cl_ord_id"), ("order_userref", "userref"))
    for name, argument in names:
        for reference in _listed(params, name):
            try:
                caller.ask("CancelOrder", {argument: reference})
            except Refused as refusal:
                answers.append({"error": refusal.reason})
            else:
                answers.append({"result": {name: reference}})
    if not answers:
        raise invalid("order_id")
    return answers


def _batch_cancel(caller: _Caller, params: Params) -> list[Json]:
    sent = {"orders": _listed(params, "orders"), "cl_ord_ids": _listed(params, "cl_ord_id")}
    return [{"orders_cancelled": caller.ask("CancelOrderBatch", sent)["count"]}]


def _cancel_all(caller: _Caller, params: Params) -> list[Json]:
    return [{"result": {"count": caller.ask("CancelAll", {})["count"]}}]


def _cancel_all_orders_after(caller: _Caller, params: Params) -> list[Json]:
    return [{"result": caller.ask("CancelAllOrdersAfter", {"timeout": params.get("timeout")})}]


METHODS: Final[dict[str, Callable[[_Caller, Params], list[Json]]]] = {
    "add_order": _add_order,
    "amend_order": _amend_order,
    "edit_order": _edit_order,
    "cancel_order": _cancel_order,
    "cancel_all": _cancel_all,
    "cancel_all_orders_after": _cancel_all_orders_after,
    "batch_add": _batch_add,
    "batch_cancel": _batch_cancel,
}


def _shared(params: Params) -> Params:
    """What belongs to a request, not to an order of it."""
    return {"pair": params.get("symbol"), "validate": params.get("validate"), "deadline": params.get("deadline")}


def _order_arguments(params: Params) -> Params:
    """One order in REST's spelling."""
    kind, cash = str(params.get("order_type") or ""), params.get("cash_order_qty")
    flags = [params.get("fee_preference"), "post" if params.get("post_only") else None, "viqc" if cash else None]
    triggers = params.get("triggers")
    trigger = _trigger_price({"triggers": triggers} if isinstance(triggers, dict) else {})
    limit = _price(params, "limit_price", "limit_price_type")
    if kind.startswith("trailing") and trigger is not None:
        trigger = "+" + trigger.lstrip("+-")  # a trailing distance has no direction of its own
        limit = limit if limit is None or limit[0] in "+-" else f"+{limit}"
    waits = kind not in ("market", "limit")
    return {
        "ordertype": kind or None,
        "type": params.get("side"),
        "volume": cash if cash else params.get("order_qty"),
        "price": trigger if waits else limit,
        "price2": limit if waits else None,
        "trigger": triggers.get("reference") if isinstance(triggers, dict) else None,
        "oflags": ",".join(flag for flag in flags if flag) or None,
        "timeinforce": params.get("time_in_force"),
        "starttm": _moment(params, "effective_time"),
        "expiretm": _moment(params, "expire_time"),
        "cl_ord_id": params.get("cl_ord_id"),
        "userref": params.get("order_userref"),
        "leverage": "2:1" if params.get("margin") else None,
        "reduce_only": params.get("reduce_only"),
        **_conditional(params.get("conditional")),
    }


def _conditional(terms: Any) -> Params:
    if not isinstance(terms, dict):
        return {}
    trigger = _price(terms, "trigger_price", "trigger_price_type")
    limit = _price(terms, "limit_price", "limit_price_type")
    first, second = (limit, None) if trigger is None else (trigger, limit)
    return {"close[ordertype]": terms.get("order_type"), "close[price]": first, "close[price2]": second}


def _trigger_price(params: Params) -> str | None:
    triggers = params.get("triggers")
    return _price(triggers, "price", "price_type") if isinstance(triggers, dict) else None


def _price(params: Params, name: str, unit_name: str) -> str | None:
    """A price in REST's spelling: ``54105``, ``+100``, ``-5%``."""
    value, unit = params.get(name), params.get(unit_name, "static")
    if unit not in _UNITS:
        raise invalid(unit_name)
    if value is None or unit == "static":
        return None if value is None else str(value)
    signed = str(value) if str(value)[:1] in "+-" else f"+{value}"
    return f"{signed}%" if unit == "pct" else signed


def _moment(params: Params, name: str) -> str | None:
    """RFC 3339 as REST's unix seconds."""
    at_ns = Arguments(params).rfc3339(name)
    return None if at_ns is None else f"{at_ns // 10**9}.{at_ns % 10**9:09d}"


def _listed(params: Params, name: str) -> list[Any]:
    value = params.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]

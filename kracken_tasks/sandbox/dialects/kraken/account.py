"""Kraken's account endpoints: balances, orders, trades, ledger, fees.

In: a signed call.  Out: the ``result`` of Kraken's envelope, in pages of 50.  Never: a change to the account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kracken_tasks.sandbox import ids
from kracken_tasks.sandbox.amounts import text_of
from kracken_tasks.sandbox.assets import asset_from_key
from kracken_tasks.sandbox.dialects.kraken.arguments import invalid
from kracken_tasks.sandbox.dialects.kraken.context import Call, Json
from kracken_tasks.sandbox.dialects.kraken.shapes import ledger_json, order_json, trade_json
from kracken_tasks.sandbox.dialects.kraken.tokens import TOKEN_SECONDS
from kracken_tasks.sandbox.engine.fees import FeeSchedule, FeeTier
from kracken_tasks.sandbox.engine.orders import Fill, LedgerRow, Order, Refused
from kracken_tasks.sandbox.store import Window

__all__ = ["ACCOUNT"]

_PAGE = 50
_QUERY_ORDERS, _QUERY_OTHERS = 50, 20
_LAG_UNIT_NS = 1_000_000


def balance(call: Call) -> Json:
    return {asset: text_of(amount, asset_from_key(asset).decimals) for asset, amount in _balances(call)}


def balance_ex(call: Call) -> Json:
    booking, answer = call.venue.engine.booking, {}
    for asset, amount in _balances(call):
        decimals = asset_from_key(asset).decimals
        held = booking.held(call.account, asset)
        answer[asset] = {"balance": text_of(amount, decimals), "hold_trade": text_of(held, decimals)}
    return answer


def _balances(call: Call) -> list[tuple[str, int]]:
    state = call.venue.state
    return sorted((asset, amount) for (account, asset), amount in state.balances.items() if account == call.account)


def open_orders(call: Call) -> Json:
    """Live orders, newest first; those accepted a moment ago may not be listed yet."""
    arguments = call.arguments
    cl_ord_id, userref = arguments.text("cl_ord_id"), arguments.whole("userref")
    live = [
        order
        for order in call.venue.state.orders_of(call.account)
        if call.venue.is_listed(order.opened_ns, call.now_ns)
        and (cl_ord_id is None or order.cl_ord_id == cl_ord_id)
        and (userref is None or order.userref == userref)
    ]
    return {"open": _orders_json(call, sorted(live, key=lambda order: -order.no))}


def closed_orders(call: Call) -> Json:
    arguments = call.arguments
    by = arguments.text("closetime") or "both"
    if by not in ("open", "close", "both"):
        raise invalid("closetime")
    page = call.venue.store.closed_orders(
        call.account,
        _window(call, by),
        _PAGE,
        listed_by_ns=call.now_ns - call.venue.state.settings.listing_lag_ms * _LAG_UNIT_NS,
        cl_ord_id=arguments.text("cl_ord_id"),
        userref=arguments.whole("userref"),
    )
    return {"closed": _orders_json(call, page.rows), "count": page.count}


def query_orders(call: Call) -> Json:
    wanted = call.arguments.listed("txid")
    if not 0 < len(wanted) <= _QUERY_ORDERS:
        raise invalid("txid")
    if not all(map(ids.is_txid, wanted)):
        raise Refused("EOrder:Invalid order")
    userref = call.arguments.whole("userref")
    found = [call.venue.state.orders.get(txid) or call.venue.store.order(txid) for txid in wanted]
    shown = [
        order
        for order in found
        if order is not None
        and order.account == call.account
        and call.venue.is_listed(order.opened_ns, call.now_ns)
        and (userref is None or order.userref == userref)
    ]
    # Only here an open order carries a reason, too: null.
    return {txid: {"reason": None, **order} for txid, order in _orders_json(call, shown).items()}


def _orders_json(call: Call, orders: list[Order]) -> Json:
    with_trades, by_symbol = call.arguments.flag("trades"), call.venue.listings.by_symbol
    return {order.txid: order_json(order, by_symbol[order.symbol], with_trades) for order in orders}


def _window(call: Call, by: str = "both") -> Window:
    """start (exclusive), end (inclusive) and ofs; the first two may also be ids of orders, trades or ledger rows."""
    offset = call.arguments.whole("ofs", 0) or 0
    if offset < 0:
        raise invalid("ofs")
    return Window(_edge(call, "start"), _edge(call, "end"), offset, by)


def _edge(call: Call, name: str) -> int | None:
    value = call.arguments.text(name)
    if value is None or not ids.is_txid(value):
        return call.arguments.seconds(name)
    store = call.venue.store
    order = store.order(value)
    found: Order | Fill | LedgerRow | None = (
        order or store.fill(call.account, value) or store.ledger_row(call.account, value)
    )
    if found is None or found.account != call.account:
        raise invalid(name)
    return found.opened_ns if isinstance(found, Order) else found.ts_ns


def trades_history(call: Call) -> Json:
    page = call.venue.store.fills(call.account, _window(call), _PAGE)
    return {"trades": {fill.id: _trade(call, fill) for fill in page.rows}, "count": page.count}


def query_trades(call: Call) -> Json:
    wanted = call.arguments.listed("txid")
    if not 0 < len(wanted) <= _QUERY_OTHERS:
        raise invalid("txid")
    found = [call.venue.store.fill(call.account, fill_id) for fill_id in wanted]
    if None in found:
        raise Refused("EQuery:Unknown trade")
    return {fill.id: _trade(call, fill) for fill in found if fill is not None}


def _trade(call: Call, fill: Fill) -> Json:
    shown = trade_json(fill, call.venue.listings.by_symbol[fill.symbol])
    if call.arguments.flag("ledgers"):
        shown["ledgers"] = call.venue.store.ledger_ids_of(fill.id)
    return shown


def ledgers(call: Call) -> Json:
    arguments = call.arguments
    kind = arguments.text("type")
    page = call.venue.store.ledger(
        call.account, _window(call), _PAGE, _asset_keys(call), None if kind in (None, "all") else kind
    )
    answer: Json = {"ledger": {row.id: ledger_json(row, asset_from_key(row.asset)) for row in page.rows}}
    return answer if arguments.flag("without_count") else answer | {"count": page.count}


def _asset_keys(call: Call) -> list[str]:
    """Assets by any of their names; none means all."""
    names = [name for name in call.arguments.listed("asset") if name != "all"]
    known = {name: asset.key for asset in call.venue.listings.assets() for name in (asset.key, asset.altname)}
    known |= {asset: asset for asset, _ in _balances(call)}
    if set(names) - set(known):
        raise Refused("EQuery:Unknown asset")
    return [known[name] for name in names]


def query_ledgers(call: Call) -> Json:
    wanted = call.arguments.listed("id")
    if not 0 < len(wanted) <= _QUERY_OTHERS:
        raise invalid("id")
    found = [call.venue.store.ledger_row(call.account, row_id) for row_id in wanted]
    if None in found:
        raise Refused("EQuery:Unknown ledger")
    return {row.id: ledger_json(row, asset_from_key(row.asset)) for row in found if row is not None}


def trade_volume(call: Call) -> Json:
    volume = call.venue.engine.booking.volume_cents(call.account, call.now_ns)
    answer: Json = {"currency": "ZUSD", "volume": text_of(volume * 100, 4)}
    listings = [call.listing(name) for name in call.arguments.listed("pair")]
    if not listings:
        return answer
    answer["fees"] = {pair.spec.key: _fee_json(pair.schedule, volume, "taker_ppm") for pair in listings}
    answer["fees_maker"] = {pair.spec.key: _fee_json(pair.schedule, volume, "maker_ppm") for pair in listings}
    return answer


def _fee_json(schedule: FeeSchedule, volume: int, name: str) -> Json:
    def percent(tier: FeeTier) -> str:
        return text_of(getattr(tier, name), 4)

    tier = schedule.at(volume)
    following = schedule.after(tier)
    return {
        "fee": percent(tier),
        "minfee": percent(schedule.tiers[-1]),
        "maxfee": percent(schedule.tiers[0]),
        "nextfee": percent(following) if following else None,
        "nextvolume": f"{following.volume_usd}.0000" if following else None,
        "tiervolume": f"{tier.volume_usd}.0000",
    }


def web_sockets_token(call: Call) -> Json:
    state = call.venue.state
    return {"token": ids.token_of(state.seed, state.next_number("token")), "expires": TOKEN_SECONDS}


def _nothing(call: Call) -> list[Any]:
    """Deposits, withdrawals and margin positions: this venue has none to tell of."""
    return []


def api_key_info(call: Call) -> Json:
    """What the key of this very call may do.  Asks for no right itself."""
    return {"permissions": list(call.rights), "nonce_window": 0, "ip_allowlist": [], "valid_until": "0"}


ACCOUNT: Final[dict[str, Callable[[Call], Any]]] = {
    "Balance": balance,
    "BalanceEx": balance_ex,
    "OpenOrders": open_orders,
    "ClosedOrders": closed_orders,
    "QueryOrders": query_orders,
    "TradesHistory": trades_history,
    "QueryTrades": query_trades,
    "Ledgers": ledgers,
    "QueryLedgers": query_ledgers,
    "TradeVolume": trade_volume,
    "GetWebSocketsToken": web_sockets_token,
    "GetApiKeyInfo": api_key_info,
    "DepositStatus": _nothing,
    "WithdrawStatus": _nothing,
    "OpenPositions": _nothing,
}

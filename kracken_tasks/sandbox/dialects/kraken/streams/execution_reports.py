"""Rows of the executions channel: an order or a fill in v2's words.

In: engine values.  Out: rows, with every field where an order is announced, and hardly any where it only moves on.  Never: a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kracken_tasks.sandbox.amounts import power_of_ten
from kracken_tasks.sandbox.assets import DOLLAR_LIKE
from kracken_tasks.sandbox.dialects.kraken.shapes import print_decimals
from kracken_tasks.sandbox.dialects.kraken.streams.feeds import code_of
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Digits, Json, digits, stamp
from kracken_tasks.sandbox.engine.orders import CloseTerms, Fill, Order, PriceTerm, Status
from kracken_tasks.sandbox.listing import LOT_DECIMALS, Listing
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Reports"]

_FEE_DECIMALS: Final = 8
_PERCENT_DECIMALS: Final = 4
_USD: Final = "ZUSD"


@dataclass(frozen=True, slots=True)
class Reports:
    """See the module docstring."""

    venue: Venue

    def announced(self, order: Order) -> Json:
        """``pending_new``: received and sound, not live yet."""
        return self._full(order, "pending_new", "pending_new", order.opened_ns)

    def standing(self, order: Order) -> Json:
        """A live order as a snapshot shows it."""
        exec_type = "pending_new" if order.status is Status.PENDING else "new"
        shown = self._full(order, exec_type, _status(order), order.amended_ns or order.opened_ns)
        return shown | self._sums(order) | {"amended": order.amended_ns > 0}

    def moved(self, order: Order, exec_type: str, ts_ns: int) -> Json:
        """``new``, ``filled``, ``canceled``, ``expired``: who, what and how much in all, nothing that was told before."""
        shown: Json = {"timestamp": stamp(ts_ns), "order_status": exec_type, "exec_type": exec_type}
        shown |= self._named(order)
        if exec_type != "new":
            shown |= self._sums(order)
        if exec_type in ("canceled", "expired") and order.reason is not None:
            shown |= {"cancel_reason": order.reason, "reason": order.reason}
        return shown

    def amended(self, order: Order) -> Json:
        shown = self._full(order, "amended", _status(order), order.amended_ns)
        return shown | self._sums(order) | {"amended": True}

    def triggered(self, order: Order) -> Json:
        """``status``: the trigger was hit, the order works now."""
        shown: Json = {"timestamp": stamp(order.triggered_ns), "order_status": _status(order), "exec_type": "status"}
        return shown | self._named(order) | {"triggers": self._triggers(order)}

    def trade(self, fill: Fill, order: Order) -> Json:
        """One execution.  It never says that the order is done; the frame after it does."""
        listing = self._listing(order)
        decimals = print_decimals(listing)
        cost = fill.cost * power_of_ten(decimals) // power_of_ten(listing.cost_decimals)
        return self._named(order) | {
            "exec_id": fill.id,
            "exec_type": "trade",
            "trade_id": fill.no,
            "symbol": fill.symbol,
            "side": _side(fill.side),
            "last_qty": digits(fill.lots, LOT_DECIMALS),
            "last_price": digits(fill.price, listing.price_decimals),
            "liquidity_ind": "m" if fill.maker else "t",
            "cost": digits(cost, decimals),
            "order_status": "partially_filled",
            "order_type": fill.kind.value,
            "timestamp": stamp(fill.ts_ns),
            "fee_usd_equiv": self._usd(listing, fill.fee_e8, fill.ts_ns),
            "fees": [{"asset": code_of(listing.quote), "qty": digits(fill.fee_e8, _FEE_DECIMALS)}],
        }

    def _full(self, order: Order, exec_type: str, status: str, ts_ns: int) -> Json:
        listing = self._listing(order)
        shown = self._named(order) | {"symbol": order.symbol, **_quantity(order, listing)}
        shown |= {
            "cum_cost": _cost(order, listing),
            "time_in_force": order.tif,
            "exec_type": exec_type,
            "side": _side(order.side),
            "order_type": order.kind.value,
            **self._limit(order, listing),
            "order_status": status,
            "fee_usd_equiv": self._usd(listing, order.fee_e8, ts_ns),
            "fee_ccy_pref": "fcib" if order.fee_in_base else "fciq",
            "timestamp": stamp(ts_ns),
        }
        if order.post_only:
            shown["post_only"] = True
        if order.kind.waits_for_trigger:
            shown["triggers"] = self._triggers(order)
            shown["stop_price"] = digits(order.stop, listing.price_decimals)
        if order.close is not None:
            shown["contingent"] = _contingent(order.close, listing.price_decimals)
        if order.refid is not None:
            shown["ord_ref_id"] = order.refid
        for name, moment in (("effective_time", order.start_ns), ("expire_time", order.expire_ns)):
            if moment:
                shown[name] = stamp(moment)
        return shown

    def _named(self, order: Order) -> Json:
        own = {} if order.cl_ord_id is None else {"cl_ord_id": order.cl_ord_id}
        return {"order_id": order.txid, **own, "order_userref": order.userref or 0}

    def _sums(self, order: Order) -> Json:
        listing = self._listing(order)
        average = order.cost // order.filled if order.filled else 0
        return {
            "cum_qty": digits(order.filled, LOT_DECIMALS),
            "cum_cost": _cost(order, listing),
            "fee_usd_equiv": self._usd(listing, order.fee_e8, order.closed_ns or order.opened_ns),
            "avg_price": digits(average, listing.price_decimals),
        }

    def _limit(self, order: Order, listing: Listing) -> Json:
        if not order.kind.ends_as_limit:
            return {}
        if order.trail_limit is not None:
            return {"limit_price_type": _unit(order.trail_limit), "limit_price": _number(order.trail_limit, listing)}
        price = order.price2 if order.kind.waits_for_trigger else order.price
        return {"limit_price_type": "static", "limit_price": digits(price, listing.price_decimals)}

    def _triggers(self, order: Order) -> Json:
        decimals = self._listing(order).price_decimals
        price: Any = digits(order.price, decimals)
        unit = "static"
        if order.trail is not None:
            price, unit = _number(order.trail, self._listing(order)), _unit(order.trail)
        shown: Json = {"reference": order.trigger or "last", "price": price, "price_type": unit}
        shown["actual_price"] = digits(order.stop, decimals)
        if order.trail is not None:
            shown["peak_price"] = digits(order.peak, decimals)
        return shown | {"status": "triggered" if order.triggered else "untriggered"}

    def _usd(self, listing: Listing, amount_e8: int, ts_ns: int) -> Digits:
        """An amount of the quote in dollars, at the last price; as it is where no dollar price is known."""
        if listing.quote.key not in DOLLAR_LIKE:
            for other in self.venue.listings.by_symbol.values():
                if other.base.key == listing.quote.key and other.quote.key == _USD:
                    last = self.venue.market.last_trade_before(other.symbol, ts_ns)
                    if len(last):
                        amount_e8 = amount_e8 * int(last.price[0]) // power_of_ten(other.price_decimals)
        return digits(amount_e8, _FEE_DECIMALS)

    def _listing(self, order: Order) -> Listing:
        return self.venue.listings.by_symbol[order.symbol]


def _side(side: int) -> str:
    return "buy" if side > 0 else "sell"


def _status(order: Order) -> str:
    if order.status is Status.PENDING:
        return "pending_new"
    return "partially_filled" if order.filled else "new"


def _quantity(order: Order, listing: Listing) -> Json:
    if order.quote_volume:
        return {"cash_order_qty": digits(order.quote_volume, listing.cost_decimals)}
    return {"order_qty": digits(order.lots, LOT_DECIMALS)}


def _cost(order: Order, listing: Listing) -> Digits:
    decimals = print_decimals(listing)
    return digits(order.cost * power_of_ten(decimals) // power_of_ten(listing.cost_decimals), decimals)


def _unit(term: PriceTerm) -> str:
    if not term.sign:
        return "static"
    return "pct" if term.percent else "quote"


def _number(term: PriceTerm, listing: Listing) -> Digits:
    value = -term.value if term.sign == "-" else term.value
    return digits(value, _PERCENT_DECIMALS if term.percent else listing.price_decimals)


def _contingent(close: CloseTerms, decimals: int) -> Json:
    def told(name: str, term: PriceTerm | None) -> Json:
        if term is None:
            return {}
        value = -term.value if term.sign == "-" else term.value
        number = digits(value, _PERCENT_DECIMALS if term.percent else decimals)
        return {name: number, f"{name}_type": _unit(term)}

    waits = close.kind.waits_for_trigger
    shown: Json = {"order_type": close.kind.value}
    return shown | told("trigger_price" if waits else "limit_price", close.price) | told("limit_price", close.price2)

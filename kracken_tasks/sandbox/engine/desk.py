"""The order desk: judges requests, takes the good ones in.

In: order requests as understood by a dialect, at the venue's now.  Out: accepted, changed or ended orders.
Raises ``Refused`` in Kraken's wording, before anything was changed.  Never: wall time, wire formats.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kracken_tasks.sandbox.amounts import ceil_div
from kracken_tasks.sandbox.engine.engine import Engine
from kracken_tasks.sandbox.engine.execution import trail_level
from kracken_tasks.sandbox.engine.matching import Wish
from kracken_tasks.sandbox.engine.orders import PPM, Kind, Order, OrderSpec, PriceTerm, Refused, Status
from kracken_tasks.sandbox.limits import TIERS, Level, amend_cost, cancel_cost, edit_cost
from kracken_tasks.sandbox.listing import Listing

__all__ = ["Amendment", "Desk"]

_MODES = {
    "cancel_only": "EService:Market in cancel_only mode",
    "maintenance": "EService:Market in cancel_only mode",
    "delisted": "EService:Market in cancel_only mode",
    "reduce_only": "EService:Market in reduce_only mode",
}
UNKNOWN_ORDER = "EOrder:Unknown order"
ORDER_MINIMUM = "EOrder:Order minimum not met"


@dataclass(frozen=True, slots=True)
class Amendment:
    """What an amend changes; None leaves as it is."""

    lots: int | None = None
    limit: PriceTerm | None = None
    trigger: PriceTerm | None = None
    post_only: bool | None = None


class Desk:
    """Takes orders for any account.  Call ``Engine.advance`` to the same moment first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._state = engine.state
        self._booking = engine.booking
        self._execution = engine.execution

    def place(self, account: str, spec: OrderSpec, now_ns: int, validate_only: bool = False) -> Order:
        """Accept an order, or say why not.  ``validate_only`` judges everything and changes nothing."""
        draft = self._judged(account, spec, now_ns)
        if validate_only:
            return draft
        self._charge(account, spec.symbol, 1, now_ns)
        return self._execution.accept(draft, now_ns)

    def cancel(self, order: Order, now_ns: int, reason: str = "User requested") -> Order:
        # A cancel is never turned away for its rate; its price is that the next order may be.
        self._charge(order.account, order.symbol, cancel_cost(now_ns - _rested_since(order)), now_ns, enforce=False)
        return self._execution.end(order, Status.CANCELED, now_ns, reason)

    def amend(self, order: Order, change: Amendment, now_ns: int) -> Order:
        """Change a live order in place; it keeps its id.  Fewer lots than already filled cancels the rest."""
        listing = self._listing(order.symbol)
        status = self._engine.status_of(order.symbol)
        if status in _MODES:
            raise Refused(_MODES[status])
        amended = self._amended(order, change, now_ns)
        if amended.remaining <= 0:
            return self._execution.end(order, Status.CANCELED, now_ns, "Amended below filled volume")
        self._check_size(listing, amended, amended.hold_price, ORDER_MINIMUM)
        self._check_post(amended, now_ns)
        self._check_funds(amended, now_ns, but=order.txid)
        self._charge(order.account, order.symbol, amend_cost(now_ns - _rested_since(order)), now_ns)
        amended = self._state.put_order(replace(amended, amended_ns=now_ns))
        return self._execution.arrive(amended, now_ns) if amended.status is Status.OPEN else amended

    def edit(self, order: Order, spec: OrderSpec, now_ns: int, validate_only: bool = False) -> Order:
        """Cancel an order and place its successor under a new id.  Not for triggered, filled, tagged or conditional ones."""
        if order.triggered or order.close or order.cl_ord_id or spec.lots < order.filled:
            raise Refused("EOrder:Order not editable")
        draft = self._judged(order.account, spec, now_ns, instead_of=order)
        if validate_only:
            return draft
        self._charge(order.account, order.symbol, edit_cost(now_ns - _rested_since(order)), now_ns)
        self._execution.end(order, Status.CANCELED, now_ns, "Order replaced")
        return self._execution.accept(draft, now_ns)

    def live_order(self, account: str, txid: str) -> Order:
        """Raises: Refused if the account has no such live order."""
        order = self._state.orders.get(txid)
        if order is None or order.account != account:
            raise Refused(UNKNOWN_ORDER)
        return order

    def live_by_client_id(self, account: str, cl_ord_id: str) -> Order:
        for order in self._state.orders_of(account):
            if order.cl_ord_id == cl_ord_id:
                return order
        raise Refused(UNKNOWN_ORDER)

    def _judged(self, account: str, spec: OrderSpec, now_ns: int, instead_of: Order | None = None) -> Order:
        listing = self._listing(spec.symbol)
        self._check_mode(spec)
        draft = self._execution.drafted(account, spec, now_ns)
        if draft.post_only and not draft.limit:
            raise Refused("EOrder:Post only order")  # only limit orders can promise to be makers
        self._check_unique(account, spec)
        if instead_of is None:
            self._check_room(account, spec.symbol)
        reference = draft.hold_price or self._best(draft, now_ns)
        self._check_size(listing, draft, reference, "EGeneral:Invalid arguments:volume minimum not met")
        self._check_post(draft, now_ns)
        self._check_funds(draft, now_ns, but=instead_of.txid if instead_of else None)
        return draft

    def _listing(self, symbol: str) -> Listing:
        return self._engine.listings.by_symbol[symbol]

    def _check_mode(self, spec: OrderSpec) -> None:
        status = self._engine.status_of(spec.symbol)
        if status in _MODES:
            raise Refused(_MODES[status])
        if status == "post_only" and "post" not in spec.flags:
            raise Refused("EService:Market in post_only mode")
        if status == "limit_only" and not spec.kind.ends_as_limit:
            raise Refused("EService:Market in limit_only mode")

    def _check_unique(self, account: str, spec: OrderSpec) -> None:
        if spec.cl_ord_id and any(o.cl_ord_id == spec.cl_ord_id for o in self._state.orders_of(account)):
            raise Refused("EOrder:Duplicate order")

    def _check_room(self, account: str, symbol: str) -> None:
        most = TIERS[self._state.settings.tier].open_orders
        if sum(order.symbol == symbol for order in self._state.orders_of(account)) >= most:
            raise Refused("EOrder:Orders limit exceeded")

    def _check_size(self, listing: Listing, order: Order, reference: int, too_small: str) -> None:
        if order.quote_volume:
            lots, cost = order.quote_volume // max(1, reference), order.quote_volume
        else:
            lots, cost = order.lots, order.lots * reference
        if lots < listing.ordermin_lots:
            raise Refused(too_small)
        if cost < listing.costmin:
            raise Refused("EOrder:Cost minimum not met")

    def _check_post(self, order: Order, now_ns: int) -> None:
        if order.post_only and order.limit:
            bids, asks = self._execution.matcher.book(order.symbol, now_ns, 1)
            crosses = (asks and order.limit >= asks[0][0]) if order.side > 0 else (bids and order.limit <= bids[0][0])
            if crosses:
                raise Refused("EOrder:Post only order")

    def _check_funds(self, order: Order, now_ns: int, but: str | None = None) -> None:
        """Free money must cover what the order will hold, or, at the market, what it would cost this moment."""
        listing = self._listing(order.symbol)
        asset, needed = self._booking.hold_of(order)
        if order.kind is Kind.MARKET and order.side > 0:
            wish = Wish(order.side, order.lots, order.quote_volume)
            levels = self._execution.matcher.preview(order.symbol, wish, now_ns)
            cost = sum(price * lots for price, lots in levels)
            ppm = 0 if order.fee_in_base else listing.schedule.dearest_ppm
            needed = listing.quote_units_held(ceil_div(cost * (PPM + ppm), PPM))
        if needed > self._booking.free(order.account, asset, but):
            raise Refused("EOrder:Insufficient funds")

    def _best(self, order: Order, now_ns: int) -> int:
        bids, asks = self._execution.matcher.book(order.symbol, now_ns, 1)
        side = asks if order.side > 0 else bids
        return side[0][0] if side else self._execution.last_price(order.symbol, now_ns)

    def _charge(self, account: str, symbol: str, cost: int, now_ns: int, enforce: bool = True) -> None:
        tier = TIERS[self._state.settings.tier]
        scope = f"engine:{account}:{symbol}"
        level = self._state.counters.get(scope, Level()).decayed(tier.engine_decay, now_ns)
        if enforce and not level.allows(cost, tier.engine_max):
            raise Refused("EOrder:Rate limit exceeded")
        self._state.set_counter(scope, level.raised(cost, tier.engine_max))

    def _amended(self, order: Order, change: Amendment, now_ns: int) -> Order:
        last = self._execution.last_price(order.symbol, now_ns)
        amended = order
        if change.lots is not None:
            if order.quote_volume:
                raise Refused("EGeneral:Invalid arguments:order_qty")
            amended = replace(amended, lots=change.lots)
        if change.trigger is not None:
            amended = self._retriggered(amended, change.trigger, last)
        if change.limit is not None:
            amended = _relimited(amended, change.limit, last)
        if change.post_only is not None:
            flags = tuple(flag for flag in amended.flags if flag != "post") + (("post",) if change.post_only else ())
            amended = replace(amended, flags=flags)
        return amended

    def _retriggered(self, order: Order, trigger: PriceTerm, last: int) -> Order:
        if not order.waits:
            raise Refused("EGeneral:Invalid arguments:trigger_price")
        if order.kind.is_trailing:
            if not trigger.sign or trigger.value <= 0:
                raise Refused("EGeneral:Invalid arguments:trigger_price")
            return replace(order, trail=trigger, stop=trail_level(trigger, order.side, order.peak))
        level = trigger.resolved(last, not order.kind.triggers_when_falling(order.side))
        if level <= 0:
            raise Refused("EGeneral:Invalid arguments:trigger_price")
        return replace(order, price=level, stop=level, hold_price=order.price2 or level)


def _relimited(order: Order, limit: PriceTerm, last: int) -> Order:
    if not order.kind.ends_as_limit:
        raise Refused("EGeneral:Invalid arguments:limit_price")
    if order.kind.is_trailing and not order.triggered:
        return replace(order, trail_limit=limit)
    level = limit.resolved(last, order.side < 0)
    if level <= 0:
        raise Refused("EGeneral:Invalid arguments:limit_price")
    if order.kind is Kind.LIMIT:
        return replace(order, price=level, limit=level, hold_price=level)
    working = level if order.triggered else 0
    return replace(order, price2=level, limit=working, hold_price=level)


def _rested_since(order: Order) -> int:
    return order.amended_ns or order.opened_ns

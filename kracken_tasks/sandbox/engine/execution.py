"""How an order lives: it arrives, rests, is set off, matches, and ends.

In: orders already accepted, and trades of the market.  Out: new states of orders, booked executions, closing orders.
Never: a judgement whether an order may be accepted (the desk does that), wall time.
"""

from __future__ import annotations

from dataclasses import replace

from kracken_tasks.sandbox import ids
from kracken_tasks.sandbox.engine.booking import Booking
from kracken_tasks.sandbox.engine.matching import Matcher, Wish
from kracken_tasks.sandbox.engine.orders import Kind, Order, OrderSpec, PriceTerm, Refused, Status
from kracken_tasks.sandbox.listing import Listings
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.state import State

__all__ = ["Execution"]

FUNDS = "Insufficient funds"


class Execution:
    """Moves orders through their states.  Every method takes the moment of market time at which it happens."""

    def __init__(self, market: Market, listings: Listings, state: State, booking: Booking) -> None:
        self._market = market
        self._listings = listings
        self._state = state
        self._booking = booking
        self.matcher = Matcher(market, state.taken)

    def last_price(self, symbol: str, at_ns: int) -> int:
        """The last trade's price.  Raises: Refused while the pair has never traded."""
        last = self._market.last_trade_before(symbol, at_ns)
        if not len(last):
            raise Refused("EService:Unavailable")
        return int(last.price[0])

    def drafted(self, account: str, spec: OrderSpec, at_ns: int) -> Order:
        """The order a request would become, with relative prices resolved; takes no number and changes nothing.

        Raises: Refused if a price is missing or senseless.
        """
        kind, side = spec.kind, spec.side
        last = self.last_price(spec.symbol, at_ns)
        falling = kind.triggers_when_falling(side)
        price = price2 = stop = limit = peak = 0
        trail = trail_limit = None
        if kind.is_trailing:
            trail, trail_limit, peak = spec.price, spec.price2, last
            if trail is None or trail.value <= 0:
                raise Refused("EGeneral:Invalid arguments:price")
            stop = trail_level(trail, side, peak)
            if kind.ends_as_limit and trail_limit is None:
                raise Refused("EGeneral:Invalid arguments:price2")
        elif kind is not Kind.MARKET:
            hash_adds = side < 0 if kind is Kind.LIMIT else not falling
            price = _required(spec.price, "price").resolved(last, hash_adds)
            if kind.waits_for_trigger:
                stop = price
                if kind.ends_as_limit:
                    price2 = _required(spec.price2, "price2").resolved(price, side > 0)
            else:
                limit = price
        if min(price, price2, stop) < 0 or (kind is not Kind.MARKET and max(price, stop) == 0):
            raise Refused("EGeneral:Invalid arguments:price")
        return Order(
            txid="",
            no=0,
            account=account,
            symbol=spec.symbol,
            side=side,
            kind=kind,
            lots=spec.lots,
            price=price,
            price2=price2,
            hold_price=price2 or price or stop,
            opened_ns=at_ns,
            status=Status.PENDING if spec.start_ns > at_ns else Status.OPEN,
            quote_volume=spec.quote_volume,
            trail=trail,
            trail_limit=trail_limit,
            stop=stop,
            peak=peak,
            limit=limit,
            flags=spec.flags,
            tif=spec.tif,
            start_ns=spec.start_ns,
            expire_ns=spec.expire_ns,
            cl_ord_id=spec.cl_ord_id,
            userref=spec.userref,
            refid=spec.refid,
            trigger=spec.trigger,
            close=spec.close,
        )

    def accept(self, draft: Order, at_ns: int) -> Order:
        """Give a draft its number and id, and let it arrive at the market."""
        number = self._state.next_number("order")
        order = self._state.put_order(replace(draft, txid=ids.txid(self._state.seed, number), no=number))
        return order if order.status is Status.PENDING else self.arrive(order, at_ns)

    def start(self, order: Order, at_ns: int) -> Order:
        """A scheduled order's time has come."""
        opened = replace(order, status=Status.OPEN)
        if order.trail is not None:
            peak = self.last_price(order.symbol, at_ns)
            opened = replace(opened, peak=peak, stop=trail_level(order.trail, order.side, peak))
        return self.arrive(self._state.put_order(opened), at_ns)

    def arrive(self, order: Order, at_ns: int) -> Order:
        """Match what can be matched now; the rest of a limit order rests, a stop waits."""
        if order.waits:
            return self.set_off(order, at_ns) if order.is_set_off_by(self.last_price(order.symbol, at_ns)) else order
        if order.tif == "FOK" and not self._can_fill(order, at_ns):
            return self.end(order, Status.CANCELED, at_ns, "FOK")
        order = self._sweep(order, at_ns)
        if order.status is Status.OPEN and (order.limit == 0 or order.tif in ("IOC", "FOK")):
            return self.end(order, Status.CANCELED, at_ns, "IOC" if order.limit else "Insufficient liquidity")
        return order

    def set_off(self, order: Order, at_ns: int) -> Order:
        """A trigger was hit: the stop becomes a market or limit order."""
        limit = 0
        if order.kind.is_trailing and order.trail_limit is not None:
            limit = order.trail_limit.resolved(order.stop, order.side > 0)
        elif order.kind.ends_as_limit:
            limit = order.price2
        return self.arrive(
            self._state.put_order(replace(order, triggered=True, triggered_ns=at_ns, limit=max(limit, 0))), at_ns
        )

    def fill_resting(self, order: Order, lots: int, at_ns: int) -> Order:
        """Somebody traded through a resting order: it fills at its own price, as a maker."""
        filled = self._booking.execute(order, order.limit, lots, True, at_ns)
        return self._after_match(filled, lots, at_ns)

    def end(self, order: Order, status: Status, at_ns: int, reason: str | None = None) -> Order:
        return self._state.put_order(replace(order, status=status, closed_ns=at_ns, reason=reason))

    def _can_fill(self, order: Order, at_ns: int) -> bool:
        wish = Wish(order.side, order.remaining, order.quote_volume, order.limit)
        return sum(lots for _, lots in self.matcher.preview(order.symbol, wish, at_ns)) >= order.remaining

    def _sweep(self, order: Order, at_ns: int) -> Order:
        """Take what the book offers now, within the order's limit and the account's money."""
        step = self._listings.by_symbol[order.symbol].step
        wish = Wish(order.side, order.remaining, order.quote_volume, order.limit, step)
        levels = self.matcher.preview(order.symbol, wish, at_ns)
        short = False
        if order.side > 0 and not order.limit:
            affordable = self._affordable(order)
            short = sum(price * lots for price, lots in levels) > affordable
            if short:
                levels = self.matcher.preview(order.symbol, replace(wish, cost=affordable), at_ns)
        for price, lots in levels:
            order = self._booking.execute(order, price, lots, False, at_ns)
        if short:
            order = self.end(order, Status.CANCELED, at_ns, FUNDS)
        if not levels:
            return order
        self.matcher.take(order.symbol, order.side, levels, at_ns)
        return self._after_match(order, sum(lots for _, lots in levels), at_ns)

    def _affordable(self, order: Order) -> int:
        """The most a market buy may cost: what it held, and what is free besides; at least 1, as 0 would be no bound."""
        listing = self._listings.by_symbol[order.symbol]
        free = self._booking.free(order.account, listing.quote.key, but=order.txid)
        ppm = 0 if order.fee_in_base else listing.schedule.dearest_ppm
        return max(1, self._booking.cost_within(max(0, free), listing, ppm))

    def _after_match(self, order: Order, lots: int, at_ns: int) -> Order:
        done = order.status is Status.OPEN and (order.quote_volume > 0 or order.remaining == 0)
        if done:
            order = self.end(order, Status.CLOSED, at_ns)
        if order.close is not None:
            self._close_position(order, lots, at_ns)
        return order

    def _close_position(self, primary: Order, lots: int, at_ns: int) -> None:
        """The conditional close: one order for what this match brought in, the moment it came in."""
        terms = primary.close
        if terms is None:
            return
        lots -= self._booking.base_fee_lots(primary, lots, at_ns)
        spec = OrderSpec(
            symbol=primary.symbol,
            side=-primary.side,
            kind=terms.kind,
            lots=lots,
            price=terms.price,
            price2=terms.price2,
            refid=primary.txid,
            userref=primary.userref,
        )
        try:
            draft = self.drafted(primary.account, spec, at_ns)
        except Refused:  # a relative price that leads nowhere: the primary stands, there is just no close
            return
        asset, needed = self._booking.hold_of(draft)
        short = needed > self._booking.free(primary.account, asset)
        if short:
            # Listed as canceled, so that the client can see that the position has no stop.
            number = self._state.next_number("order")
            refused = replace(draft, txid=ids.txid(self._state.seed, number), no=number)
            self.end(refused, Status.CANCELED, at_ns, FUNDS)
        else:
            self.accept(draft, at_ns)


def trail_level(trail: PriceTerm, side: int, peak: int) -> int:
    """Where a trailing stop stands when the best price so far is ``peak``."""
    distance = trail.distance(peak)
    return peak - distance if side < 0 else peak + distance


def _required(term: PriceTerm | None, name: str) -> PriceTerm:
    if term is None:
        raise Refused(f"EGeneral:Invalid arguments:{name}")
    return term

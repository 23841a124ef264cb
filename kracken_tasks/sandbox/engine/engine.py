"""Working through the market: everything that happened to the account's orders between two moments, in order of time.

In: a moment to advance to.  Out: booked executions, ended and new orders.  Never: wall time.
The outcome does not depend on the steps taken: one leap over a day equals a thousand small ones, because events of all
pairs are handled in order of their own time.  That is what makes a killed server catch up exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from kracken_tasks.sandbox.engine.booking import Booking
from kracken_tasks.sandbox.engine.execution import Execution, trail_level
from kracken_tasks.sandbox.engine.orders import Status
from kracken_tasks.sandbox.engine.triggers import Touch, Watch, find_touch
from kracken_tasks.sandbox.listing import Listings
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.state import State

__all__ = ["Engine"]

MATCHING_STATUSES = frozenset({"online", "post_only", "limit_only"})


@dataclass(slots=True)
class _Search:
    """How far one pair was looked through, and what was found."""

    from_ns: int
    watch: Watch
    touch: Touch | None


class Engine:
    """The matching engine of one venue over one market and one state."""

    def __init__(self, market: Market, listings: Listings, state: State) -> None:
        self.market = market
        self.listings = listings
        self.state = state
        self.booking = Booking(market, listings, state)
        self.execution = Execution(market, listings, state, self.booking)

    def status_of(self, symbol: str) -> str:
        return self.state.settings.pair_status.get(symbol, self.listings.by_symbol[symbol].spec.status)

    def advance(self, until_ns: int) -> None:
        """Work through the market up to and including ``until_ns``; a moment already passed changes nothing."""
        state = self.state
        if until_ns <= state.processed_ns:
            return
        reached = state.processed_ns
        searches: dict[str, _Search] = {}
        for symbol in {order.symbol for order in state.orders.values()}:
            self._search(searches, symbol, reached, until_ns)
        while True:
            timed = self._next_timed(until_ns)
            touched = min(
                ((search.touch.ts_ns, symbol) for symbol, search in searches.items() if search.touch), default=None
            )
            if timed is not None and (touched is None or timed[0] <= touched[0]):
                at_ns, happen = timed
                self._catch_up(searches, at_ns - 1)
                before = set(state.orders.items())
                happen(at_ns)
                for symbol in {order.symbol for _, order in before ^ set(state.orders.items())}:
                    self._search(searches, symbol, at_ns - 1, until_ns)
            elif touched is not None:
                at_ns, symbol = touched
                self._apply(searches[symbol], symbol)
                self._search(searches, symbol, at_ns, until_ns)
            else:
                break
        for search in searches.values():
            self._settle_trails(search.watch)
        state.processed_ns = until_ns

    def _search(self, searches: dict[str, _Search], symbol: str, from_ns: int, until_ns: int) -> None:
        """Look for the pair's next event after ``from_ns``."""
        watch = Watch.over(self.state.orders_on(symbol))
        matching = self.status_of(symbol) in MATCHING_STATUSES
        touch = find_touch(self.market, symbol, watch, from_ns, until_ns) if matching else None
        searches[symbol] = _Search(from_ns, watch, touch)

    def _catch_up(self, searches: dict[str, _Search], at_ns: int) -> None:
        """Bring every trailing stop up to a moment at which something else happens; no trade touches one before it."""
        for symbol, search in searches.items():
            if search.watch.trails and self.status_of(symbol) in MATCHING_STATUSES:
                watch = Watch.over(self.state.orders_on(symbol))
                find_touch(self.market, symbol, watch, search.from_ns, at_ns)
                self._settle_trails(watch)
                search.from_ns = max(search.from_ns, at_ns)

    def _settle_trails(self, watch: Watch) -> None:
        for trail in watch.trails:
            order = self.state.orders.get(trail.txid)
            if order is not None and order.peak != trail.peak and order.trail is not None:
                stop = trail_level(order.trail, order.side, trail.peak)
                self.state.put_trail(replace(order, peak=trail.peak, stop=stop))

    def _apply(self, search: _Search, symbol: str) -> None:
        """A public trade touched something: resting orders it went through fill, stops it reached are set off."""
        touch = search.touch
        if touch is None:
            return
        self._settle_trails(search.watch)
        there = sorted(self.state.orders_on(symbol), key=lambda order: order.no)
        step = self.listings.by_symbol[symbol].step
        share = touch.lots * self.state.settings.fill_share_percent // 100 // step * step
        for side in (1, -1):
            left = max(share, step)
            resting = [order for order in there if order.side == side and order.rests and order.crosses(touch.price)]
            for order in sorted(resting, key=lambda order: (-side * order.limit, order.no)):
                lots = min(left, order.remaining)
                if lots > 0:
                    self.execution.fill_resting(order, lots, touch.ts_ns)
                    left -= lots
        for order in there:
            if order.waits and order.is_set_off_by(touch.price):
                self.execution.set_off(order, touch.ts_ns)

    def _next_timed(self, until_ns: int) -> tuple[int, Callable[[int], None]] | None:
        """The next thing that happens by the clock alone: a start, an expiry, the dead man's switch."""
        first: tuple[int, int, Callable[[int], None]] | None = None
        for order in self.state.orders.values():
            if order.status is Status.PENDING:
                first = _earlier(first, order.start_ns, order.no, partial(self._start, order.txid))
            if order.expire_ns:
                first = _earlier(first, order.expire_ns, order.no, partial(self._expire, order.txid))
        for account, at_ns in self.state.switches.items():
            first = _earlier(first, at_ns, 0, partial(self._switch_off, account))
        return (first[0], first[2]) if first and first[0] <= until_ns else None

    def _start(self, txid: str, at_ns: int) -> None:
        self.execution.start(self.state.orders[txid], at_ns)

    def _expire(self, txid: str, at_ns: int) -> None:
        self.execution.end(self.state.orders[txid], Status.EXPIRED, at_ns, "Expired")

    def _switch_off(self, account: str, at_ns: int) -> None:
        for order in list(self.state.orders_of(account)):
            self.execution.end(order, Status.CANCELED, at_ns, "Cancel all orders after timeout")
        self.state.set_switch(account, 0)


_Timed = tuple[int, int, Callable[[int], None]]


def _earlier(first: _Timed | None, at_ns: int, no: int, happen: Callable[[int], None]) -> _Timed:
    return (at_ns, no, happen) if first is None or (at_ns, no) < first[:2] else first

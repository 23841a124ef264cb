"""``AdvancedOrders``: stops, targets, trailing stops, one-cancels-the-other and brackets, native where the venue has them.

In: a broker, a ledger, prices as people write them.  Out: ``Exits``, ``Bracket``, ``Watch``.  Never: a retry, a thread, a second exit
beside the one that is there; an order of somebody else's touched.

Every call takes the account's lease, as a trading tick does, looks at the venue, writes what is wanted into the ledger, and only then
changes anything.  Called again with the same arguments it finds everything done.  ``watch`` is the whole upkeep: call it as often as a
target may be missed by, or let trading ticks on the same ledger do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from decimal import Decimal

from kracken_tasks.domain.clock import Clock, WallClock, iso
from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.trading import OrderKind, Position, Purpose, VenueOrder
from kracken_tasks.errors import KrackenError, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.execution.advanced.entries import Entry, enter_once, entry_of
from kracken_tasks.execution.advanced.forms import ALONE, TRAILING
from kracken_tasks.execution.advanced.keeping import raise_to_market, reform, take_back_entries, trail
from kracken_tasks.execution.advanced.prices import Number, amount_asked, at_quote, price_below
from kracken_tasks.execution.advanced.views import Bracket, Exits, Watch
from kracken_tasks.execution.advanced.wishes import (
    bracket_plan,
    lone_target,
    require_order,
    with_stop,
    with_target,
    with_trail,
    without_target,
)
from kracken_tasks.execution.broker import Broker, native_kinds
from kracken_tasks.execution.desk import Desk, ExecutionConfig, trading_desk
from kracken_tasks.execution.exits import Exit, due_exit, leave, settled
from kracken_tasks.execution.orders import is_dust
from kracken_tasks.execution.protect import Protection, protect
from kracken_tasks.execution.quoting import usable_quotes
from kracken_tasks.execution.reconcile import Reconciled, reconcile
from kracken_tasks.ledger import LeaseLost, Ledger, Plan, Source
from kracken_tasks.risk.stops import StopRules

__all__ = ["AdvancedOrders"]

Change = Callable[[Plan, Quote, Instrument], Plan]


class AdvancedOrders:
    """One account's advanced orders.  Safe to open again after a crash: what it knows stands in the ledger.

    ``wall`` serves the lease only; ``holder`` names this process in it.  Errors of every call: RetryLater (the lease is held, or the venue
    cannot be read: nothing was sent), TradeRefused (it cannot be, and why), StateUnknown (the symbol is in doubt until a later look).
    Prices and amounts may be Decimal, text, int or float; stops are rounded down to a tick, targets up, amounts down to a lot.
    """

    def __init__(
        self,
        broker: Broker,
        ledger: Ledger,
        *,
        wall: Clock | None = None,
        config: ExecutionConfig | None = None,
        stops: StopRules | None = None,
        holder: str = "advanced orders",
    ) -> None:
        self._broker, self._ledger = broker, ledger
        self._wall, self._holder = wall or WallClock(), holder
        self._config, self._stops = config or ExecutionConfig(), stops or StopRules()
        self._native = native_kinds(broker)

    # -- exits of a position -------------------------------------------------------------------------------------------------

    def stop_loss(self, symbol: str, stop_price: Number, *, limit_price: Number | None = None) -> Exits:
        """Let a stop of the whole position rest at ``stop_price``; with ``limit_price`` it sells no lower than that, or not at all.

        A target that was planned stays.  The stop that rests is moved by amend, up or down.
        """

        return self._change(symbol, lambda plan, quote, listed: with_stop(plan, quote, listed, stop_price, limit_price))

    def stop_limit(self, symbol: str, stop_price: Number, limit_price: Number) -> Exits:
        """``stop_loss`` with a limit: sells at ``limit_price`` or better once ``stop_price`` trades, and may not fill at all."""
        return self.stop_loss(symbol, stop_price, limit_price=limit_price)

    def take_profit(
        self, symbol: str, price: Number, *, limit_price: Number | None = None, without_stop: bool = False
    ) -> Exits:
        """Sell the position when the bid reaches ``price``.

        Beside a stop the target is watched, because the stop holds the coins.  ``without_stop``: the target itself rests at the venue, and
        nothing protects the position; only then can it have a ``limit_price``.
        """
        if limit_price is not None and not without_stop:
            raise TradeRefused(f"{symbol}: a target beside a stop is watched and has no limit", symbol=symbol)

        def change(plan: Plan, quote: Quote, instrument: Instrument) -> Plan:
            if without_stop:
                return lone_target(plan, quote, instrument, price, limit_price)
            return with_target(plan, quote, instrument, price)

        return self._change(symbol, change)

    def trailing_stop(
        self,
        symbol: str,
        *,
        percent: Number | None = None,
        distance: Number | None = None,
        limit_offset: Number | None = None,
    ) -> Exits:
        """Let the stop follow the best price: ``percent`` (5 is 5 %) or ``distance`` (quote currency) behind it, never back.

        ``limit_offset``: a trailing-stop-limit, that far below the trigger.  Where the venue has no trailing stops a stop-loss is raised by
        amend at every ``watch``; a limit is not kept then.
        """

        def change(plan: Plan, quote: Quote, instrument: Instrument) -> Plan:
            return with_trail(plan, quote, instrument, percent=percent, distance=distance, limit_offset=limit_offset)

        return self._change(symbol, change)

    def oco(
        self, symbol: str, *, stop_price: Number, take_profit_price: Number, stop_limit_price: Number | None = None
    ) -> Exits:
        """One cancels the other: the position is sold at the stop or at the target, whichever comes first, and once.

        The stop rests at the venue.  When the bid reaches the target, the same order is raised to the market and becomes the sale.
        """

        def change(plan: Plan, quote: Quote, instrument: Instrument) -> Plan:
            stopped = with_stop(plan, quote, instrument, stop_price, stop_limit_price)
            return with_target(stopped, quote, instrument, take_profit_price)

        return self._change(symbol, change)

    def cancel_target(self, symbol: str) -> Exits:
        """Forget the target; a stop rests on (a target that rested alone gives way to a stop at its default distance)."""

        return self._change(symbol, lambda plan, quote, listed: without_target(plan))

    # -- entry with exits ----------------------------------------------------------------------------------------------------

    def bracket(
        self,
        symbol: str,
        amount: Number,
        *,
        key: str,
        stop_price: Number,
        take_profit_price: Number | None = None,
        entry_price: Number | None = None,
        stop_limit_price: Number | None = None,
        trail_percent: Number | None = None,
    ) -> Bracket:
        """Buy ``amount`` and leave it at the stop or the target.  ``key`` makes it the same bracket when it is asked for again.

        ``entry_price`` None: now, at most the cap above the ask, what the book does not give is not bought; else a limit that rests.  The
        stop goes with the entry where the venue can place it by itself the moment the entry fills; ``trail_percent`` lets it follow by
        amend.  What was refused or never arrived may be asked for again under the same key.
        """
        with self._desk(f"bracket:{key}") as desk:
            look = reconcile(desk)
            quote, instrument = self._quote(symbol), desk.instrument(symbol)
            price = None if entry_price is None else price_below(entry_price, instrument)
            plan = bracket_plan(
                instrument,
                stop_price=stop_price,
                take_profit_price=take_profit_price,
                stop_limit_price=stop_limit_price,
                trail_percent=trail_percent,
            )
            entry = Entry(symbol, amount_asked(amount, instrument), price, plan)
            if entry_of(desk, key, symbol) is None:
                require_order(symbol, plan, price if price is not None else at_quote(quote.bid, instrument))
            reason = enter_once(desk, look, key, entry, quote, self._native)
            exits = self._brought_in_line(desk, look, frozenset(), ())
            return self._bracket_view(desk, key, symbol, exits, reason)

    def cancel_entry(self, symbol: str, key: str) -> Bracket:
        """Take back what of a bracket's entry has not filled; what has filled keeps its exits."""
        with self._desk(f"bracket:{key}") as desk:
            look = reconcile(desk)
            found = entry_of(desk, key, symbol)
            if found is None:
                raise TradeRefused(f"there is no bracket {key!r} of {symbol}", symbol=symbol, key=key)
            order_id = None if found[1] is None else found[1].order_id
            if order_id is not None and any(order.order_id == order_id for order in look.open_orders):
                desk.require_lease()
                desk.touched = True
                self._broker.cancel(order_id)
            exits = self._brought_in_line(desk, look, frozenset(), ())
            return self._bracket_view(desk, key, symbol, exits, "")

    # -- upkeep --------------------------------------------------------------------------------------------------------------

    def watch(self) -> Watch:
        """Look once and do what is due: targets, time, trails, sizes after fills, entries without sense.  Needs quotes only.

        Raises: RetryLater if the lease is held or the venue cannot be read at all; nothing was sent then.
        """
        with self._desk(f"watch@{iso(self._broker.now())}") as desk:
            look = reconcile(desk)
            problems: dict[str, str] = {}
            sold: list[Exit] = []
            withdrawn: list[str] = []
            with _telling(problems, "entries"):
                withdrawn.extend(take_back_entries(desk, look))
            positions = _worth_leaving(desk)
            quotes, unquoted = usable_quotes(self._broker, positions)
            for symbol, position in sorted(positions.items()):
                if symbol in desk.unknown or symbol in unquoted:
                    problems[symbol] = desk.unknown.get(symbol) or unquoted[symbol]
                    continue
                with _telling(problems, symbol):
                    left = self._leave_if_due(desk, look, position, quotes[symbol])
                    sold.extend(() if left is None else (left,))
            look = _again(desk, look)
            with _telling(problems, "entries"):  # the rest of an entry whose position was left just now
                withdrawn.extend(take_back_entries(desk, look))
            exits = self._brought_in_line(desk, look, frozenset(positions), tuple(sold), problems)
            sold = [settled(desk, left, desk.ledger.fills(look.now - self._config.fill_overlap)) for left in sold]
            return Watch(look.now, exits, tuple(sold), tuple(withdrawn), problems)

    def exits(self) -> tuple[Exits, ...]:
        """How every position is to be left and what rests for it, after a look that changes nothing."""
        with self._desk("look") as desk:
            look = reconcile(desk)
            return tuple(
                self._view(desk, look, symbol, None, {}) for symbol, _ in sorted(desk.ledger.positions().items())
            )

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _desk(self, name: str) -> AbstractContextManager[Desk]:
        return trading_desk(
            self._broker, self._ledger, self._wall, holder=self._holder, tick_id=name, source=Source.PERSON,
            actor=self._holder, config=self._config,
        )  # fmt: skip

    def _quote(self, symbol: str) -> Quote:
        quote = self._broker.quotes([symbol])[symbol]
        if not quote.usable:
            raise RetryLater(f"no usable quote of {symbol}: bid {quote.bid}, ask {quote.ask}", symbol=symbol)
        return quote

    def _change(self, symbol: str, change: Change) -> Exits:
        """Write the changed plan of a position, then bring the venue in line with it."""
        with self._desk(f"exits:{symbol}") as desk:
            look = reconcile(desk)
            position = desk.ledger.positions().get(symbol)
            if position is None:
                raise TradeRefused(f"{symbol} is not held: there is nothing to leave", symbol=symbol)
            if is_dust(position, desk.instrument(symbol)):
                raise TradeRefused(f"{symbol}: {position.amount} is too small for the venue to sell", symbol=symbol)
            doubt = desk.unknown.get(symbol)
            if doubt:
                raise StateUnknown(f"{symbol} is left alone for now: {doubt}", symbol=symbol)
            before = desk.ledger.plan(position.position_id) or Plan()
            wanted = change(before, self._quote(symbol), desk.instrument(symbol))
            desk.ledger.set_plan(position.position_id, wanted, ts=look.now)
            exits = self._brought_in_line(desk, look, frozenset({symbol}), (), exact=True)
            return next(
                (one for one in exits if one.symbol == symbol), self._view(desk, look, symbol, None, {symbol: ""})
            )

    def _leave_if_due(self, desk: Desk, look: Reconciled, position: Position, quote: Quote) -> Exit | None:
        """Follow the trail; sell what is due.  A target beside a stop is not sold here if the stop itself can become the sale."""
        trail(desk, position, quote, look.now)
        position = desk.ledger.positions()[position.symbol]
        plan = desk.ledger.plan(position.position_id) or Plan()
        stops = look.stops(position.symbol)
        if plan.target_reached and raise_to_market(desk, position, quote, stops, look.now):
            return None  # decided before; the venue had not heard of it, or the price has moved on
        due = due_exit(desk, position, quote, look, None, self._stops)
        if due is None or (plan.stop_kind in ALONE and stops):
            return None
        purpose, reason = due
        if purpose is Purpose.TAKE_PROFIT and raise_to_market(desk, position, quote, stops, look.now):
            return None
        return leave(desk, position, quote, stops, purpose=purpose, reason=reason)

    def _brought_in_line(
        self,
        desk: Desk,
        look: Reconciled,
        symbols: frozenset[str],
        sold: tuple[Exit, ...],
        problems: dict[str, str] | None = None,
        *,
        exact: bool = False,
    ) -> tuple[Exits, ...]:
        """Kinds and prices of ``symbols``, then sizes of everything; ends with a look at what it has changed."""
        told = {} if problems is None else problems
        actions: dict[str, tuple[str, ...]] = {}
        look = _again(desk, look)
        for symbol in sorted(symbols):
            position = desk.ledger.positions().get(symbol)
            if position is None or symbol in desk.unknown:
                continue
            with _telling(told, symbol):
                actions[symbol] = reform(desk, position, look.stops(symbol), self._native, exact=exact)
        look = _again(desk, look)
        protections = {one.symbol: one for one in protect(desk, look)}
        look = _again(desk, look)
        for symbol, done in actions.items():
            if symbol in protections:
                protections[symbol] = replace(protections[symbol], actions=done + protections[symbol].actions)
        held = set(desk.ledger.positions()) | symbols
        return tuple(self._view(desk, look, symbol, protections.get(symbol), told) for symbol in sorted(held))

    def _view(
        self, desk: Desk, look: Reconciled, symbol: str, protection: Protection | None, problems: Mapping[str, str]
    ) -> Exits:
        position = desk.ledger.positions().get(symbol)
        resting = look.stops(symbol)
        plan = None if position is None else desk.ledger.plan(position.position_id)
        kind = resting[0].kind if resting else None
        wanted = OrderKind.STOP_LOSS if plan is None else plan.stop_kind
        trails = plan is not None and (plan.trail_fraction is not None or plan.trail_distance is not None)
        return Exits(
            symbol=symbol,
            position_id=None if position is None else position.position_id,
            amount=Decimal(0) if position is None else position.amount,
            resting=sum((order.remaining for order in resting), Decimal(0)),
            kind=kind,
            stop_price=_stop_shown(position, resting),
            target=None if position is None else position.take_profit_price,
            native=kind is not None and kind is wanted and (kind in TRAILING or not trails),
            orders=resting,
            actions=() if protection is None else protection.actions,
            problem=problems.get(symbol) or desk.unknown.get(symbol) or (protection.problem if protection else ""),
        )

    def _bracket_view(self, desk: Desk, key: str, symbol: str, exits: tuple[Exits, ...], reason: str) -> Bracket:
        found = entry_of(desk, key, symbol)
        outcome = None if found is None else found[1]
        order = None if outcome is None or outcome.order_id is None else desk.ledger.order(outcome.order_id)
        own = next((one for one in exits if one.symbol == symbol), None)
        return Bracket(
            key=key,
            symbol=symbol,
            result=None if outcome is None else outcome.result,
            order_id=None if outcome is None else outcome.order_id,
            filled=Decimal(0) if order is None else order.filled,
            remaining=order.remaining if order is not None and order.status.resting else Decimal(0),
            exits=own or Exits(symbol, None, Decimal(0), Decimal(0), None, None, None, False),
            reason=reason,
        )


@contextmanager
def _telling(problems: dict[str, str], about: str) -> Iterator[None]:
    """One symbol's trouble is written down and kept from the others."""
    try:
        yield
    except LeaseLost:
        raise
    except KrackenError as error:
        problems[about] = str(error)


def _again(desk: Desk, look: Reconciled) -> Reconciled:
    """A fresh look if anything was sent, canceled or amended since ``look``."""
    if not desk.touched:
        return look
    desk.touched = False
    return reconcile(desk)


def _worth_leaving(desk: Desk) -> dict[str, Position]:
    """Positions by symbol, without what is too small for the venue to sell or to protect."""
    listed = desk.broker.instruments()
    return {symbol: one for symbol, one in desk.ledger.positions().items() if not is_dust(one, listed.get(symbol))}


def _stop_shown(position: Position | None, resting: tuple[VenueOrder, ...]) -> Decimal | None:
    """Where the stop stands at the venue; where none rests, what is planned."""
    prices = [order.trigger_price for order in resting if order.kind not in ALONE and order.trigger_price is not None]
    return min(prices, default=None if position is None else position.stop_price)

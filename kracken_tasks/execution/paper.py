"""The paper broker: an exchange account of our own on somebody else's prices.

In: a clock (market time), instruments, a source of quotes, optionally simulated books; orders.  Out: what a venue would answer.
Never: randomness, answers that are not yet on the disk, the same depth of one snapshot twice.

Resting orders are worked through whenever the account is looked at (``advance``): the same looks at the same quotes give the same
fills and the same ids.  An order arrives, fills and meets its deadline ``latency`` after it was sent; what it meets is the market of then
where somebody lets that time pass (``wait``), else that of its sending.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path

from kracken_tasks.domain.market import Balance, Instrument, Quote
from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderRequest, Side, VenueOrder
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.paper_desk import accepted, closing_order, opened_order, require_steps
from kracken_tasks.execution.paper_fees import VOLUME_WINDOW
from kracken_tasks.execution.paper_funds import affordable, held_back, require_free
from kracken_tasks.execution.paper_matching import (
    Execution,
    FillRules,
    PaperBook,
    PaperOrder,
    TakenLiquidity,
    executions,
    fee_of,
    is_triggered,
)
from kracken_tasks.execution.paper_store import PaperStore
from kracken_tasks.execution.paper_tape import PaperTrade, served, volume_ahead
from kracken_tasks.execution.paper_trails import follow_trails, trailed

__all__ = ["PaperBroker"]

QuoteSource = Callable[[Iterable[str]], Mapping[str, Quote]]
BookSource = Callable[[str], PaperBook | None]
TradeSource = Callable[[str, datetime, datetime], Iterable[PaperTrade]]


class PaperBroker:
    """Satisfies ``Broker``.  ``deposit`` is booked once, when the account is first opened; one instance per process.

    ``trades(symbol, after, until)`` tells the public trades of a span, oldest first.  With it resting limits are filled by trades alone,
    behind the queue that ``book`` showed; without it they fill whole as soon as the quote reaches them.  ``wait`` lets a span of market
    time pass: with it an order meets the quote and the book that hold once its latency is over; without it those of its sending.
    """

    supports_conditional_close = True
    native_kinds = frozenset(OrderKind)

    def __init__(
        self,
        *,
        exchange: str,
        clock: Callable[[], datetime],
        instruments: Callable[[], Mapping[str, Instrument]],
        quotes: QuoteSource,
        deposit: Mapping[str, Decimal],
        path: Path | None = None,
        rules: FillRules | None = None,
        book: BookSource | None = None,
        trades: TradeSource | None = None,
        work_every: timedelta = timedelta(seconds=1),
        wait: Callable[[timedelta], None] | None = None,
    ) -> None:
        self.exchange = exchange
        self._clock, self._instruments, self._source = clock, instruments, quotes
        self._book, self._trades = book, trades
        self._rules = rules or FillRules()
        self._work_every = work_every
        self._worked_at: datetime | None = None
        self._wait, self._taken = wait, TakenLiquidity()
        self._store = PaperStore(path)
        self._open_account(deposit)

    def close(self) -> None:
        self._store.close()

    # -- reading -------------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self._clock()

    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments()

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """Quotes of the source; what rests in these symbols is worked through on the way."""
        found = dict(self._source(tuple(symbols)))
        self.advance(self.now(), found)
        return found

    def balances(self) -> dict[str, Balance]:
        self._look()
        held = self._held()
        return {
            asset: Balance(asset, total, held.get(asset, Decimal(0))) for asset, total in self._store.totals().items()
        }

    def open_orders(self) -> list[VenueOrder]:
        self._look()
        return [order.view for order in self._store.open_orders()]

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        self._look()
        return [order.view for order in self._store.closed_orders(start)]

    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        self._look()
        found = (self._store.order(order_id) for order_id in order_ids)
        return {order.view.order_id: order.view for order in found if order is not None}

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        self._look()
        return [fill for fill in self._store.fills(start) if fill.trade_id not in known]

    def orders_with_fills(
        self, order_ids: Iterable[str], known: Container[str] = ()
    ) -> tuple[dict[str, VenueOrder], list[Fill]]:
        wanted = tuple(order_ids)
        orders = self.orders(wanted)
        return orders, [fill for fill in self._store.order_fills(wanted) if fill.trade_id not in known]

    def cash_movements(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        return self._store.movements(start)

    # -- changing ------------------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> str:
        """See ``Broker.submit``; what the paper venue refuses, it refuses with Kraken's words."""
        instrument = accepted(request, self.instruments(), self.now() + self._rules.latency)
        arrival = self._arrival()
        if request.deadline is not None and arrival > request.deadline:
            raise TradeRefused("EService:Deadline elapsed", symbol=request.symbol, deadline=request.deadline)
        quote = self._source((request.symbol,))[request.symbol]
        with self._store.transaction():
            order = trailed(self._new_order(request, arrival), quote, instrument)
            self._require_free(order, quote, instrument, self._held())
            self._store.put_order(order)
            if not order.rests_untriggered:
                order = self._fill(order, quote, instrument, arrival, resting=False)
            once = request.time_in_force == "IOC" or request.kind is OrderKind.MARKET
            if once and order.view.status.resting:
                self._store.put_order(order.canceled(arrival))
            elif order.view.status.resting:
                self._store.put_order(self._queued(order))
        return order.view.order_id

    def _arrival(self) -> datetime:
        """Let the latency pass and say when the order arrives: what fills it is the market of then."""
        arrival = self.now() + self._rules.latency
        if self._wait is None:
            return arrival
        self._wait(self._rules.latency)
        return max(arrival, self.now())

    def cancel(self, order_id: str) -> None:
        self._look()
        self._serve(self.now())
        with self._store.transaction():
            order = self._store.order(order_id)
            if order is not None and order.view.status.resting:
                self._store.put_order(order.canceled(self.now()))

    def amend(
        self,
        order_id: str,
        *,
        amount: Decimal | None = None,
        trigger_price: Decimal | None = None,
        limit_price: Decimal | None = None,
        deadline: datetime | None = None,
    ) -> None:
        if deadline is not None and self.now() + self._rules.latency > deadline:
            raise TradeRefused("EService:Deadline elapsed", order_id=order_id, deadline=deadline)
        self._look()
        self._serve(self.now())
        quote = self._quote_of(order_id)
        with self._store.transaction():
            order = self._store.order(order_id)
            if order is None or not order.view.status.resting:
                raise TradeRefused(f"EOrder:Unknown order {order_id}", order_id=order_id)
            view = order.view
            instrument = self.instruments()[view.symbol]
            require_steps(amount, trigger_price, limit_price, instrument)
            if order.trail is not None and (trigger_price or limit_price) is not None:  # an offset, which nobody sends
                raise TradeRefused("EGeneral:Invalid arguments:trigger_price", order_id=order_id)
            changed = replace(
                order,
                view=replace(
                    view,
                    amount=view.amount if amount is None else amount,
                    trigger_price=view.trigger_price if trigger_price is None else trigger_price,
                    limit_price=view.limit_price if limit_price is None else limit_price,
                ),
            )
            if changed.view.remaining <= 0:  # as Kraken: amending to what has filled cancels the rest
                self._store.put_order(order.canceled(self.now()))
                return
            self._require_free(changed, quote, instrument, self._held(leaving_out=order_id))
            kept = changed.limit == order.limit and changed.view.amount <= view.amount
            self._store.put_order(changed if kept else self._queued(changed))

    def _quote_of(self, order_id: str) -> Quote:
        order = self._store.order(order_id)
        if order is None:
            raise TradeRefused(f"EOrder:Unknown order {order_id}", order_id=order_id)
        return self._source((order.view.symbol,))[order.view.symbol]

    def deposit(self, asset: str, amount: Decimal, kind: str = "deposit") -> None:
        """Book money that comes from outside (negative: leaves), as the venue's own ledger would."""
        with self._store.transaction():
            self._move(asset, amount, kind)

    def _move(self, asset: str, amount: Decimal, kind: str) -> None:
        number = self._store.next_number("movement")
        total = self._store.totals().get(asset, Decimal(0)) + amount
        self._store.set_total(asset, total)
        name = f"PL{number:06d}"
        self._store.add_movement(CashMovement(name, name, kind, asset, amount, Decimal(0), self.now(), total))

    def advance(self, now: datetime, quotes: Mapping[str, Quote]) -> None:
        """Work through what rests in the quoted symbols, oldest order first."""
        self._serve(now, quotes)
        follow_trails(self._store, quotes, self.instruments())
        waiting = [order for order in self._store.open_orders() if order.view.symbol in quotes]
        due = [order for order in waiting if self._acts_on(order, quotes[order.view.symbol])]
        if not due:
            return
        with self._store.transaction():
            for stale in due:
                order = self._store.order(stale.view.order_id)
                if order is None or not order.view.status.resting:
                    continue  # another process was faster
                quote = quotes[order.view.symbol]
                instrument = self.instruments()[order.view.symbol]
                was_limit = order.view.trigger_price is None
                self._fill(replace(order, triggered=not was_limit), quote, instrument, now, resting=was_limit)

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _open_account(self, deposit: Mapping[str, Decimal]) -> None:
        if self._store.totals():
            return
        amounts = list(deposit.items())
        with self._store.transaction():
            if self._store.totals():
                return  # another first start was faster
            for asset, amount in amounts:  # all or none: a start killed between two of them leaves an account unopened
                self._move(asset, amount, "deposit")

    def _look(self) -> None:
        """Advance on fresh quotes, but not more often than ``work_every``: several listings of one look cost one quotes call."""
        now = self.now()
        if self._worked_at is not None and self._worked_at <= now < self._worked_at + self._work_every:
            return
        self._worked_at = now
        symbols = self._symbols_waiting()
        if symbols:
            self.advance(now, self._source(symbols))

    def _symbols_waiting(self) -> list[str]:
        return sorted({order.view.symbol for order in self._store.open_orders()})

    def _by_trades(self, order: PaperOrder) -> bool:
        return self._trades is not None and order.view.trigger_price is None

    def _queued(self, order: PaperOrder) -> PaperOrder:
        """The order at the end of the queue that the book shows now."""
        if self._book is None or not self._by_trades(order):
            return order
        return replace(order, ahead=volume_ahead(order, self._book(order.view.symbol)))

    def _serve(self, now: datetime, symbols: Iterable[str] | None = None) -> None:
        """Fill resting limits by the public trades since the last look.  Each trade counts once, whichever process sees it."""
        if self._trades is None:
            return
        for symbol in self._symbols_waiting() if symbols is None else symbols:
            limits = [order for order in self._limits(symbol) if order.view.opened_at < now]
            if not limits:
                continue
            seen = self._store.seen_until(symbol)
            first = min(order.view.opened_at for order in limits)
            trades = list(self._trades(symbol, first if seen is None else max(first, seen), now))
            with self._store.transaction():
                if self._store.seen_until(symbol) == seen:  # else another process was faster
                    self._store.set_seen_until(symbol, now)
                    self._serve_one(symbol, trades)

    def _limits(self, symbol: str) -> list[PaperOrder]:
        return [one for one in self._store.open_orders() if one.view.symbol == symbol and self._by_trades(one)]

    def _serve_one(self, symbol: str, trades: Iterable[PaperTrade]) -> None:
        instrument = self.instruments()[symbol]
        for event in served(self._limits(symbol), trades, instrument, self._rules.volume_share):
            order = self._store.order(event.order_id)
            if order is None:
                continue
            self._store.put_order(event.applied(order))
            if event.execution is not None:
                self._book_fill(order, event.execution, instrument, event.at)
                self._place_close(order, event.execution.amount, instrument, event.at)

    def _acts_on(self, order: PaperOrder, quote: Quote) -> bool:
        if self._by_trades(order):
            return False
        if order.rests_untriggered:
            return is_triggered(order, quote)
        instrument = self.instruments()[order.view.symbol]
        return bool(executions(order, quote, None, instrument, self._rules, resting=True))

    def _new_order(self, request: OrderRequest, at: datetime) -> PaperOrder:
        if any(order.view.client_order_id == request.client_order_id for order in self._store.open_orders()):
            raise TradeRefused(
                "EGeneral:Invalid arguments:cl_ord_id is in use by an open order",
                client_order_id=request.client_order_id,
            )
        return opened_order(request, f"PO{self._store.next_number('order'):06d}", at)

    def _held(self, leaving_out: str | None = None) -> dict[str, Decimal]:
        return held_back(self._store.open_orders(), self.instruments(), self._rules, leaving_out)

    def _require_free(
        self, order: PaperOrder, quote: Quote, instrument: Instrument, held: Mapping[str, Decimal]
    ) -> None:
        require_free(order, quote, instrument, self._rules, self._store.totals(), held)

    def _fill(
        self, order: PaperOrder, quote: Quote, instrument: Instrument, at: datetime, *, resting: bool
    ) -> PaperOrder:
        symbol, filled, short = order.view.symbol, Decimal(0), False
        book = self._book(symbol) if self._book is not None else None
        taken = self._taken.of(symbol, book)
        found = executions(order, quote, book, instrument, self._rules, resting=resting, taken=taken)
        if (
            order.view.side is Side.BUY and order.limit is None
        ):  # a book may be dearer below the touch that was held for
            held = self._held(leaving_out=order.view.order_id).get(instrument.quote, Decimal(0))
            free = self._store.totals().get(instrument.quote, Decimal(0)) - held
            wanted, found = found, affordable(found, free, instrument, self._rules)
            short = found != wanted
        self._taken.take(symbol, book, order.view.side, found)
        for execution in found:
            order = order.after(execution, at)
            filled += execution.amount
            self._book_fill(order, execution, instrument, at)
        order = order.canceled(at) if short else order
        self._store.put_order(order)
        if filled and order.close is not None:
            self._place_close(order, filled, instrument, at)
        return order

    def _book_fill(self, order: PaperOrder, execution: Execution, instrument: Instrument, at: datetime) -> None:
        volume = Decimal(0)
        if self._rules.by_volume:
            volume = self._store.volume(instrument.quote, at - VOLUME_WINDOW, at)
        fee = fee_of(execution, instrument, self._rules, volume)
        totals = self._store.totals()
        sign = 1 if order.view.side is Side.BUY else -1
        with localcontext(MONEY):
            cost = execution.price * execution.amount
            base = totals.get(instrument.base, Decimal(0)) + sign * execution.amount
            quote = totals.get(instrument.quote, Decimal(0)) - sign * cost - fee
        self._store.set_total(instrument.base, base)
        self._store.set_total(instrument.quote, quote)
        self._store.add_fill(
            Fill(
                trade_id=f"PT{self._store.next_number('trade'):06d}",
                order_id=order.view.order_id,
                symbol=order.view.symbol,
                side=order.view.side,
                amount=execution.amount,
                price=execution.price,
                cost=cost,
                fee=fee,
                fee_currency=instrument.quote,
                ts=at,
                liquidity=execution.liquidity,
            )
        )

    def _place_close(self, parent: PaperOrder, amount: Decimal, instrument: Instrument, at: datetime) -> None:
        """The stop the venue places by itself; like the real one it says nothing when the amount is too small to rest."""
        close = parent.close
        if close is None or amount < instrument.min_amount:
            return
        order_id = f"PO{self._store.next_number('order'):06d}"
        self._store.put_order(closing_order(parent, close, order_id, amount, at))

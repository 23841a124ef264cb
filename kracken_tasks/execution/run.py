"""One run of a tick: what it has found so far, its looks at the venue, its marks of the account, its stops.

In: ``TickDeps``, a slot, a desk.  Out: ``Run``, which ``tick`` makes its stages of.  Never: a decision, an entry, an exit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.domain.market import Balance, Quote
from kracken_tasks.domain.money import plain
from kracken_tasks.errors import BadData, KrackenError, RetryLater
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.exits import settled
from kracken_tasks.execution.marks import account_state, mark, move_state, moved_since_mark, pairs_of_held
from kracken_tasks.execution.patience import look_again, outlast_doubt
from kracken_tasks.execution.protect import Protection, merged, protect
from kracken_tasks.execution.reconcile import (
    Reconciled,
    check_balances,
    mark_of_last_tick,
    reconcile,
)
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.sending import filled_by
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.ledger import BalanceLine, LeaseLost
from kracken_tasks.risk.equity import UnitMark
from kracken_tasks.risk.state import AccountState
from kracken_tasks.strategies.proposal import Strategy

__all__ = ["Run"]


class Run:
    """A tick while it runs: the tools, and what was found for the report."""

    def __init__(self, deps: TickDeps, slot: TickSlot, desk: Desk) -> None:
        self.deps, self.slot, self.desk = deps, slot, desk
        self.problems: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._found = TickReport(slot.tick_id, slot.at, "", currency=deps.currency)
        self._quotes: dict[str, Quote] = {}
        self._balances: Mapping[str, Balance] = {}
        self._looked_before = mark_of_last_tick(desk)
        self._moved: set[str] = set()  # symbols whose stops were changed since the last look
        self._mark: UnitMark | None = None
        self._retuned: Callable[[Strategy], Strategy] = lambda strategy: strategy

    def report(self, result: str) -> TickReport:
        state = self.deps.ledger.state()
        return replace(
            self._found,
            result=result,
            state=state.state,
            state_reason=state.reason,
            problems=dict(self.problems),
            unknown=dict(self._found.unknown) | self.desk.unknown,
            seconds=dict(self._seconds),
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = monotonic_seconds()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + monotonic_seconds() - started

    # -- looking -------------------------------------------------------------------------------------------------------------

    def _reconcile(self) -> Reconciled:
        """Look at the venue, and tell earlier sends of this tick what the look booked."""
        before = dict(self.desk.unknown)
        look = reconcile(self.desk)
        found = self._found
        self._found = replace(
            found,
            now=look.now,
            resolved=found.resolved + look.resolved,
            fills=found.fills + look.fills,
            sent=tuple(filled_by(sent, look.fills) for sent in found.sent),
            exits=tuple(settled(self.desk, left, look.fills) for left in found.exits),
            foreign_orders=look.foreign_orders,
            foreign_fills=look.foreign_fills,
            unknown=dict(found.unknown) | before | dict(look.unknown),
        )
        return look

    def _fresh_quotes(self) -> dict[str, Quote]:
        """Quotes of everything traded or held; one symbol without a usable quote is a problem of that symbol alone.

        Raises: RetryLater if the venue gives none at all.
        """
        symbols = sorted({*self.deps.series, *self._held_pairs()})
        if not symbols:
            return {}
        try:
            found = self.deps.broker.quotes(symbols)
        except RetryLater:
            raise
        except KrackenError:
            found = self._quotes_one_by_one(symbols)
        for symbol, quote in found.items():
            if not quote.usable:
                self.problems[symbol] = f"no usable quote: bid {quote.bid}, ask {quote.ask}"
        return {symbol: quote for symbol, quote in found.items() if quote.usable}

    def _held_pairs(self) -> set[str]:
        """Pairs of all that is held: positions, and any other coin, so that a pair nobody trades any more keeps its value; and of what
        has left since the last mark, which is compared without it."""
        deps = self.deps
        amounts = deps.ledger.cash()
        left = {asset: amount for asset, amount in moved_since_mark(deps.ledger).items() if not amounts.get(asset)}
        coins = pairs_of_held({**amounts, **left}, deps.broker.instruments(), deps.currency, deps.rates)
        return {*deps.ledger.positions(), *coins}

    def _quotes_one_by_one(self, symbols: Sequence[str]) -> dict[str, Quote]:
        found: dict[str, Quote] = {}
        for symbol in symbols:
            with self._guarding(symbol):
                found |= self.deps.broker.quotes([symbol])
        return found

    def _mark_and_state(self) -> AccountState:
        """Balances against the fold, equity, trading state.

        An account that cannot be judged now is not traded: nothing is entered, but a halt that stands in the ledger is carried out,
        and exits and stops go on.
        """
        judged: list[AccountState] = []
        with self._guarding("account"):
            now = self.deps.broker.now()
            self._balances, differences = check_balances(self.desk, now)
            self._found = replace(self._found, differences=differences)
            judged.append(self._judge(differences, now, write=False))
        return judged[0] if judged else account_state(self.deps.ledger.state())

    def _judge(self, differences: Sequence[BalanceLine], now: datetime, *, write: bool) -> AccountState:
        deps = self.deps
        unquoted = sorted(self._held_pairs() - set(self._quotes))
        if unquoted:  # counted as nothing they would look like a loss, and the rest would be sold for it
            raise BadData(f"the account cannot be judged without a price of {', '.join(unquoted)}", symbols=unquoted)
        self._mark, worth = mark(
            self.desk, self._quotes, deps.limits, now=now, currency=deps.currency, rates=deps.rates, write=write
        )
        self._found = replace(
            self._found,
            equity=self._mark.equity,
            unit_value=self._mark.unit_price,
            drawdown=self._mark.drawdown,
            unpriced=worth.unpriced,
        )
        mismatch = ", ".join(f"{line.asset} by {plain(line.difference)}" for line in differences)
        return move_state(self.desk, self._mark, deps.limits, mismatch=mismatch, now=now)

    # -- protecting ----------------------------------------------------------------------------------------------------------

    def _protect(self, look: Reconciled) -> Reconciled:
        if self.desk.touched:  # what was sent has filled, and exits have moved the stops since the look
            look = self._look_again()
        done = protect(self.desk, look)
        self._moved = {item.symbol for item in done if item.actions or item.sent}
        self._found = replace(self._found, protections=merged(self._found.protections, done))
        return look

    def _look_again(self) -> Reconciled:
        """Look at what was sent."""
        look = look_again(self.desk, self._reconcile)
        self.desk.touched, self._moved = False, set()
        return look

    def _outlast_doubt(self) -> None:
        """Wait until a doubt that leaves a position naked is over, look and protect."""

        def protect_again() -> tuple[Protection, ...]:
            self._protect(self._look_again())
            return self._found.protections

        outlast_doubt(self.desk, self._found.protections, protect_again)

    @contextmanager
    def _guarding(self, symbol: str) -> Iterator[None]:
        """Keep one symbol's trouble from the others: whatever a strategy or a venue answer does, stops are looked after."""
        try:
            yield
        except LeaseLost:
            raise
        except KrackenError as error:
            self.problems[symbol] = str(error)
        except Exception as error:  # a strategy's own bug must not cost another position its stop
            self.problems[symbol] = f"{type(error).__name__}: {error}"

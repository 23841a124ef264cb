"""The checks before real money: in order, every one asked, each with what to do about it.

In: plain facts of the settings, the venue with its key, the ledger, the wall clock.  Out: ``Preflight``.  Never: an order that is placed, a
check left out by a flag, a check that passes because nobody could tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from kracken_tasks.domain.clock import Clock, iso
from kracken_tasks.domain.market import Balance, Instrument, Quote
from kracken_tasks.domain.money import amount_of, plain, price_of, ticks_at_or_below
from kracken_tasks.domain.trading import CashMovement, IntentKey, OrderKind, OrderRequest, Purpose, Side, VenueOrder
from kracken_tasks.errors import BadData, KrackenError
from kracken_tasks.live.arming import FirstOrders, arming_of, why_not_armed
from kracken_tasks.risk import arithmetic
from kracken_tasks.risk.limits import RiskLimits

if TYPE_CHECKING:
    from kracken_tasks.ledger import Ledger

__all__ = [
    "AgentRehearsals",
    "Check",
    "Preflight",
    "PreflightPlan",
    "PreflightVenue",
    "Rehearsed",
    "run_preflight",
]

_RECENTLY: Final = timedelta(hours=1)
_ONE_SECOND: Final = timedelta(seconds=1)  # Kraken tells whole seconds


class PreflightVenue(Protocol):
    """The part of a keyed venue that is asked."""

    @property
    def exchange(self) -> str: ...

    def now(self) -> datetime: ...

    def instruments(self) -> Mapping[str, Instrument]: ...

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]: ...

    def balances(self) -> dict[str, Balance]: ...

    def open_orders(self) -> list[VenueOrder]: ...

    def closed_orders(self, start: datetime) -> list[VenueOrder]: ...

    def cash_movements(self, start: datetime) -> list[CashMovement]: ...

    def key_rights(self) -> frozenset[str] | None: ...

    def try_order(self, request: OrderRequest) -> None: ...


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal that was found: ``last`` its newest candle's open time, ``rules`` the mark of what it was rehearsed with."""

    last: datetime
    rules: str


@dataclass(frozen=True, slots=True)
class AgentRehearsals:
    """One agent: the mark of the rules it would trade by, and its newest rehearsal of each symbol, None where there is none."""

    agent: str
    strategy: str
    rules: str
    found: Mapping[str, Rehearsed | None]


@dataclass(frozen=True, slots=True)
class PreflightPlan:
    """What is to be true.  ``confirmed``: the account's name as typed out in the settings; ``stop_pct``: the farthest stop, as a fraction
    of price; ``currency``: money that is traded with."""

    profile: str
    account: str
    confirmed: str | None
    symbols: tuple[str, ...]
    currency: str
    max_clock_skew: timedelta
    limits: RiskLimits
    stop_pct: float
    first_orders: FirstOrders
    rehearsals: tuple[AgentRehearsals, ...]
    max_rehearsal_age: timedelta


@dataclass(frozen=True, slots=True)
class Check:
    """One answer: what was found, and what to do where it did not pass."""

    name: str
    passed: bool
    found: str
    to_do: str = ""


@dataclass(frozen=True, slots=True)
class Preflight:
    """All checks in their order, passed or not.  ``ts``: market time, None where the venue did not tell it."""

    checks: tuple[Check, ...]
    ts: datetime | None = field(default=None, compare=False)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def without(self, *names: str) -> Preflight:
        """The same without the named checks: arming asks everything but whether it is armed."""
        return Preflight(tuple(check for check in self.checks if check.name not in names), self.ts)

    def sentence(self) -> str:
        """Every failed check with what to do; empty if there is none."""
        return "; ".join(f"{check.name}: {check.found} ({check.to_do})" for check in self.failed)


@dataclass(frozen=True, slots=True)
class _Facts:
    plan: PreflightPlan
    venue: PreflightVenue | None
    ledger: Callable[[], Ledger]
    wall: Clock

    @property
    def asked(self) -> PreflightVenue:
        if self.venue is None:
            raise BadData("there is no key to ask with")
        return self.venue


def run_preflight(
    plan: PreflightPlan, venue: PreflightVenue | None, ledger: Callable[[], Ledger], wall: Clock
) -> Preflight:
    """Ask every check.  ``venue`` None: there is no key.  One that raises has not passed, and the others are asked all the same."""
    facts = _Facts(plan, venue, ledger, wall)
    checks: list[Check] = []
    for name, check, to_do in CHECKS:
        try:
            problem, found = check(facts)
        except KrackenError as error:
            problem, found = True, str(error)
        except (ValueError, ArithmeticError, LookupError) as error:  # a pair that is not there, a price of nothing
            problem, found = True, f"cannot be told: {error}"
        checks.append(Check(name, not problem, found, to_do if problem else ""))
    return Preflight(tuple(checks), _told_time(venue))


def _told_time(venue: PreflightVenue | None) -> datetime | None:
    try:
        return None if venue is None else venue.now()
    except KrackenError:
        return None


# Each check answers (whether there is a problem, what was found).
_Answer = tuple[bool, str]


def _mode(facts: _Facts) -> _Answer:
    return facts.plan.profile != "live", f"profile is {facts.plan.profile}"


def _account(facts: _Facts) -> _Answer:
    plan = facts.plan
    typed = "nothing is typed out" if plan.confirmed is None else f"typed out is {plan.confirmed!r}"
    return plan.confirmed != plan.account, f"account {plan.account!r}, {typed}"


def _key(facts: _Facts) -> _Answer:
    return facts.venue is None, "no API key" if facts.venue is None else f"a key for {facts.venue.exchange}"


def _no_withdrawal(facts: _Facts) -> _Answer:
    rights = facts.asked.key_rights()
    if rights is None:
        return True, f"{facts.asked.exchange} does not tell what a key may do"
    if not rights:
        return True, "the venue names no right at all, which a key that trades cannot have"
    able = sorted(right for right in rights if "withdraw" in right.lower())
    return bool(able), f"may {', '.join(able)}" if able else f"may {', '.join(sorted(rights))}"


def _reads(facts: _Facts) -> _Answer:
    """Everything a tick reads, read once: each has a right of its own."""
    venue, refused = facts.asked, []
    since = venue.now() - _RECENTLY
    questions: dict[str, Callable[[], object]] = {
        "balances": venue.balances,
        "open orders": venue.open_orders,
        "closed orders": lambda: venue.closed_orders(since),
        "ledger": lambda: venue.cash_movements(since),
    }
    for name, question in questions.items():
        try:
            question()
        except KrackenError as error:
            refused.append(f"{name}: {error}")
    return bool(refused), "; ".join(refused) if refused else f"{', '.join(questions)} can be read"


def _orders(facts: _Facts) -> _Answer:
    """The smallest order of the first pair, checked by the venue and not placed."""
    venue, symbol = facts.asked, facts.plan.symbols[0]
    instrument, quote = venue.instruments()[symbol], venue.quotes([symbol])[symbol]
    lots, _ = _smallest(instrument, quote.ask, facts.plan.stop_pct)
    # Far below the market: should a venue ever place what it was asked to check, it does not fill.
    price = price_of(max(1, ticks_at_or_below(quote.bid * 0.5, instrument)), instrument)
    amount = amount_of(2 * lots, instrument)
    key = IntentKey(facts.plan.account, f"preflight@{iso(venue.now())}", symbol, Purpose.ENTRY)
    venue.try_order(OrderRequest(key.client_order_id, symbol, Side.BUY, OrderKind.LIMIT, amount, limit_price=price))
    return False, f"an order of {plain(amount)} {instrument.base} would be taken"


def _clock(facts: _Facts) -> _Answer:
    before, told, after = facts.wall.now(), facts.asked.now(), facts.wall.now()
    off = max(before - (told + _ONE_SECOND), told - after, timedelta(0)).total_seconds()
    allowed = facts.plan.max_clock_skew.total_seconds()
    return off > allowed, f"venue and machine differ by {off:.1f} s, allowed {allowed:g} s"


def _pairs(facts: _Facts) -> _Answer:
    listed, wrong = facts.asked.instruments(), []
    for symbol in facts.plan.symbols:
        instrument = listed.get(symbol)
        if instrument is None:
            wrong.append(f"{symbol} is not listed")
        elif not instrument.tradable:
            wrong.append(f"{symbol} is {instrument.status}")
        elif instrument.quote != facts.plan.currency:
            wrong.append(f"{symbol} is not traded in {facts.plan.currency}")
    return bool(wrong), "; ".join(wrong) if wrong else f"{len(facts.plan.symbols)} pairs are online"


def _balances(facts: _Facts) -> _Answer:
    """Money to trade with, and a ledger that holds what the venue says, or nothing yet."""
    held, ledger, currency = facts.asked.balances(), facts.ledger(), facts.plan.currency
    free = held[currency].free if currency in held else Decimal(0)
    if free <= 0:
        return True, f"no free {currency}"
    found = f"{plain(free)} {currency} free"
    if not ledger.cash():
        return False, f"{found}; the ledger is new"
    differences = ledger.check_balances(held)
    told = ", ".join(f"{line.asset} by {plain(line.difference)}" for line in differences)
    return bool(differences), f"{found}; the ledger differs in {told}" if told else f"{found}; the ledger agrees"


def _minimums(facts: _Facts) -> _Answer:
    """The largest first order allowed must be one the venue takes, and takes back at the stop."""
    venue, plan = facts.asked, facts.plan
    cash = venue.balances().get(plan.currency)
    equity = 0.0 if cash is None else float(cash.total)
    listed, quotes = venue.instruments(), venue.quotes(plan.symbols)
    most = min(plan.limits.max_position_size * equity, plan.first_orders.most)
    wrong = []
    for symbol in plan.symbols:
        _, least = _smallest(listed[symbol], quotes[symbol].ask, plan.stop_pct)
        if most < least:
            wrong.append(f"{symbol} takes orders from {least:.2f}")
    found = f"orders up to {most:.2f} {plan.currency}"
    return bool(wrong), f"{found}; {'; '.join(wrong)}" if wrong else f"{found} reach every pair's minimum"


def _smallest(instrument: Instrument, price: float, stop_pct: float) -> tuple[int, float]:
    """Lots of the smallest entry the venue takes back at its stop, and what it costs at ``price``."""
    step, kept = float(instrument.lot_step), 1.0 - float(instrument.taker_fee)
    by_amount = float(instrument.min_amount) / kept
    by_cost = float(instrument.min_cost) / (kept * price * (1.0 - stop_pct))
    lots = arithmetic.steps_at_or_above(max(by_amount, by_cost, step), step)
    return lots, lots * step * price


def _rehearsed(facts: _Facts) -> _Answer:
    now, wrong, fresh = facts.asked.now(), [], 0
    for agent in facts.plan.rehearsals:
        for symbol, found in agent.found.items():
            age = None if found is None else now - found.last
            if found is None or age is None:
                wrong.append(f"{agent.agent} ({agent.strategy}) on {symbol}: none")
            elif age < timedelta(0):  # candles of another market: the sandbox's clock may stand anywhere
                wrong.append(
                    f"{agent.agent} ({agent.strategy}) on {symbol}: ends in the future, on candles not of this market"
                )
            elif age > facts.plan.max_rehearsal_age:
                wrong.append(f"{agent.agent} ({agent.strategy}) on {symbol}: ends {age.days} days ago")
            elif found.rules != agent.rules:
                wrong.append(f"{agent.agent} ({agent.strategy}) on {symbol}: with other parameters, limits or stops")
            else:
                fresh += 1
    if not fresh and not wrong:
        return True, "no agent trades anything"
    return bool(wrong), "; ".join(wrong) if wrong else f"{fresh} rehearsals are fresh and of these rules"


def _armed(facts: _Facts) -> _Answer:
    ledger = facts.ledger()
    why = why_not_armed(ledger, facts.asked.now())
    newest = arming_of(ledger)
    found = why or ("" if newest is None else f"by {newest.by} until {iso(newest.until)}: {newest.reason}")
    return bool(why), found


CHECKS: Final[tuple[tuple[str, Callable[[_Facts], _Answer], str], ...]] = (
    ("mode", _mode, "set profile: live (or BOT_MODE=live)"),
    ("account name", _account, "type the account's name out in live.confirm_account"),
    ("key", _key, "set KRAKEN_API_KEY and KRAKEN_API_SECRET"),
    ("no withdrawal", _no_withdrawal, "use a key without the right to withdraw, on a venue that tells so"),
    ("reading", _reads, "give the key the rights to query funds, orders, trades and ledger entries"),
    ("ordering", _orders, "give the key the rights to create, modify and cancel orders"),
    ("clock", _clock, "set this machine's clock by NTP"),
    ("pairs", _pairs, "trade pairs that are online and in the base currency"),
    ("balances", _balances, "fund the account; keep this ledger for this account alone (ledger.url, trading.account)"),
    ("minimums", _minimums, "raise live.first_order_cap or the capital, or trade other pairs"),
    ("backtests", _rehearsed, "run kracken backtest with these settings"),
    ("armed", _armed, "kracken arm --account NAME --for DURATION --by NAME --reason WHY"),
)

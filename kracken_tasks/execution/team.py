"""One symbol decided by several agents: each on its own share of the account, then one order for all of them.

In: seats, a candidate, the account.  Out: ``TeamDecision``.  Never: an agent that sells what another holds, an order beside a cross that
would do, limits of the account passed because each agent's own were kept.

Every agent is judged by the same signals, sizing and guards as an account of its own: equity is its share of what was paid in plus its own
results, holdings, cash, turnover and pauses are its own.  What is left for all (exposure, positions, turnover of the account) is asked
after that, in the order of the seats.  Decisions, the agents' parts of the order and their crosses become durable together, before
anything is sent; a run that finds them there does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import MONEY, amount_of, as_decimal
from kracken_tasks.domain.trading import Action, Decision, GuardOutcome, Position, Purpose, Side
from kracken_tasks.errors import RetryLater, StateUnknown
from kracken_tasks.execution.account import Account
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.entries import Candidate, enter, facts_of, proposal_on, sized_on
from kracken_tasks.execution.exits import Exit, free_coins, leave
from kracken_tasks.execution.judging import Facts, Holding, Judged
from kracken_tasks.execution.orders import below_minimum, is_dust, sell_request
from kracken_tasks.execution.protect import protect_for
from kracken_tasks.execution.reconcile import Reconciled
from kracken_tasks.execution.sending import Sent, commit_intent, submit_intent, withdraw_intent
from kracken_tasks.ledger import LeaseLost
from kracken_tasks.ledger.codec import encode
from kracken_tasks.risk.equity import day_start
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules
from kracken_tasks.strategies.netting import Net, net
from kracken_tasks.strategies.proposal import Strategy
from kracken_tasks.strategies.seated import Seat, Seated
from kracken_tasks.strategies.shares import TOPIC, AgentBook, books_of, note_key, payload_of

__all__ = ["Team", "TeamDecision", "carry_out", "sell_part", "with_account_guards"]

_ACCOUNT = "account_"  # how the names of guards of the account begin, beside those of an agent's own


@dataclass(frozen=True, slots=True)
class TeamDecision:
    """``entry``: what to buy for all, None where nothing is bought; ``selling``: base units to sell for those who leave, and why.

    ``decisions`` stand in the ledger, one an agent; ``new`` False: an earlier run wrote them, and may have acted on them.  ``rules``: stops
    of the agent with the largest part.
    """

    decisions: tuple[Decision, ...]
    netted: Net
    entry: Judged | None
    selling: Decimal
    reason: str
    new: bool
    rules: StopRules
    problem: str = ""


class Team:
    """All agents of one tick."""

    def __init__(
        self,
        desk: Desk,
        seats: Sequence[Seat],
        candidates: Mapping[str, Candidate],
        limits: RiskLimits,
        rules: StopRules,
        retuned: Callable[[Strategy], Strategy],
    ) -> None:
        self._desk, self._seats, self._candidates = desk, tuple(seats), candidates
        self._limits, self._rules, self._retuned = limits, rules, retuned
        self._books = books_of(desk.ledger, heir=self._seats[0].agent)
        self._bids = {symbol: candidate.quote.bid for symbol, candidate in candidates.items()}
        self._spent: dict[
            str, dict[str, float]
        ] = {}  # what agents were promised in this tick and have not yet in their books

    def decide(self, candidate: Candidate, account: Account, *, commit_seq: int, now: datetime) -> TeamDecision:
        """Ask every agent, net what they want, write all of it down; nothing is sent here."""
        desk, symbol = self._desk, candidate.symbol
        whole = facts_of(desk, candidate, self._candidates, account, self._limits, self._rules)
        room = _Room(whole, self._limits)
        judged: dict[str, Judged] = {}
        for seat in self._seats:
            if symbol in seat.strategies:
                judged[seat.agent] = room.checked(self._judge(seat, candidate, account, room.left, commit_seq, now))
        wishes = {} if symbol in desk.unknown else {agent: self._wish(agent, one) for agent, one in judged.items()}
        netted = net({agent: lots for agent, lots in wishes.items() if lots})
        entry, problem = _entry(judged, netted, candidate.instrument)
        decisions, new = self._write(candidate, judged, netted, now)
        for agent in judged:
            bought = max(netted.ordered.get(agent, 0), 0) + max(netted.crossed(agent), 0)
            if new and bought:
                worth = float(amount_of(bought, candidate.instrument)) * candidate.quote.ask
                self._spent.setdefault(agent, {})[symbol] = worth
        selling = amount_of(-netted.order, candidate.instrument) if netted.order < 0 else Decimal(0)
        leaving = ", ".join(f"{agent}: {judged[agent].decision.reason}" for agent in netted.ordered if netted.order < 0)
        rules = self._rules if entry is None or entry.facts is None else entry.facts.rules
        return TeamDecision(decisions, netted, entry, selling, leaving, new, rules, problem)

    # -- one agent -----------------------------------------------------------------------------------------------------------

    def _judge(
        self, seat: Seat, candidate: Candidate, account: Account, whole: Facts, commit_seq: int, now: datetime
    ) -> Judged:
        seated = Seated(seat.agent, self._retuned(seat.strategies[candidate.symbol]))
        seen = replace(candidate, strategy=seated)
        before = proposal_on(seen, self._limits, commit_seq=commit_seq, now=now)
        if before.decision.action is not Action.BUY:
            return before
        facts = self._own_facts(seat, candidate, account, whole, now)
        return sized_on(before, seen, self._candidates, facts, now=now)

    def _own_facts(self, seat: Seat, candidate: Candidate, account: Account, whole: Facts, now: datetime) -> Facts:
        book, quote = self._books.get(seat.agent, AgentBook(seat.agent)), candidate.instrument.quote
        capital = self._capital(seat, account, quote)
        holdings = self._holdings(book)
        invested = sum(holding.worth for holding in holdings)
        today, symbol = day_start(now, self._limits.zone), candidate.symbol
        turnover = sum(abs(float(move.money)) for move in book.movements if move.ts >= today and move.cause != "cross")
        times = {
            side: [move.ts for move in book.movements if move.symbol == symbol and move.side is side] for side in Side
        }
        return replace(
            whole,
            rules=seat.rules or whole.rules,
            equity=max(capital, 0.0),
            cash=max(0.0, min(whole.cash, capital - invested)),
            holdings=holdings,
            last_entry_at=max(times[Side.BUY], default=None),
            last_exit_at=max(times[Side.SELL], default=None),
            turnover_today=turnover + sum(self._spent.get(seat.agent, {}).values()),
        )

    def _capital(self, seat: Seat, account: Account, quote: str) -> float:
        """Its share of what was paid in, and its own results: nobody else's gain makes it larger."""
        results = {agent: book.worth(self._bids, quote) for agent, book in self._books.items()}
        paid_in = account.mark.equity - sum(results.values())
        return seat.share * paid_in + results.get(seat.agent, 0.0)

    def _holdings(self, book: AgentBook) -> tuple[Holding, ...]:
        spent = self._spent.get(book.agent, {})
        found = []
        for symbol in sorted({symbol for symbol, amount in book.coins.items() if amount > 0} | spent.keys()):
            known = self._candidates.get(symbol)
            worth = (
                float(book.holds(symbol)) * self._bids[symbol] if known else float(book.cost.get(symbol, Decimal(0)))
            )
            found.append(Holding(symbol, max(worth, 0.0) + spent.get(symbol, 0.0), known.key if known else None))
        return tuple(found)

    def _wish(self, agent: str, judged: Judged) -> int:
        """Signed lots: what it may buy, or all it holds."""
        decision = judged.decision
        if decision.action is Action.BUY:
            fit = decision.blocked_by is None and decision.receipt is not None
            return decision.receipt.lots if fit and decision.receipt is not None else 0
        if decision.action is Action.SELL and agent in self._books:
            step = self._candidates[decision.symbol].instrument.lot_step
            return -max(0, int(self._books[agent].holds(decision.symbol) / step))
        return 0

    # -- all of them ---------------------------------------------------------------------------------------------------------

    def _write(
        self, candidate: Candidate, judged: Mapping[str, Judged], netted: Net, now: datetime
    ) -> tuple[tuple[Decision, ...], bool]:
        """Decisions, parts and crosses in one transaction; the agent with the largest part first."""
        desk = self._desk
        lead = sorted(judged, key=lambda agent: (-abs(netted.ordered.get(agent, 0)), agent))
        desk.require_lease()
        with desk.ledger.transaction():
            written = [
                desk.ledger.record_decision(
                    desk.tick_id,
                    judged[agent].decision,
                    ts=now,
                    facts="" if (facts := judged[agent].facts) is None else encode(facts),
                )
                for agent in lead
            ]
            new = all(one.new for one in written)
            if new and (netted.ordered or netted.crosses):
                text = payload_of(netted, step=candidate.instrument.lot_step, price=_middle(candidate.quote))
                desk.ledger.note(TOPIC, note_key(desk.tick_id, candidate.symbol), text, ts=now)
        return tuple(one.entry.decision for one in written), new


class _Room:
    """What the account as a whole still bears, eaten up by one agent after the other."""

    def __init__(self, whole: Facts, limits: RiskLimits) -> None:
        self._whole, self._limits, self._taken = whole, limits, 0.0

    @property
    def left(self) -> Facts:
        """The account's facts for the next agent: what bounds the one order, in money and not in shares, is less what others take of it."""
        whole, worst = self._whole, (1.0 + self._limits.price_cap_fraction) * (1.0 + self._whole.fee_fraction)
        cap = whole.first_order_cap
        return replace(
            whole,
            cash=max(0.0, whole.cash - self._taken * worst),
            first_order_cap=None if cap is None else max(0.0, cap - self._taken),
        )

    def checked(self, judged: Judged) -> Judged:
        decision = judged.decision
        if decision.action is not Action.BUY or decision.blocked_by is not None or decision.receipt is None:
            return judged
        whole, notional = self._whole, float(decision.receipt.notional)
        exposure, most = whole.exposure + self._taken + notional, self._limits.max_total_exposure * whole.equity
        turned, turnover = whole.turnover_today + self._taken + notional, self._limits.max_daily_turnover * whole.equity
        cap = self._limits.max_open_positions
        rooms = (
            GuardOutcome("account_exposure", exposure <= most, f"{exposure:.2f} of all agents, at most {most:.2f}"),
            GuardOutcome("account_turnover", turned <= turnover, f"{turned:.2f} today, at most {turnover:.2f}"),
            GuardOutcome(
                "account_positions",
                whole.holds(decision.symbol) or len(whole.holdings) < cap,
                f"{len(whole.holdings)} open in the account, at most {cap}",
            ),
        )
        asked = decision.guarded(rooms)
        self._taken += notional if asked.blocked_by is None else 0.0
        return replace(judged, decision=asked)


def with_account_guards(again: Judged, was: Decision) -> Judged:
    """A decision computed again, with the answers of the account as they were recorded: they rest on what the other agents wanted."""
    answers = tuple(outcome for outcome in was.guards if outcome.guard.startswith(_ACCOUNT))
    if not answers or again.decision.action is not Action.BUY or again.decision.blocked_by is not None:
        return again
    return replace(again, decision=again.decision.guarded(answers))


def _entry(judged: Mapping[str, Judged], netted: Net, instrument: Instrument) -> tuple[Judged | None, str]:
    """The order for all: sized to the net, with the stop of the agent that has the largest part of it."""
    if netted.order <= 0:
        return None, ""
    lead = judged[min(netted.ordered, key=lambda agent: (-netted.ordered[agent], agent))]
    receipt = lead.decision.receipt
    if receipt is None or lead.stops is None:
        raise ValueError(f"{lead.decision.symbol}: a part of an order that was never sized")
    amount = amount_of(netted.order, instrument)
    with localcontext(MONEY):
        worth = amount * receipt.notional / receipt.amount
    too_small = below_minimum(amount, worth / amount, instrument)
    if too_small is not None:
        return None, f"what is left after netting is not sent: {too_small}"
    agents = "+".join(sorted(netted.ordered))
    whole = replace(receipt, lots=netted.order, amount=amount, notional=worth)
    return replace(lead, decision=replace(lead.decision, receipt=whole, strategy=agents)), ""


def carry_out(
    desk: Desk, decided: TeamDecision, candidate: Candidate, limits: RiskLimits, look: Reconciled
) -> tuple[tuple[Sent, ...], tuple[Exit, ...]]:
    """Send what was decided for all: an entry, a part of the position, or all of it.  Nothing where an earlier run may have."""
    symbol = candidate.symbol
    position = desk.ledger.positions().get(symbol)
    sent: Sent | None = None
    if not decided.new:
        pass
    elif decided.entry is not None:
        sent = enter(desk, candidate, decided.entry, limits, decided.rules, now=desk.broker.now())
    elif decided.selling > 0 and position is not None and symbol not in desk.unknown:
        reason = f"signal: {decided.reason}"
        if position.amount - decided.selling < candidate.instrument.lot_step:
            stops = look.stops(symbol)
            return (), (leave(desk, position, candidate.quote, stops, purpose=Purpose.EXIT, reason=reason),)
        sent = sell_part(desk, position, candidate.quote, look, amount=decided.selling, reason=reason)
    return (() if sent is None else (sent,)), ()


def sell_part(
    desk: Desk, position: Position, quote: Quote, look: Reconciled, *, amount: Decimal, reason: str
) -> Sent | None:
    """Sell a part of a position: intent first, then its stops are amended to what stays, then the part is sold.

    What stays is never without its stop, unless it is too small for the venue to protect; killed in between, the next tick finds the stops
    smaller than the position and amends them back.  None: the part cannot be sold, and the stops stay as they were.
    """
    instrument, symbol = desk.instrument(position.symbol), position.symbol
    key, now = desk.next_key(symbol, Purpose.EXIT), desk.broker.now()
    request = sell_request(key, instrument, quote, amount=amount, now=now, rules=desk.config.send)
    if not commit_intent(desk, key, request, ts=now, position_id=position.position_id, reason=reason):
        return None
    problem = _freed(desk, look, replace(position, amount=position.amount - request.amount)) or desk.unknown.get(symbol)
    held = desk.ledger.positions().get(symbol)
    if problem or held is None or held.amount != position.amount:
        return withdraw_intent(desk, key, request, problem or "the stop filled first")
    return submit_intent(desk, key, request)


def _freed(desk: Desk, look: Reconciled, rest: Position) -> str:
    """Let go of the coins that ``rest`` does not need; returns why they could not be.

    No stop of a crumb would rest, and one that is not amended goes on holding all of the coins: it goes, as it does when all is sold.
    """
    if not is_dust(rest, desk.instrument(rest.symbol)):
        return protect_for(desk, look, rest).problem
    try:
        free_coins(desk, look.stops(rest.symbol))
    except LeaseLost:
        raise
    except (RetryLater, StateUnknown) as failure:
        desk.unknown[rest.symbol] = f"the stop could not be canceled: {failure}"
        return desk.unknown[rest.symbol]
    return ""


def _middle(quote: Quote) -> Decimal:
    return as_decimal(repr((quote.bid + quote.ask) / 2.0))

"""Entries: from opinions to a recorded decision, and its order.

In: closed candles, a strategy, a quote, the account's figures, limits.  Out: a ``Decision`` for every symbol, whether or not an order
follows, and ``Sent`` where one does.  Never: an entry on a bar that is not there, without a stop, or twice in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

import pandas as pd

from kracken_tasks.domain.market import Instrument, Quote, SeriesKey
from kracken_tasks.domain.money import price_of
from kracken_tasks.domain.trading import Action, IntentKey, Purpose
from kracken_tasks.execution.account import Account
from kracken_tasks.execution.broker import has_conditional_close
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.judging import Facts, Holding, Judged, frame_rows, proposed, sized, sizing_of
from kracken_tasks.execution.orders import entry_request, is_dust
from kracken_tasks.execution.sending import Sent, commit_intent, submit_intent, withdraw_intent
from kracken_tasks.ledger import Plan
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.sizing import SizingInput
from kracken_tasks.risk.stops import StopPlan, StopRules
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.panel import ask_modules
from kracken_tasks.signals.sentiment import SentimentReading
from kracken_tasks.strategies.proposal import Strategy

__all__ = [
    "Candidate",
    "Elsewhere",
    "Judged",
    "decide",
    "enter",
    "facts_of",
    "frame_rows",
    "proposal_on",
    "sized_on",
    "sizing_on",
]

ForecastSource = Callable[[SeriesKey, pd.DataFrame, datetime], ForecastValue | None]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A second source's word on a symbol: its mid price in the same money and who says so, or None and why nobody does."""

    price: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One symbol as it stands before the decision.

    ``against``: what row rules or quarantine hold against it; ``feed``: how old its recorded stream is in seconds, and who says so; None
    where none is recorded.  ``elsewhere``: a second source's price; ``kill_switch``: who holds it, and ``not_armed`` why real
    money may not be spent, empty where nothing is against it; ``first_orders``: most that one order may be worth for now, and why.
    """

    key: SeriesKey
    strategy: Strategy
    instrument: Instrument
    quote: Quote
    frame: pd.DataFrame
    against: tuple[str, ...]
    forecast: ForecastValue | None = None
    sentiment: SentimentReading | None = None
    feed: tuple[float, str] | None = None
    elsewhere: Elsewhere = field(default_factory=lambda: Elsewhere(None, ""))
    kill_switch: str = ""
    not_armed: str = ""
    first_orders: tuple[float, str] | None = None

    @property
    def symbol(self) -> str:
        return self.key.symbol


def decide(
    desk: Desk,
    candidate: Candidate,
    others: Mapping[str, Candidate],
    account: Account,
    limits: RiskLimits,
    rules: StopRules,
    *,
    commit_seq: int,
    now: datetime,
) -> Judged:
    """Ask the signals, the strategy, the sizing and every guard; nothing is written or sent here.

    Time: the frame holds closed candles only; ``now`` is market time.
    """
    before = proposal_on(candidate, limits, commit_seq=commit_seq, now=now)
    sells_nothing = before.decision.action is Action.SELL and candidate.symbol not in desk.ledger.positions()
    if before.decision.action is Action.HOLD or sells_nothing:
        return before
    facts = facts_of(desk, candidate, others, account, limits, rules)
    if before.decision.action is not Action.BUY:
        return replace(before, facts=facts)
    return sized_on(before, candidate, others, facts, now=now)


def proposal_on(candidate: Candidate, limits: RiskLimits, *, commit_seq: int, now: datetime) -> Judged:
    """What a candidate's strategy would do, on what the modules it wants say: a BUY is still to be sized and guarded."""
    opinions = ask_modules(
        candidate.frame,
        candidate.strategy.modules,
        forecast=candidate.forecast,
        sentiment=candidate.sentiment,
        now=now,
        bar_seconds=candidate.key.timeframe.seconds,
    )
    return proposed(
        candidate.key, candidate.strategy, candidate.frame, opinions, limits, commit_seq=commit_seq, now=now,
        row_findings=candidate.against,
    )  # fmt: skip


def sized_on(
    before: Judged, candidate: Candidate, others: Mapping[str, Candidate], facts: Facts, *, now: datetime
) -> Judged:
    """A proposed BUY with its size and every guard's answer; ``others``: candidates by symbol, whose candles holdings are held against."""
    return sized(before, candidate.key, candidate.frame, _held(candidate, others, facts), facts, now=now)


def sizing_on(before: Judged, candidate: Candidate, others: Mapping[str, Candidate], facts: Facts) -> SizingInput:
    """What ``sized_on`` sizes by."""
    held = _held(candidate, others, facts)
    return sizing_of(before.proposal, candidate.key, candidate.frame, held, facts)


def _held(candidate: Candidate, others: Mapping[str, Candidate], facts: Facts) -> dict[str, pd.DataFrame | None]:
    """Candles of what is held beside the candidate; None where they were not read."""
    return {
        holding.symbol: others[holding.symbol].frame if holding.symbol in others else None
        for holding in facts.holdings
        if holding.symbol != candidate.symbol
    }


def facts_of(
    desk: Desk,
    candidate: Candidate,
    others: Mapping[str, Candidate],
    account: Account,
    limits: RiskLimits,
    rules: StopRules,
) -> Facts:
    """What the whole account's entry in a symbol is judged by beside the candles."""
    symbol, state = candidate.symbol, desk.ledger.state()
    return Facts(
        instrument=candidate.instrument,
        quote=candidate.quote,
        limits=limits,
        rules=rules,
        state=state.state,
        state_reason=state.reason,
        unknown_intent=desk.unknown.get(symbol, ""),
        equity=account.mark.equity,
        cash=account.cash(desk, candidate.instrument.quote),
        drawdown=account.mark.drawdown,
        daily_loss=account.mark.daily_loss,
        losing_streak=account.losing_streak,
        kelly=account.kelly,
        fee_fraction=desk.config.costs.fee_fraction(candidate.instrument),
        holdings=_holdings(desk, others, account),
        last_entry_at=account.last_entry_at.get(symbol),
        last_exit_at=account.last_exit_at.get(symbol),
        orders_last_minute=account.orders_last_minute,
        turnover_today=account.turnover_today + account.outlay,
        row_findings=candidate.against,
        elsewhere=candidate.elsewhere.price,
        elsewhere_source=candidate.elsewhere.source,
        kill_switch=candidate.kill_switch,
        not_armed=candidate.not_armed,
        first_order_cap=None if candidate.first_orders is None else candidate.first_orders[0],
        first_order_reason="" if candidate.first_orders is None else candidate.first_orders[1],
        feed_age=None if candidate.feed is None else candidate.feed[0],
        feed_note="" if candidate.feed is None else candidate.feed[1],
    )


def _holdings(desk: Desk, others: Mapping[str, Candidate], account: Account) -> tuple[Holding, ...]:
    """Where a position is open, or may be in a moment; one whose candles are not read here counts as alike.  Dust is no position."""
    listed = desk.broker.instruments()
    held = {s for s, position in desk.ledger.positions().items() if not is_dust(position, listed.get(s))}
    open_symbols = held | account.outlays.keys()
    return tuple(
        Holding(symbol, _worth(desk, others, account, symbol), others[symbol].key if symbol in others else None)
        for symbol in sorted(open_symbols)
    )


def _worth(desk: Desk, others: Mapping[str, Candidate], account: Account, symbol: str) -> float:
    """One holding at the bid, or without a quote at its cost, with what an order under way may add to it."""
    position, outlay, quoted = desk.ledger.positions().get(symbol), account.outlays.get(symbol), others.get(symbol)
    under_way = 0.0 if outlay is None else outlay.notional
    if position is None:
        return under_way
    return under_way + (float(position.cost) if quoted is None else float(position.amount) * quoted.quote.bid)


def enter(
    desk: Desk, candidate: Candidate, judged: Judged, limits: RiskLimits, rules: StopRules, *, now: datetime
) -> Sent | None:
    """Send a decided entry.  None: the run has entered this symbol before, and a repeated run sends nothing again.

    Time: ``now`` is asked right before, so that the deadline is of this moment; an entry whose quote has grown too old since it was
    judged (a process that was frozen in between) is withdrawn.
    """
    decision, stops, receipt = judged.decision, judged.stops, judged.decision.receipt
    if stops is None or receipt is None or receipt.lots <= 0 or decision.blocked_by is not None:
        raise ValueError(f"{decision.symbol}: {decision.reason}; nothing to send")
    key = IntentKey(desk.ledger.account, desk.tick_id, decision.symbol, Purpose.ENTRY)
    request = entry_request(
        key,
        candidate.instrument,
        candidate.quote,
        lots=receipt.lots,
        stop_ticks=stops.stop_ticks if has_conditional_close(desk.broker) else None,  # else protect places it
        now=now,
        rules=replace(desk.config.send, entry_cap_fraction=limits.price_cap_fraction),
    )
    plan = _plan(candidate.instrument, judged, stops, rules)
    if not commit_intent(desk, key, request, ts=now, plan=plan, reason=decision.reason):
        return None
    age = (now - candidate.quote.ts).total_seconds()
    if age > limits.max_quote_age_seconds:
        return withdraw_intent(desk, key, request, f"its quote is {age:.0f} s old by now")
    return submit_intent(desk, key, request)


def _plan(instrument: Instrument, judged: Judged, stops: StopPlan, rules: StopRules) -> Plan:
    return Plan(
        stop_price=price_of(stops.stop_ticks, instrument),
        take_profit_price=price_of(stops.target_ticks, instrument),
        max_holding=rules.max_holding,
        trail_fraction=None if rules.trailing_pct is None else Decimal(str(rules.trailing_pct)),
        confidence=judged.decision.confidence,
        strategy=judged.decision.strategy,
        tags=judged.proposal.tags,
    )

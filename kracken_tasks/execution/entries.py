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
from kracken_tasks.domain.trading import Action, Decision, IntentKey, Purpose, SizeReceipt
from kracken_tasks.execution.account import Account
from kracken_tasks.execution.broker import has_conditional_close
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.orders import entry_request
from kracken_tasks.execution.sending import Sent, commit_intent, submit_intent, withdraw_intent
from kracken_tasks.ledger import Plan
from kracken_tasks.risk.correlation import CorrelationCut, correlation_cut
from kracken_tasks.risk.guards import EntryContext, freshness
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.policy import ENTRY_POLICY, evaluate, first_block
from kracken_tasks.risk.sizing import SizingInput, size_entry
from kracken_tasks.risk.stops import StopPlan, StopRules, plan_stops
from kracken_tasks.risk.volatility import atr_fraction, daily_volatility
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.panel import ask_modules
from kracken_tasks.strategies.proposal import Proposal, Strategy

__all__ = ["Candidate", "Elsewhere", "Judged", "decide", "enter", "frame_rows"]

ForecastSource = Callable[[SeriesKey, pd.DataFrame, datetime], ForecastValue | None]

# Rows that volatility and correlation look at (risk's own defaults), whatever the strategy needs.
_RISK_ROWS = 200


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A second source's word on a symbol: its mid price in the same money and who says so, or None and why nobody does."""

    price: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One symbol as it stands before the decision.

    ``against``: what row rules or quarantine hold against it; ``feed``: how old its recorded stream is in seconds, and who says so; None
    where none is recorded.  ``elsewhere``: a second source's price; ``kill_switch``: who holds it, empty where nobody does.
    """

    key: SeriesKey
    strategy: Strategy
    instrument: Instrument
    quote: Quote
    frame: pd.DataFrame
    against: tuple[str, ...]
    forecast: ForecastValue | None = None
    feed: tuple[float, str] | None = None
    elsewhere: Elsewhere = field(default_factory=lambda: Elsewhere(None, ""))
    kill_switch: str = ""

    @property
    def symbol(self) -> str:
        return self.key.symbol


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision with what is needed to act on it; ``stops`` only where an entry was sized."""

    decision: Decision
    proposal: Proposal
    stops: StopPlan | None = None


def frame_rows(strategy: Strategy) -> int:
    """How many closed candles a decision reads."""
    return max(strategy.lookback, _RISK_ROWS)


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
    opinions = ask_modules(
        candidate.frame,
        candidate.strategy.modules,
        forecast=candidate.forecast,
        now=now,
        bar_seconds=candidate.key.timeframe.seconds,
    )
    proposal = candidate.strategy.propose(candidate.symbol, candidate.frame, opinions)
    blank = Decision(
        symbol=candidate.symbol,
        action=proposal.action,
        confidence=proposal.confidence,
        strategy=proposal.strategy,
        bar_ts=proposal.bar_ts,
        commit_seq=commit_seq,
        opinions=proposal.opinions or opinions,
        guards=(),
        receipt=None,
        reason=proposal.reason,
    )
    fresh = freshness(proposal.bar_ts, candidate.key.timeframe.seconds, now, limits)
    if not fresh.passed:
        # Old candles are no reason to sell either; exits look at quotes.
        return Judged(replace(blank, action=Action.HOLD, guards=(fresh,), reason=fresh.reason), proposal)
    if proposal.action is not Action.BUY:
        return Judged(blank, proposal)
    stops = _stop_plan(candidate, proposal, rules)
    alike = _alike(desk, candidate, others, account, limits)
    together = sum(_worth(desk, others, account, symbol) for symbol in alike.cluster)
    receipt = _size(desk, candidate, others, account, limits, proposal, stops, alike, together)
    context = _context(desk, candidate, others, account, limits, proposal, receipt, alike, together, now)
    guards = evaluate(ENTRY_POLICY, context)
    blocked = first_block(guards)
    reason = proposal.reason if blocked is None else f"blocked by {blocked.guard}: {blocked.reason}"
    return Judged(replace(blank, guards=guards, receipt=receipt, reason=reason), proposal, stops)


def _stop_plan(candidate: Candidate, proposal: Proposal, rules: StopRules) -> StopPlan:
    frame = candidate.frame
    columns = (frame[name].to_numpy(dtype="float64") for name in ("high", "low", "close"))
    atr = atr_fraction(*columns)
    return plan_stops(
        candidate.quote.ask,
        candidate.instrument,
        rules,
        atr=atr,
        stop_pct=proposal.stop_pct,
        take_profit_pct=proposal.take_profit_pct,
    )


def _alike(
    desk: Desk, candidate: Candidate, others: Mapping[str, Candidate], account: Account, limits: RiskLimits
) -> CorrelationCut:
    """What is held besides and moves with the candidate; a holding whose candles are not read here counts as alike."""
    held = {
        symbol: others[symbol].frame if symbol in others else None
        for symbol in _open_symbols(desk, account)
        if symbol != candidate.symbol
    }
    return correlation_cut(candidate.frame, held, limits.correlation_threshold)


def _worth(desk: Desk, others: Mapping[str, Candidate], account: Account, symbol: str) -> float:
    """One holding at the bid, or without a quote at its cost, with what an order under way may add to it."""
    position, outlay, quoted = desk.ledger.positions().get(symbol), account.outlays.get(symbol), others.get(symbol)
    under_way = 0.0 if outlay is None else outlay.notional
    if position is None:
        return under_way
    return under_way + (float(position.cost) if quoted is None else float(position.amount) * quoted.quote.bid)


def _size(
    desk: Desk,
    candidate: Candidate,
    others: Mapping[str, Candidate],
    account: Account,
    limits: RiskLimits,
    proposal: Proposal,
    stops: StopPlan,
    alike: CorrelationCut,
    together: float,
) -> SizeReceipt:
    facts = SizingInput(
        instrument=candidate.instrument,
        equity=account.mark.equity,
        cash=account.cash(desk, candidate.instrument.quote),
        price=candidate.quote.ask,
        stop_pct=stops.stop_pct,
        confidence=proposal.confidence,
        volatility=_volatility(candidate, proposal),
        exposure=_exposure(desk, others, account),
        correlation_factor=alike.factor,
        correlation_reason=alike.reason,
        correlations=alike.correlations,
        cluster=alike.cluster,
        cluster_exposure=together,
        kelly=account.kelly,
        fee_fraction=desk.config.costs.fee_fraction(candidate.instrument),
    )
    return size_entry(facts, limits)


def _volatility(candidate: Candidate, proposal: Proposal) -> float:
    if proposal.volatility is not None:
        return proposal.volatility
    return daily_volatility(candidate.frame["close"].to_numpy(dtype="float64"), candidate.key.timeframe.seconds)


def _open_symbols(desk: Desk, account: Account) -> set[str]:
    """Where a position is open, or may be in a moment."""
    return desk.ledger.positions().keys() | account.outlays.keys()


def _exposure(desk: Desk, others: Mapping[str, Candidate], account: Account) -> float:
    """Market value of everything held and under way."""
    return sum(_worth(desk, others, account, symbol) for symbol in sorted(_open_symbols(desk, account)))


def _context(
    desk: Desk,
    candidate: Candidate,
    others: Mapping[str, Candidate],
    account: Account,
    limits: RiskLimits,
    proposal: Proposal,
    receipt: SizeReceipt,
    alike: CorrelationCut,
    together: float,
    now: datetime,
) -> EntryContext:
    symbol = candidate.symbol
    held = _open_symbols(desk, account)
    notional = float(receipt.notional)
    fee = desk.config.costs.fee_fraction(candidate.instrument)
    state = desk.ledger.state()
    reference, source = _second_source(candidate)
    return EntryContext(
        symbol=symbol,
        now=now,
        limits=limits,
        state=state.state,
        state_reason=state.reason,
        unknown_intent=desk.unknown.get(symbol, ""),
        bar_ts=proposal.bar_ts,
        bar_seconds=candidate.key.timeframe.seconds,
        row_findings=candidate.against,
        venue_status=candidate.instrument.status,
        quote=candidate.quote,
        reference_price=reference,
        reference_source=source,
        kill_switch=candidate.kill_switch,
        confidence=proposal.confidence,
        last_entry_at=account.last_entry_at.get(symbol),
        last_exit_at=account.last_exit_at.get(symbol),
        position_open=symbol in held,
        open_positions=len(held),
        equity=account.mark.equity,
        cash=account.cash(desk, candidate.instrument.quote),
        exposure=_exposure(desk, others, account),
        cluster=alike.cluster,
        cluster_exposure=together,
        drawdown=account.mark.drawdown,
        daily_loss=account.mark.daily_loss,
        losing_streak=account.losing_streak,
        lots=receipt.lots,
        order_notional=notional,
        order_cost=notional * (1.0 + limits.price_cap_fraction) * (1.0 + fee),
        orders_last_minute=account.orders_last_minute,
        turnover_today=account.turnover_today + account.outlay,
        feed_age=None if candidate.feed is None else candidate.feed[0],
        feed_note="" if candidate.feed is None else candidate.feed[1],
    )


def _second_source(candidate: Candidate) -> tuple[float | None, str]:
    """What the ask is held against, and who says so: another venue's quote, else the newest closed candle, else nobody."""
    elsewhere, frame = candidate.elsewhere, candidate.frame
    if elsewhere.price is not None:
        return elsewhere.price, elsewhere.source
    note = f"; {elsewhere.source}" if elsewhere.source else ""
    if not len(frame):
        return None, f"no candle{note}"
    return float(frame["close"].iloc[-1]), f"last close{note}"


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

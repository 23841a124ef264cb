"""Entries: from opinions to a recorded decision, and its order.

In: closed candles, a strategy, a quote, the account's figures, limits.  Out: a ``Decision`` for every symbol, whether or not an order
follows, and ``Sent`` where one does.  Never: an entry on a bar that is not there, without a stop, or twice in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from kracken_tasks.risk.correlation import correlation_cut
from kracken_tasks.risk.guards import EntryContext, freshness
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.policy import ENTRY_POLICY, evaluate, first_block
from kracken_tasks.risk.sizing import SizingInput, size_entry
from kracken_tasks.risk.stops import StopPlan, StopRules, plan_stops
from kracken_tasks.risk.volatility import atr_fraction, daily_volatility
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.panel import ask_modules
from kracken_tasks.strategies.proposal import Proposal, Strategy

__all__ = ["Candidate", "Judged", "decide", "enter", "frame_rows"]

ForecastSource = Callable[[SeriesKey, pd.DataFrame, datetime], ForecastValue | None]

# Rows that volatility and correlation look at (risk's own defaults), whatever the strategy needs.
_RISK_ROWS = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """One symbol as it stands before the decision.

    ``against``: what row rules or quarantine hold against it; ``feed``: how old its recorded stream is in seconds, and who says so; None
    where none is recorded.
    """

    key: SeriesKey
    strategy: Strategy
    instrument: Instrument
    quote: Quote
    frame: pd.DataFrame
    against: tuple[str, ...]
    forecast: ForecastValue | None = None
    feed: tuple[float, str] | None = None

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
    receipt = _size(desk, candidate, others, account, limits, proposal, stops)
    context = _context(desk, candidate, others, account, limits, proposal, receipt, now)
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


def _size(
    desk: Desk,
    candidate: Candidate,
    others: Mapping[str, Candidate],
    account: Account,
    limits: RiskLimits,
    proposal: Proposal,
    stops: StopPlan,
) -> SizeReceipt:
    held = {
        symbol: others[symbol].frame
        for symbol in _open_symbols(desk, account)
        if symbol in others and symbol != candidate.symbol
    }
    alike = correlation_cut(candidate.frame, held, limits.correlation_threshold)
    facts = SizingInput(
        instrument=candidate.instrument,
        equity=account.mark.equity,
        cash=account.cash(desk, candidate.instrument.quote),
        price=candidate.quote.ask,
        stop_pct=stops.stop_pct,
        confidence=proposal.confidence,
        volatility=daily_volatility(
            candidate.frame["close"].to_numpy(dtype="float64"), candidate.key.timeframe.seconds
        ),
        exposure=_exposure(desk, others) + account.outlay,
        correlation_factor=alike.factor,
        correlation_reason=alike.reason,
        kelly=account.kelly,
        fee_fraction=desk.config.costs.fee_fraction(candidate.instrument),
    )
    return size_entry(facts, limits)


def _open_symbols(desk: Desk, account: Account) -> set[str]:
    """Where a position is open, or may be in a moment."""
    return desk.ledger.positions().keys() | account.outlays.keys()


def _exposure(desk: Desk, others: Mapping[str, Candidate]) -> float:
    """Market value of all positions; one without a quote counts at its cost."""
    total = 0.0
    for symbol, position in desk.ledger.positions().items():
        quoted = others.get(symbol)
        total += float(position.amount) * quoted.quote.bid if quoted is not None else float(position.cost)
    return total


def _context(
    desk: Desk,
    candidate: Candidate,
    others: Mapping[str, Candidate],
    account: Account,
    limits: RiskLimits,
    proposal: Proposal,
    receipt: SizeReceipt,
    now: datetime,
) -> EntryContext:
    symbol, frame = candidate.symbol, candidate.frame
    held = _open_symbols(desk, account)
    notional = float(receipt.notional)
    fee = desk.config.costs.fee_fraction(candidate.instrument)
    state = desk.ledger.state()
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
        reference_price=float(frame["close"].iloc[-1]) if len(frame) else None,
        confidence=proposal.confidence,
        last_entry_at=account.last_entry_at.get(symbol),
        last_exit_at=account.last_exit_at.get(symbol),
        position_open=symbol in held,
        open_positions=len(held),
        equity=account.mark.equity,
        cash=account.cash(desk, candidate.instrument.quote),
        exposure=_exposure(desk, others) + account.outlay,
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
    )

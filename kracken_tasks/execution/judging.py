"""Judging: signals, strategy, sizing and guards as one pure function of candles and stated facts.

In: closed candles, a strategy, ``Facts``.  Out: ``Judged``.  Never: the ledger, a clock, a venue: what a decision rests on beside the
candles stands in its facts, is written down with it, and gives the same decision again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from kracken_tasks.domain.market import Instrument, Quote, SeriesKey
from kracken_tasks.domain.trading import Action, Decision, Opinion, SizeReceipt, TradingState
from kracken_tasks.risk.correlation import correlation_cut
from kracken_tasks.risk.guards import EntryContext, cleanness, freshness
from kracken_tasks.risk.kelly import KellyEstimate
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.policy import ENTRY_POLICY, evaluate
from kracken_tasks.risk.sizing import SizingInput, size_entry
from kracken_tasks.risk.stops import StopPlan, StopRules, plan_stops
from kracken_tasks.risk.volatility import atr_fraction, daily_volatility
from kracken_tasks.strategies.proposal import Proposal, Strategy

__all__ = ["Facts", "Holding", "Judged", "frame_rows", "judge", "proposed", "sized", "sizing_of"]

# Rows that volatility and correlation look at (risk's own defaults), whatever the strategy needs.
_RISK_ROWS = 200


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held, or may be in a moment: ``worth`` in quote currency, at the bid where there was one; ``series`` None: its candles
    were not read, and it counts as moving with everything."""

    symbol: str
    worth: float
    series: SeriesKey | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What an entry is judged by beside the candles.  Units: quote currency, fractions of equity; times are market time.

    ``cash`` can be spent; ``turnover_today`` and ``holdings`` count orders under way at their worst price.  ``elsewhere``: a second
    source's price and who says so.  ``first_order_cap``: most that one order may be worth for now, None where nothing caps it.
    """

    instrument: Instrument
    quote: Quote
    limits: RiskLimits
    rules: StopRules
    state: TradingState
    state_reason: str
    unknown_intent: str
    equity: float
    cash: float
    drawdown: float
    daily_loss: float
    losing_streak: int
    kelly: KellyEstimate | None
    fee_fraction: float
    holdings: tuple[Holding, ...]
    last_entry_at: datetime | None
    last_exit_at: datetime | None
    orders_last_minute: int
    turnover_today: float
    row_findings: tuple[str, ...] = ()
    elsewhere: float | None = None
    elsewhere_source: str = ""
    kill_switch: str = ""
    not_armed: str = ""
    feed_age: float | None = None
    feed_note: str = ""
    first_order_cap: float | None = None
    first_order_reason: str = ""

    @property
    def exposure(self) -> float:
        """Worth of everything held and under way."""
        return sum(holding.worth for holding in self.holdings)

    def holds(self, symbol: str) -> bool:
        return any(holding.symbol == symbol for holding in self.holdings)


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision with what is needed to act on it; ``stops`` only where an entry was sized, ``facts`` where an order may follow."""

    decision: Decision
    proposal: Proposal
    stops: StopPlan | None = None
    facts: Facts | None = None


def frame_rows(strategy: Strategy) -> int:
    """How many closed candles a decision reads."""
    return max(strategy.lookback, _RISK_ROWS)


def proposed(
    key: SeriesKey,
    strategy: Strategy,
    frame: pd.DataFrame,
    opinions: tuple[Opinion, ...],
    limits: RiskLimits,
    *,
    commit_seq: int,
    now: datetime,
    row_findings: Sequence[str] = (),
) -> Judged:
    """What the strategy would do, on fresh candles that nothing is held against: a BUY is still to be sized and guarded.

    ``row_findings``: what row rules or quarantine hold against the candles; a SELL made from such is no opinion, and its answer is that
    of ``rows_clean``.
    """
    proposal = strategy.propose(key.symbol, frame, opinions)
    blank = Decision(
        symbol=key.symbol,
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
    fresh = freshness(proposal.bar_ts, key.timeframe.seconds, now, limits)
    if not fresh.passed:
        # Old candles are no reason to sell either; exits look at quotes.
        return Judged(replace(blank, action=Action.HOLD, guards=(fresh,), reason=fresh.reason), proposal)
    clean = cleanness(row_findings)
    if blank.action is Action.SELL and not clean.passed:
        # Nor are rows that may be wrong: a misprint would sell.  An entry is refused by the same guard, with all the others.
        return Judged(replace(blank, action=Action.HOLD, guards=(clean,), reason=clean.objection), proposal)
    return Judged(blank, proposal)


def sized(
    before: Judged,
    key: SeriesKey,
    frame: pd.DataFrame,
    held: Mapping[str, pd.DataFrame | None],
    facts: Facts,
    *,
    now: datetime,
) -> Judged:
    """A proposed BUY with its size and every guard's answer.  ``held``: candles of ``facts.holdings``, the candidate's own left out."""
    proposal = before.proposal
    stops = _stop_plan(proposal, frame, facts)
    wanted = sizing_of(proposal, key, frame, held, facts)
    receipt = size_entry(wanted, facts.limits)
    context = _context(proposal, key, frame, facts, receipt, wanted, now)
    decision = replace(before.decision, receipt=receipt).guarded(evaluate(ENTRY_POLICY, context))
    return Judged(decision, proposal, stops, facts)


def sizing_of(
    proposal: Proposal, key: SeriesKey, frame: pd.DataFrame, held: Mapping[str, pd.DataFrame | None], facts: Facts
) -> SizingInput:
    """What the size of a proposed entry depends on; ``held`` as in ``sized``."""
    alike = correlation_cut(frame, dict(held), facts.limits.correlation_threshold)
    return SizingInput(
        instrument=facts.instrument,
        equity=facts.equity,
        cash=facts.cash,
        price=facts.quote.ask,
        stop_pct=_stop_plan(proposal, frame, facts).stop_pct,
        confidence=proposal.confidence,
        volatility=_volatility(proposal, key, frame),
        exposure=facts.exposure,
        correlation_factor=alike.factor,
        correlation_reason=alike.reason,
        correlations=alike.correlations,
        cluster=alike.cluster,
        cluster_exposure=sum(holding.worth for holding in facts.holdings if holding.symbol in alike.cluster),
        kelly=facts.kelly,
        fee_fraction=facts.fee_fraction,
        first_order_cap=facts.first_order_cap,
        first_order_reason=facts.first_order_reason,
    )


def judge(
    key: SeriesKey,
    strategy: Strategy,
    frame: pd.DataFrame,
    held: Mapping[str, pd.DataFrame | None],
    opinions: tuple[Opinion, ...],
    facts: Facts,
    *,
    commit_seq: int,
    now: datetime,
) -> Judged:
    """The whole decision from candles, opinions and facts; the same again for the same again."""
    before = proposed(
        key, strategy, frame, opinions, facts.limits, commit_seq=commit_seq, now=now, row_findings=facts.row_findings
    )
    if before.decision.action is not Action.BUY:
        return before
    return sized(before, key, frame, held, facts, now=now)


def _stop_plan(proposal: Proposal, frame: pd.DataFrame, facts: Facts) -> StopPlan:
    columns = (frame[name].to_numpy(dtype="float64") for name in ("high", "low", "close"))
    atr = atr_fraction(*columns)
    return plan_stops(
        facts.quote.ask,
        facts.instrument,
        facts.rules,
        atr=atr,
        stop_pct=proposal.stop_pct,
        take_profit_pct=proposal.take_profit_pct,
    )


def _volatility(proposal: Proposal, key: SeriesKey, frame: pd.DataFrame) -> float:
    if proposal.volatility is not None:
        return proposal.volatility
    return daily_volatility(frame["close"].to_numpy(dtype="float64"), key.timeframe.seconds)


def _context(
    proposal: Proposal,
    key: SeriesKey,
    frame: pd.DataFrame,
    facts: Facts,
    receipt: SizeReceipt,
    wanted: SizingInput,
    now: datetime,
) -> EntryContext:
    notional = float(receipt.notional)
    reference, source = _second_source(facts, frame)
    return EntryContext(
        symbol=key.symbol,
        now=now,
        limits=facts.limits,
        state=facts.state,
        state_reason=facts.state_reason,
        unknown_intent=facts.unknown_intent,
        bar_ts=proposal.bar_ts,
        bar_seconds=key.timeframe.seconds,
        row_findings=facts.row_findings,
        venue_status=facts.instrument.status,
        quote=facts.quote,
        reference_price=reference,
        reference_source=source,
        kill_switch=facts.kill_switch,
        not_armed=facts.not_armed,
        confidence=proposal.confidence,
        last_entry_at=facts.last_entry_at,
        last_exit_at=facts.last_exit_at,
        position_open=facts.holds(key.symbol),
        open_positions=len(facts.holdings),
        equity=facts.equity,
        cash=facts.cash,
        exposure=facts.exposure,
        cluster=wanted.cluster,
        cluster_exposure=wanted.cluster_exposure,
        drawdown=facts.drawdown,
        daily_loss=facts.daily_loss,
        losing_streak=facts.losing_streak,
        lots=receipt.lots,
        order_notional=notional,
        order_cost=notional * (1.0 + facts.limits.price_cap_fraction) * (1.0 + facts.fee_fraction),
        orders_last_minute=facts.orders_last_minute,
        turnover_today=facts.turnover_today,
        feed_age=facts.feed_age,
        feed_note=facts.feed_note,
    )


def _second_source(facts: Facts, frame: pd.DataFrame) -> tuple[float | None, str]:
    """What the ask is held against, and who says so: another venue's quote, else the newest closed candle, else nobody."""
    if facts.elsewhere is not None:
        return facts.elsewhere, facts.elsewhere_source
    note = f"; {facts.elsewhere_source}" if facts.elsewhere_source else ""
    if not len(frame):
        return None, f"no candle{note}"
    return float(frame["close"].iloc[-1]), f"last close{note}"

"""Rehearse a trading strategy on past candles: the signals, the strategy, the sizing and the stops that trade, on Backtrader.

In: a candle frame, a strategy, limits, costs.  Out: a ``Report`` with figures, and its files.  Never: a candle later than the
decision, a decision code of its own.

What differs from a tick, and why: fills follow the bar model (decide at the close, fill at the next open), so prices, spread and stops
are measured from the close, not from a quote; Kelly's cut and the guards that look at the account's whole life (drawdown, daily loss,
streak, turnover) or at other symbols (exposure, correlation) see an undisturbed account; the pause after an exit counts from the open of
the bar it happened in; no champion is asked, since it was trained on these candles.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from kracken_tasks.analytics.report import tear_sheet
from kracken_tasks.backtest.engine import BacktestEngine
from kracken_tasks.backtest.ensemble_strategy import DecisionStrategy, HeldPosition, Step
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Instrument, Quote, SeriesKey
from kracken_tasks.domain.trading import Action, SizeReceipt, TradingState
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.files import publish
from kracken_tasks.live.rehearsals import FIGURES, rules_mark
from kracken_tasks.risk import RiskLimits, SizingInput, StopRules, daily_volatility, plan_stops, size_entry
from kracken_tasks.risk.guards import EntryContext
from kracken_tasks.risk.policy import ENTRY_POLICY, evaluate, first_block
from kracken_tasks.risk.stops import StopPlan
from kracken_tasks.risk.volatility import atr_fraction
from kracken_tasks.signals import ask_modules
from kracken_tasks.signals.registry import SIGNALS
from kracken_tasks.strategies import Strategy
from kracken_tasks.strategies.proposal import Proposal

__all__ = ["Report", "Setting", "rehearse"]

# Rows that sizing's volatility looks at, whatever the strategy needs.
_RISK_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """What is rehearsed and at what cost.  Units: cash in quote; commission and slippage fractions per side."""

    key: SeriesKey
    instrument: Instrument
    strategy: Strategy
    limits: RiskLimits
    stops: StopRules
    cash: float
    commission: float
    slippage: float


@dataclass(frozen=True, slots=True)
class Report:
    """A rehearsal's outcome.  ``figures`` are plain numbers (NaN where undefined, with its reason in ``reasons``)."""

    key: SeriesKey
    strategy: str
    folder: str
    first: datetime
    last: datetime
    figures: Mapping[str, float]
    reasons: Mapping[str, str]
    markdown: str
    picture: str

    @property
    def total_return_pct(self) -> float:
        return self.figures["total_return_pct"]


def rehearse(
    frame: pd.DataFrame, setting: Setting, *, folder: Path, commit_seq: int, asked_from: datetime | None = None
) -> Report:
    """Run the strategy over the frame and write report.md, equity.png and figures.json into ``folder``.

    Time:   the frame holds closed candles; ``commit_seq`` names the lake snapshot they were read from; ``asked_from`` is where the
            caller wanted it to begin, and the report says so if it begins later.
    Raises: BadData for a frame that is too short for the strategy; Misconfigured for what cannot be rehearsed.
    """
    _check(frame, setting)
    engine = BacktestEngine(
        setting.cash, setting.commission, setting.slippage, lot_step=float(setting.instrument.lot_step)
    )
    engine.add_data(frame, name=setting.key.symbol)
    engine.add_strategy(DecisionStrategy, decide=decision_of(setting), max_rows=_rows_needed(setting))
    results = engine.run()
    folder.mkdir(parents=True, exist_ok=True)
    engine.plot(folder / "equity.png")
    figures = {key: float(value) for key, value in results.items() if type(value) in (int, float)}
    first, last = frame["ts"].iloc[0].to_pydatetime(), frame["ts"].iloc[-1].to_pydatetime()
    markdown = _markdown(setting, results, first, last, commit_seq) + _caveats(frame, setting, asked_from)
    of = {
        "strategy": setting.strategy.name,
        "series": str(setting.key),
        "first": iso(first),
        "last": iso(last),
        "commit_seq": commit_seq,
        "rules": rules_mark(setting.strategy, setting.limits, setting.stops),
    }
    told = json.dumps({**_plain(figures, results["reasons"]), "of": of}, indent=2, sort_keys=True) + "\n"
    publish(folder, {"report.md": markdown.encode(), FIGURES: told.encode()})
    return Report(
        setting.key, setting.strategy.name, str(folder), first, last, figures, dict(results["reasons"]), markdown,
        str(folder / "equity.png"),
    )  # fmt: skip


def decision_of(setting: Setting) -> Callable[[pd.DataFrame, HeldPosition | None], Step]:
    """The trading decision as Backtrader's strategy asks for it: opinions, proposal, stops, size, guards."""
    return _Decider(setting)


class _Decider:
    """One rehearsal's decisions, and when it last traded."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._last_entry: datetime | None = None
        self._last_held: datetime | None = None

    def __call__(self, frame: pd.DataFrame, held: HeldPosition | None) -> Step:
        setting = self._setting
        now = frame["ts"].iloc[-1].to_pydatetime() + setting.key.timeframe.delta
        opinions = ask_modules(frame, setting.strategy.modules, now=now, bar_seconds=setting.key.timeframe.seconds)
        proposal = setting.strategy.propose(setting.key.symbol, frame, opinions)
        if held is not None:
            self._last_held = now
            return self._held(held, proposal, now)
        if proposal.action is not Action.BUY:
            return Step("HOLD")
        stops = _stop_plan(frame, setting, proposal)
        receipt = size_entry(_sizing(frame, setting, proposal, stops), setting.limits)
        blocked = first_block(evaluate(ENTRY_POLICY, self._context(frame, proposal, receipt, now)))
        if blocked is not None:
            return Step("HOLD", reason=blocked.objection)
        self._last_entry = now
        # Cuts are shares of equity, so the share found for the opening cash holds for whatever the account is worth by then.
        share = float(receipt.notional) / setting.cash
        trailing = setting.stops.trailing_pct
        return Step("BUY", share, stops.stop_pct, stops.take_profit_pct, proposal.reason, trailing)

    def _held(self, held: HeldPosition, proposal: Proposal, now: datetime) -> Step:
        longest = self._setting.stops.max_holding
        if longest is not None and now - held.opened_at >= longest:
            return Step("SELL", reason=f"max_holding: held since {iso(held.opened_at)}")
        return Step("SELL" if proposal.action is Action.SELL else "HOLD", reason=proposal.reason)

    def _context(self, frame: pd.DataFrame, proposal: Proposal, receipt: SizeReceipt, now: datetime) -> EntryContext:
        """An undisturbed account on a venue that is up: what the guards would see had nothing else happened."""
        setting, price = self._setting, float(frame["close"].iloc[-1])
        notional = float(receipt.notional)
        return EntryContext(
            symbol=setting.key.symbol, now=now, limits=setting.limits, state=TradingState.NORMAL, state_reason="",
            unknown_intent="", bar_ts=proposal.bar_ts, bar_seconds=setting.key.timeframe.seconds, row_findings=(),
            venue_status="online", quote=Quote(setting.key.symbol, price, price, price, now), reference_price=price,
            reference_source="the close that is decided on", kill_switch="", not_armed="", cluster=(), cluster_exposure=0.0,
            confidence=proposal.confidence, last_entry_at=self._last_entry, last_exit_at=self._last_held,
            position_open=False, open_positions=0, equity=setting.cash, cash=setting.cash, exposure=0.0, drawdown=0.0,
            daily_loss=0.0, losing_streak=0, lots=receipt.lots, order_notional=notional,
            order_cost=notional * (1.0 + setting.limits.price_cap_fraction) * (1.0 + setting.commission),
            orders_last_minute=0, turnover_today=0.0,
        )  # fmt: skip


def _stop_plan(frame: pd.DataFrame, setting: Setting, proposal: Proposal) -> StopPlan:
    high, low, close = (frame[name].to_numpy(dtype="float64") for name in ("high", "low", "close"))
    return plan_stops(
        float(close[-1]),
        setting.instrument,
        setting.stops,
        atr=atr_fraction(high, low, close),
        stop_pct=proposal.stop_pct,
        take_profit_pct=proposal.take_profit_pct,
    )


def _sizing(frame: pd.DataFrame, setting: Setting, proposal: Proposal, stops: StopPlan) -> SizingInput:
    closes = frame["close"].to_numpy(dtype="float64")
    return SizingInput(
        instrument=setting.instrument,
        equity=setting.cash,
        cash=setting.cash,
        price=float(closes[-1]),
        stop_pct=stops.stop_pct,
        confidence=proposal.confidence,
        volatility=daily_volatility(closes, setting.key.timeframe.seconds),
        fee_fraction=setting.commission,
    )


def _check(frame: pd.DataFrame, setting: Setting) -> None:
    """Refuse what would be rehearsed as something else than it trades."""
    needed, name = _rows_needed(setting), setting.strategy.name
    if len(frame) < needed:
        raise BadData(
            f"{setting.key}: {len(frame)} candles, the {name} strategy needs at least {needed}",
            series=str(setting.key), rows=len(frame), allowed=f">= {needed}",
        )  # fmt: skip
    asked = [SIGNALS[module] for module in setting.strategy.modules]
    if asked and not any(module.hears_candles_alone for module in asked):
        raise Misconfigured(
            f"the {name} strategy acts on a champion's forecasts alone, and a champion has seen the candles it would be rehearsed on; "
            "its scores on bars it never saw stand in the registry (kracken models list)",
            key="strategy", value=name,
        )  # fmt: skip


def _rows_needed(setting: Setting) -> int:
    return max(setting.strategy.lookback, _RISK_ROWS) + 2


def _missing(frame: pd.DataFrame, key: SeriesKey) -> int:
    """Windows between the first and the last candle that have none."""
    span = frame["ts"].iloc[-1] - frame["ts"].iloc[0]
    return int(span // key.timeframe.delta) + 1 - len(frame)


def _markdown(setting: Setting, results: Mapping[str, Any], first: datetime, last: datetime, commit_seq: int) -> str:
    sheet = tear_sheet(
        results["metrics"], title=f"{setting.strategy.name} on {setting.key}", currency=setting.instrument.quote
    )
    return (
        f"{sheet}\n"
        f"- {results['bars']} candles, {iso(first)} to {iso(last)}, as of lake commit {commit_seq}\n"
        f"- commission {setting.commission:.4%} and slippage {setting.slippage:.4%} per side; "
        f"fees paid {results['total_fees']:,.2f} {setting.instrument.quote}\n"
        f"- buying and holding would have returned {results['buy_and_hold_return_pct']:,.2f} %, "
        f"this returned {results['total_return_pct']:,.2f} %\n"
        "- decided at a bar's close, filled at the next open; stops fill at their trigger or at the open behind a gap\n"
    )


def _caveats(frame: pd.DataFrame, setting: Setting, asked_from: datetime | None) -> str:
    """What a reader must know before believing the figures."""
    first, missing = frame["ts"].iloc[0].to_pydatetime(), _missing(frame, setting.key)
    silent = [module for module in setting.strategy.modules if SIGNALS[module].needs_forecast]
    unread = [module for module in setting.strategy.modules if SIGNALS[module].needs_reading]
    lines = [
        "- not rehearsed: Kelly's cut and the guards that look at the account's life (drawdown, daily loss, streak, turnover) "
        "or at other symbols; with them an account trades less"
    ]
    if asked_from is not None and first - asked_from >= setting.key.timeframe.delta:
        lines.append(
            f"- asked from {iso(asked_from)}: the lake, or backtest.max_candles, gives candles from {iso(first)}"
        )
    if setting.stops.trailing_pct is not None:
        lines.append(
            f"- the stop trails the best close by {setting.stops.trailing_pct:.2%}, from the next bar on; ticks between closes follow "
            "higher bids, and are stopped nearer"
        )
    if missing:
        lines.append(f"- {missing} windows in between have no candle; orders due there filled at the next one")
    if silent:
        lines.append(
            f"- without the opinion of {', '.join(silent)}: a champion has seen the candles it would be asked about"
        )
    if unread:
        lines.append(f"- without the opinion of {', '.join(unread)}: nobody kept what was in the news then")
    return "\n".join(lines) + "\n"


def _plain(figures: Mapping[str, float], reasons: Mapping[str, str]) -> dict[str, Any]:
    """JSON knows no NaN: null, with the reason beside it."""
    return {
        "figures": {key: None if math.isnan(value) else value for key, value in figures.items()},
        "reasons": dict(reasons),
    }

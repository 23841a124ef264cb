"""What a paper account has made of itself, in the units the toolkit promises.

In: a ledger, quotes, limits.  Out: ``PaperPerformance``, ``PaperPosition``, the dashboard's mapping.  Never: a figure computed in a way of
its own (``analytics.metrics`` has one definition each), infinity, an undefined figure without its reason.

Numbers are floats here, for looking at and formatting; the exact amounts are in the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kracken_tasks.analytics.daily import DailyEquity, daily_equity
from kracken_tasks.analytics.metrics import Metrics, evaluate, sharpe
from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.trading import Position
from kracken_tasks.ledger import Ledger, RoundTrip
from kracken_tasks.risk.equity import UnitMark

__all__ = ["PaperPerformance", "PaperPosition", "calculate_sharpe_ratio", "dashboard", "performance_of"]


@dataclass(frozen=True, slots=True)
class PaperPosition:
    """A position to look at.  Prices in quote currency, ``quantity`` in base; ``pnl`` after fees: final once closed, else at the bid."""

    position_id: str
    symbol: str
    side: str
    entry_price: float
    quantity: float
    stop_loss: float
    take_profit: float
    opened_at: datetime
    signal_confidence: float
    tags: tuple[str, ...] = ()
    pnl: float = math.nan
    exit_price: float = math.nan
    closed_at: datetime | None = None
    exit_reason: str = ""

    @classmethod
    def open_one(cls, position: Position, quote: Quote | None) -> PaperPosition:
        worth = math.nan if quote is None else float(position.amount) * quote.bid - float(position.cost)
        return cls(
            position.position_id, position.symbol, "BUY", float(position.entry_price), float(position.amount),
            _number(position.stop_price), _number(position.take_profit_price), position.opened_at, position.confidence,
            position.tags, worth,
        )  # fmt: skip

    @classmethod
    def closed_one(cls, trip: RoundTrip, before: Position) -> PaperPosition:
        held = cls.open_one(before, None)
        return cls(
            trip.position_id, trip.symbol, "BUY", float(trip.entry_price), float(trip.amount), held.stop_loss, held.take_profit,
            trip.opened_at, before.confidence, trip.tags, float(trip.net), float(trip.exit_price), trip.closed_at, trip.exit_reason,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PaperPerformance:
    """Closed trades and the daily curve.  ``win_rate`` is a fraction (0.65), ``max_drawdown`` negative (-0.052), money in account currency.

    What cannot be told is NaN, and ``reasons`` says why by figure.
    """

    total_trades: int
    winning_trades: int
    losing_trades: int
    win_rate: float
    profit_factor: float
    sharpe_ratio: float
    max_drawdown: float
    average_win: float
    average_loss: float
    total_pnl: float
    total_return: float
    reasons: Mapping[str, str] = field(default_factory=dict)


def calculate_sharpe_ratio(daily_returns: Sequence[float]) -> float:
    """Annualised over 365 days; NaN where it is not defined (fewer than two days, or days that do not vary)."""
    return _number(sharpe([float(one) for one in daily_returns])[0])


def performance_of(ledger: Ledger) -> PaperPerformance:
    """From the ledger's marks and closed trips."""
    trips = ledger.round_trips()
    judged = evaluate(_daily(ledger), [float(trip.net) for trip in trips])
    lowest = _number(judged.max_drawdown)
    return PaperPerformance(
        total_trades=judged.trades,
        winning_trades=judged.wins,
        losing_trades=judged.losses,
        win_rate=_number(judged.win_rate),
        profit_factor=_number(judged.profit_factor),
        sharpe_ratio=_number(judged.sharpe),
        max_drawdown=lowest,
        average_win=_number(judged.average_win),
        average_loss=_number(judged.average_loss),
        total_pnl=judged.net_profit,
        total_return=_number(judged.total_return),
        reasons=_reasons(judged),
    )


def _reasons(judged: Metrics) -> dict[str, str]:
    names = {"sharpe": "sharpe_ratio"}
    told = ("win_rate", "profit_factor", "sharpe", "average_win", "average_loss", "total_return")
    return {names.get(name, name): judged.reasons[name] for name in told if name in judged.reasons}


def _daily(ledger: Ledger) -> DailyEquity:
    marks = ledger.equity()
    if not marks:
        return DailyEquity.of([0.0])
    first = marks[0]
    return daily_equity(
        [mark.ts for mark in marks], [float(mark.equity) for mark in marks], starting_equity=float(first.equity), start=first.ts
    )  # fmt: skip


def dashboard(
    ledger: Ledger, mark: UnitMark, quotes: Mapping[str, Quote], *, currency: str, initial: float, losing_streak: int,
    correlation: Mapping[str, float],
) -> dict[str, Any]:  # fmt: skip
    """Account, performance and risk as one mapping; see the toolkit's table of units: rates in percent, drawdown a negative fraction."""
    held = ledger.positions()
    shown = performance_of(ledger)
    worth = {symbol: float(one.amount) * quotes[symbol].bid for symbol, one in held.items() if symbol in quotes}
    state = ledger.state()
    return {
        "account": {
            "portfolio_value": mark.equity,
            "initial_capital": initial,
            "total_return_pct": 100.0 * (mark.equity / initial - 1.0),
            "cash": float(ledger.cash().get(currency, 0)),
            "currency": currency,
            "open_positions": len(held),
            "positions": [PaperPosition.open_one(one, quotes.get(symbol)) for symbol, one in sorted(held.items())],
        },
        "performance": {
            "total_trades": shown.total_trades,
            "winning_trades": shown.winning_trades,
            "losing_trades": shown.losing_trades,
            "win_rate": 100.0 * shown.win_rate,
            "profit_factor": shown.profit_factor,
            "sharpe_ratio": shown.sharpe_ratio,
            "max_drawdown": shown.max_drawdown,
            "average_win": shown.average_win,
            "average_loss": shown.average_loss,
            "total_pnl": shown.total_pnl,
        },
        "risk_metrics": {
            "current_drawdown": -mark.drawdown,
            "daily_loss": mark.daily_loss,
            "consecutive_losses": losing_streak,
            "exposure": sum(worth.values()) / mark.equity if mark.equity > 0 else math.nan,
            "correlation": dict(correlation),
            "state": state.state.value,
            "state_reason": state.reason,
        },
        "reasons": dict(shown.reasons),
    }


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)

"""The figures of a period: promised names and units, undefined ones null with a reason.

In: facts and the equity story.  Out: ``performance_summary``.  Never: a ratio computed here that ``analytics.metrics`` computes.

``total_return`` is a fraction; ``*_pct``, ``win_rate`` and ``max_drawdown`` are percent, the drawdown negative.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from kracken_tasks.analytics.daily import DailyEquity
from kracken_tasks.analytics.metrics import Metrics, evaluate
from kracken_tasks.journal.equity import EquityStory, Money
from kracken_tasks.journal.facts import Facts
from kracken_tasks.journal.trips import text
from kracken_tasks.ledger.roundtrips import RoundTrip

__all__ = ["summarise"]

_NO_MARK = "no equity mark in the period"
# What daily equity alone can say.
_EQUITY_KEYS = (
    "total_return", "total_return_pct", "cagr_pct", "sharpe_ratio", "sortino_ratio", "max_drawdown", "drawdown_days", "calmar_ratio",
)  # fmt: skip
# Our names for the names of ``Metrics`` in its reasons.
_NAMES = {"cagr": "cagr_pct", "sharpe": "sharpe_ratio", "sortino": "sortino_ratio", "calmar": "calmar_ratio"}


def summarise(facts: Facts, story: EquityStory, money: Money) -> dict[str, Any]:
    """The summary of the trips closed in the period and of equity over it."""
    trips = facts.trips_in_period
    nets = [float(money.worth(trip.quote, trip.net)) for trip in trips if money.knows(trip.quote)]
    metrics = evaluate(story.daily or DailyEquity.of([1.0]), nets, exposure=_exposure(facts))
    reasons = {_NAMES.get(name, name): reason for name, reason in metrics.reasons.items()}
    summary = {
        **_equity_figures(metrics),
        **_trade_figures(metrics, trips),
        **_money_figures(facts, story),
        "exposure": metrics.exposure,
        "unreliable": metrics.unreliable,
        "conditions": _conditions(metrics),
    }
    if story.daily is None:
        summary |= dict.fromkeys(_EQUITY_KEYS)
        reasons |= dict.fromkeys((*_EQUITY_KEYS, "starting_equity", "ending_equity"), _NO_MARK)
    elif "total_return" in reasons:
        reasons["total_return_pct"] = reasons["total_return"]
    if not trips:
        reasons["average_holding_seconds"] = "no closed trade"
    foreign = sorted({trip.quote for trip in trips if not money.knows(trip.quote)})
    if foreign:
        reasons["net_profit"] = f"without trips in {', '.join(foreign)}, for which no rate is stated"
    if story.untraded:
        coins = ", ".join(f"{text(amount)} {asset}" for asset, amount in story.untraded.items())
        reasons["unrealised_change"] = f"cannot be told from the worth of {coins} paid in or out: see unexplained"
        reasons["deposits"] = f"money alone; without {coins}"
    return {**summary, "reasons": dict(sorted(reasons.items()))}


def _equity_figures(metrics: Metrics) -> dict[str, Any]:
    return {
        "total_return": metrics.total_return,
        "total_return_pct": _percent(metrics.total_return),
        "cagr_pct": _percent(metrics.cagr),
        "sharpe_ratio": metrics.sharpe,
        "sortino_ratio": metrics.sortino,
        "max_drawdown": _percent(metrics.max_drawdown),
        "drawdown_days": metrics.drawdown_days,
        "calmar_ratio": metrics.calmar,
    }


def _trade_figures(metrics: Metrics, trips: Iterable[RoundTrip]) -> dict[str, Any]:
    held = [trip.holding.total_seconds() for trip in trips]
    return {
        "total_trades": metrics.trades,
        "wins": metrics.wins,
        "losses": metrics.losses,
        "breakevens": metrics.breakevens,
        "win_rate": _percent(metrics.win_rate),
        "profit_factor": metrics.profit_factor,
        "expectancy": metrics.expectancy,
        "sqn": metrics.sqn,
        "payoff": metrics.payoff,
        "average_win": metrics.average_win,
        "average_loss": metrics.average_loss,
        "largest_win": metrics.largest_win,
        "largest_loss": metrics.largest_loss,
        "longest_losing_run": metrics.longest_losing_run,
        "average_holding_seconds": round(sum(held) / len(held), 3) if held else None,
    }


def _money_figures(facts: Facts, story: EquityStory) -> dict[str, Any]:
    return {
        "starting_equity": None if story.starting is None else text(story.starting),
        "ending_equity": None if story.ending is None else text(story.ending),
        "net_profit": text(story.net_profit),
        "net_profit_by_currency": _by_currency((trip.quote, trip.net) for trip in facts.trips_in_period),
        "deposits": text(story.deposits),
        "withdrawals": text(story.withdrawals),
        "unrealised_change": text(story.unrealised_change),
        "unexplained": text(story.unexplained),
        "fees": _by_currency((fill.fee_currency, fill.fee) for fill in facts.fills_in_period if fill.fee),
        "income": [
            {"kind": kind, "asset": asset, "amount": text(amount)} for (kind, asset), amount in story.income.items()
        ],
        "income_worth": text(story.income_worth),
    }


def _by_currency(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, str]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for currency, amount in amounts:
        totals[currency] += amount
    return {currency: text(totals[currency]) for currency in sorted(totals)}


def _conditions(metrics: Metrics) -> dict[str, Any]:
    return {
        "trades": metrics.trades,
        "days": metrics.days,
        "risk_free_daily": metrics.risk_free_daily,
        "periods_per_year": metrics.periods_per_year,
        "ddof": metrics.ddof,
        "zone": metrics.zone,
    }


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else fraction * 100.0


def _exposure(facts: Facts) -> float | None:
    """Share of the period's time in which anything was held."""
    start, end = facts.began, facts.period.end
    spans = [(trip.opened_at, trip.closed_at) for trip in facts.trips]
    spans += [(holding.opened_at, end) for holding in facts.open_holdings]
    held, reached = timedelta(0), start
    for opened, closed in sorted(spans):
        reached, held = _covered(opened, closed, reached, held)
    return held / (end - start) if end > start else None


def _covered(opened: datetime, closed: datetime, reached: datetime, held: timedelta) -> tuple[datetime, timedelta]:
    """Add what a span covers beyond ``reached``."""
    begins = max(opened, reached)
    return (closed, held + (closed - begins)) if closed > begins else (reached, held)

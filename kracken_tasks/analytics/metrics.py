"""Performance figures: one definition each, for backtests, paper and live alike.

Equity figures follow quantstats and empyrical at 365 periods a year; trade figures follow freqtrade.  In: daily equity and the
net profit of every closed trade (all fees taken out).  Out: a frozen ``Metrics``; all ratios are fractions, never percent.
Never: infinity or a made-up zero: what cannot be computed is None and ``reasons`` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.analytics.daily import DailyEquity

__all__ = ["PERIODS_PER_YEAR", "Drawdown", "Metrics", "drawdown_of", "evaluate", "sharpe", "sortino"]

PERIODS_PER_YEAR = 365  # crypto trades every day
_MIN_TRADES, _MIN_DAYS = 30, 90  # below either, chance explains most results
_NO_SPREAD = 1e-12  # a standard deviation below this is rounding, not risk

Floats = NDArray[np.float64]
Figure = tuple[float | None, str]  # a value, or None with the reason


@dataclass(frozen=True, slots=True)
class Drawdown:
    """Falls from the running peak, the start included.

    ``depth`` is a fraction, 0 or negative; durations count points, which are days on daily data.
    """

    depth: float
    duration_of_deepest: int
    longest_duration: int
    open_at_end: bool


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a period of trading amounts to.  Money in account currency; fractions, not percent.

    ``max_drawdown`` is 0 or negative; ``drawdown_days`` runs from the peak before the deepest fall to its recovery, or to the end.
    ``exposure`` is the share of bars or days with a position, where the caller knows it.  ``unreliable``: under 30 trades or 90 days.
    """

    days: int
    starting_equity: float
    ending_equity: float
    net_flows: float
    total_return: float | None
    cagr: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    drawdown_days: int
    longest_drawdown_days: int
    calmar: float | None
    trades: int
    wins: int
    losses: int
    breakevens: int
    net_profit: float
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    sqn: float | None
    payoff: float | None
    average_win: float | None
    average_loss: float | None
    largest_win: float | None
    largest_loss: float | None
    longest_losing_run: int
    reasons: Mapping[str, str]
    unreliable: bool
    risk_free_daily: float = 0.0
    periods_per_year: int = PERIODS_PER_YEAR
    ddof: int = 1
    zone: str = "UTC"
    exposure: float | None = None

    def as_numbers(self) -> dict[str, float]:
        """Every numeric field as a float; undefined ones are NaN, so that formatting never fails."""
        values = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("reasons", "zone")
        }
        return {name: math.nan if value is None else float(value) for name, value in values.items()}


def evaluate(
    equity: DailyEquity, net_profits: Sequence[float], *, risk_free_daily: float = 0.0, exposure: float | None = None
) -> Metrics:
    """Judge a period by its daily equity and its closed trades.

    ``net_profits``: one number per closed round trip, in the order of closing, all fees taken out.
    Source: reference table «Journal and performance metrics»: quantstats/empyrical at 365 for equity, freqtrade for trades.
    """
    reasons: dict[str, str] = {}

    def value(name: str, figure: Figure) -> float | None:
        if figure[0] is None:
            reasons[name] = figure[1]
        return figure[0]

    returns, curve = equity.returns, equity.unitised
    fall = drawdown_of(curve)
    growth = value("cagr", _cagr(curve))
    trades = _TradeFigures(np.asarray(net_profits, dtype=np.float64))
    n = trades.count
    return Metrics(
        days=equity.days,
        starting_equity=float(equity.values[0]),
        ending_equity=float(equity.values[-1]),
        net_flows=float(equity.flows.sum()),
        total_return=value("total_return", _total_return(curve)),
        cagr=growth,
        sharpe=value("sharpe", sharpe(returns, risk_free_daily)),
        sortino=value("sortino", sortino(returns, risk_free_daily)),
        max_drawdown=fall.depth,
        drawdown_days=fall.duration_of_deepest,
        longest_drawdown_days=fall.longest_duration,
        calmar=value("calmar", _calmar(growth, fall.depth)),
        trades=n,
        wins=len(trades.wins),
        losses=len(trades.losses),
        breakevens=n - len(trades.wins) - len(trades.losses),
        net_profit=float(trades.profits.sum()),
        win_rate=value("win_rate", trades.win_rate()),
        profit_factor=value("profit_factor", trades.profit_factor()),
        expectancy=value("expectancy", trades.expectancy()),
        sqn=value("sqn", trades.sqn()),
        payoff=value("payoff", trades.payoff()),
        average_win=value("average_win", trades.of_wins(np.mean)),
        average_loss=value("average_loss", trades.of_losses(np.mean)),
        largest_win=value("largest_win", trades.of_wins(np.max)),
        largest_loss=value("largest_loss", trades.of_losses(np.min)),
        longest_losing_run=trades.longest_losing_run(),
        reasons=reasons,
        unreliable=n < _MIN_TRADES or equity.days < _MIN_DAYS,
        risk_free_daily=risk_free_daily,
        exposure=exposure,
    )


def sharpe(returns: Sequence[float] | Floats, risk_free_daily: float = 0.0) -> Figure:
    """mean(r - rf) / sd(r, ddof 1) x sqrt 365, or None and why."""
    excess = np.asarray(returns, dtype=np.float64) - risk_free_daily
    if problem := _unusable(excess):
        return None, problem
    spread = float(excess.std(ddof=1))
    if spread < _NO_SPREAD:
        return None, "daily returns do not vary"
    return float(excess.mean()) / spread * math.sqrt(PERIODS_PER_YEAR), ""


def sortino(returns: Sequence[float] | Floats, risk_free_daily: float = 0.0) -> Figure:
    """mean(r - rf) / sqrt(sum(min(r - rf, 0)^2) / N) x sqrt 365 with N all days, or None and why."""
    excess = np.asarray(returns, dtype=np.float64) - risk_free_daily
    if problem := _unusable(excess):
        return None, problem
    downside = math.sqrt(float((np.minimum(excess, 0.0) ** 2).sum()) / len(excess))
    if downside < _NO_SPREAD:
        return None, "no day with a loss"
    return float(excess.mean()) / downside * math.sqrt(PERIODS_PER_YEAR), ""


def drawdown_of(curve: Sequence[float] | Floats) -> Drawdown:
    """min(E / running peak - 1) with durations from the last point at the peak to the recovery, or to the end if still under."""
    values = np.asarray(curve, dtype=np.float64)
    if len(values) == 0:
        return Drawdown(0.0, 0, 0, False)
    peak = np.maximum.accumulate(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        fall = np.where(peak > 0, values / peak - 1.0, 0.0)
    fall = np.nan_to_num(fall, nan=-1.0)  # returns stop being defined once nothing is left
    at_peak = np.flatnonzero(fall >= 0.0)
    # Each stretch under water lies between two neighbouring peak points; the last may be open.
    ends = np.append(at_peak[1:], len(values) - 1)
    lengths = np.where(ends - at_peak > 1, ends - at_peak, 0)
    open_at_end = bool(at_peak[-1] < len(values) - 1)
    if open_at_end:
        lengths[-1] = len(values) - 1 - at_peak[-1]
    deepest = int(fall.argmin())
    depth = float(fall[deepest])
    stretch = int(np.searchsorted(at_peak, deepest, side="right")) - 1
    return Drawdown(depth, int(lengths[stretch]) if depth < 0 else 0, int(lengths.max()), open_at_end)


@dataclass(frozen=True, slots=True)
class _TradeFigures:
    profits: Floats

    @property
    def count(self) -> int:
        return len(self.profits)

    @property
    def wins(self) -> Floats:
        return self.profits[self.profits > 0]

    @property
    def losses(self) -> Floats:
        return self.profits[self.profits < 0]

    def win_rate(self) -> Figure:
        return (len(self.wins) / self.count, "") if self.count else (None, "no closed trade")

    def profit_factor(self) -> Figure:
        if not self.count:
            return None, "no closed trade"
        if not len(self.losses):
            return None, "no losing trade"
        return float(self.wins.sum() / -self.losses.sum()), ""

    def expectancy(self) -> Figure:
        return (float(self.profits.mean()), "") if self.count else (None, "no closed trade")

    def sqn(self) -> Figure:
        if self.count < 2:
            return None, "fewer than two closed trades"
        spread = float(self.profits.std(ddof=1))
        if spread < _NO_SPREAD:
            return None, "trade profits do not vary"
        return math.sqrt(self.count) * float(self.profits.mean()) / spread, ""

    def payoff(self) -> Figure:
        if not len(self.wins):
            return None, "no winning trade"
        if not len(self.losses):
            return None, "no losing trade"
        return float(self.wins.mean() / -self.losses.mean()), ""

    def of_wins(self, fold: Callable[[Floats], np.float64]) -> Figure:
        return (float(fold(self.wins)), "") if len(self.wins) else (None, "no winning trade")

    def of_losses(self, fold: Callable[[Floats], np.float64]) -> Figure:
        return (float(fold(self.losses)), "") if len(self.losses) else (None, "no losing trade")

    def longest_losing_run(self) -> int:
        longest = run = 0
        for profit in self.profits:
            run = run + 1 if profit < 0 else 0
            longest = max(longest, run)
        return longest


def _unusable(returns: Floats) -> str:
    if len(returns) < 2:
        return "fewer than two daily returns"
    return "" if np.isfinite(returns).all() else "equity was zero or negative"


def _total_return(curve: Floats) -> Figure:
    if not _positive(curve[:-1]):
        return None, "equity was zero or negative"
    return float(curve[-1] / curve[0] - 1.0), ""


def _cagr(curve: Floats) -> Figure:
    days = len(curve) - 1
    if days < 1:
        return None, "less than one day"
    if not _positive(curve[:-1]) or curve[-1] < 0:
        return None, "equity was zero or negative"
    with np.errstate(over="ignore"):
        growth = float(np.power(curve[-1] / curve[0], PERIODS_PER_YEAR / days) - 1.0)
    return (growth, "") if math.isfinite(growth) else (None, "too few days for a yearly rate")


def _calmar(growth: float | None, depth: float) -> Figure:
    if growth is None:
        return None, "no yearly growth rate"
    return (growth / -depth, "") if depth < 0 else (None, "no drawdown")


def _positive(values: Floats) -> bool:
    return bool(np.isfinite(values).all() and (values > 0).all())

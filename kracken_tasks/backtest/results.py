"""A finished run into the mapping that was promised.

Keys and units:
- ``initial_cash``, ``final_value``, ``net_profit``, ``total_fees``, ``expectancy``: quote currency
- ``total_return_pct``, ``cagr_pct``, ``max_drawdown_pct`` (positive; over every bar), ``max_drawdown_daily_pct``, ``win_rate_pct``,
  ``exposure_pct``, ``buy_and_hold_return_pct``: percent
- ``sharpe_ratio``, ``sortino_ratio``, ``calmar_ratio`` (a year has 365 days), ``sqn``, ``profit_factor``, ``payoff_ratio``: plain numbers
- ``total_trades`` (closed round trips), ``winning_trades``, ``losing_trades``, ``open_trades``, ``bars``, ``days``
- ``equity_curve``: Series by bar close time (UTC), the starting cash first
- ``trades``: RoundTrip; ``fills``: BacktestFill; ``refused_orders``: RefusedOrder
- ``metrics``: the frozen Metrics; ``reasons``: why a figure is NaN; ``unreliable``; ``assumptions``

In: what the recorders saw.  Out: the mapping.  Never: a figure that is undefined as 0 or infinity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from kracken_tasks.analytics.daily import DailyEquity, daily_equity
from kracken_tasks.analytics.metrics import Metrics, drawdown_of, evaluate
from kracken_tasks.backtest.feed import CandleFeed, moment_of
from kracken_tasks.backtest.recorder import Recorder
from kracken_tasks.backtest.round_trips import round_trips_from

__all__ = ["results_from"]

# promised key -> (field of Metrics, factor)
_FIGURES: Mapping[str, tuple[str, float]] = {
    "sharpe_ratio": ("sharpe", 1.0),
    "sortino_ratio": ("sortino", 1.0),
    "cagr_pct": ("cagr", 100.0),
    "calmar_ratio": ("calmar", 1.0),
    "max_drawdown_daily_pct": ("max_drawdown", -100.0),
    "win_rate_pct": ("win_rate", 100.0),
    "profit_factor": ("profit_factor", 1.0),
    "expectancy": ("expectancy", 1.0),
    "payoff_ratio": ("payoff", 1.0),
    "sqn": ("sqn", 1.0),
    "exposure_pct": ("exposure", 100.0),
}


def results_from(
    initial_cash: float, feeds: Sequence[CandleFeed], recorders: Sequence[Recorder], assumptions: Mapping[str, Any]
) -> dict[str, Any]:
    """Judge a run.  Strategies in one run share one account, so any recorder tells its equity; fills are each strategy's own."""
    curve = _equity_curve(initial_cash, feeds, recorders[0])
    fills = sorted((fill for recorder in recorders for fill in recorder.fills), key=lambda fill: fill.ts)
    trips, still_open = round_trips_from(fills)
    bars = len(curve) - 1
    exposure = recorders[0].exposed / bars if bars else 0.0
    metrics = evaluate(_daily(curve), [trip.net for trip in trips], exposure=exposure)
    final_value = float(curve.iloc[-1])
    return {
        "initial_cash": initial_cash,
        "final_value": final_value,
        "net_profit": final_value - initial_cash,
        "total_return_pct": (final_value / initial_cash - 1.0) * 100.0,
        "max_drawdown_pct": abs(drawdown_of(np.asarray(curve, dtype=np.float64)).depth) * 100.0,
        "total_trades": metrics.trades,
        "winning_trades": metrics.wins,
        "losing_trades": metrics.losses,
        "open_trades": len(still_open),
        **_figures(metrics),
        "total_fees": math.fsum(fill.fee for fill in fills),
        "buy_and_hold_return_pct": _buy_and_hold(feeds[0]) * 100.0,
        "bars": bars,
        "days": metrics.days,
        "equity_curve": curve,
        "trades": trips,
        "fills": fills,
        "refused_orders": [refused for recorder in recorders for refused in recorder.refused],
        "metrics": metrics,
        "reasons": {key: metrics.reasons[name] for key, (name, _) in _FIGURES.items() if name in metrics.reasons},
        "unreliable": metrics.unreliable,
        "assumptions": dict(assumptions),
    }


def _figures(metrics: Metrics) -> dict[str, float]:
    numbers = metrics.as_numbers()
    # "+ 0.0" turns a negative zero into a plain one.
    return {key: numbers[name] * factor + 0.0 for key, (name, factor) in _FIGURES.items()}


def _equity_curve(initial_cash: float, feeds: Sequence[CandleFeed], recorder: Recorder) -> pd.Series[float]:
    """Equity at each bar's close, the starting cash at the first bar's open."""
    width = timedelta(milliseconds=min(feed.p.bar_ms for feed in feeds))
    start = min(feed.p.candles["ts"].iloc[0] for feed in feeds)
    closes = [moment_of(day) + width for day in recorder.days]
    index = pd.DatetimeIndex([start, *closes], name="ts_close").as_unit("ms")
    return pd.Series([initial_cash, *recorder.equity], index=index, name="equity", dtype=np.float64)


def _daily(curve: pd.Series[float]) -> DailyEquity:
    index = pd.DatetimeIndex(curve.index)
    times, values = index.tz_convert(None).to_numpy(), np.asarray(curve, dtype=np.float64)
    return daily_equity(times[1:], values[1:], starting_equity=float(values[0]), start=index[0].to_pydatetime())


def _buy_and_hold(feed: CandleFeed) -> float:
    candles = feed.p.candles
    return float(candles["close"].iloc[-1] / candles["open"].iloc[0] - 1.0)

"""Rehearse a strategy on lake data with Backtrader, fees and slippage."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.backtest import tasks as backtest_tasks
from kracken_tasks.domain.market import Timeframe


@flow(
    name="run_backtest",
    description="Backtrader over candles of the lake: orders fill at the next open, with commission and slippage.",
    flow_run_name=backtest_tasks.backtest_run_name,
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def run_backtest(
    strategy: backtest_tasks.StrategyName = "ensemble",
    symbols: list[str] | None = None,
    timeframe: Timeframe | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[str]:
    """Returns the folders of the reports, one a symbol; a symbol with too few candles is named and left out.

    Args:
        strategy: Which decisions to rehearse
        symbols: Rehearsed one by one; empty: all traded ones
        timeframe: Candles; empty: backtest.timeframe
        start: First candle; empty: all there are
        end: Candles before this; empty: all there are
    """
    jobs = backtest_tasks.list_backtests(strategy, symbols, timeframe, start, end)
    return backtest_tasks.describe_backtests([backtest_tasks.rehearse(job) for job in jobs])

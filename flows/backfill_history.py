"""Fill the lake's history of some symbols from whichever source has it; a run that was stopped goes on where it was."""

from __future__ import annotations

from datetime import datetime

from prefect import flow, unmapped

from kracken_tasks.alerts import hooks
from kracken_tasks.candles import tasks as candle_tasks
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.lake import tasks as lake_tasks


@flow(
    name="backfill_history",
    description="Plan what is missing, take each part from the cheapest source that has it, day by day, through the contract.",
    flow_run_name="backfill",
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def backfill_history(
    start: datetime | None = None,
    end: datetime | None = None,
    symbols: list[str] | None = None,
    timeframes: list[Timeframe] | None = None,
    exchange: str | None = None,
) -> int:
    """Returns the number of rows that were new, candles and trades.

    Args:
        start: Oldest candle wanted; empty: history_start of pairs.yaml; with neither nothing starts
        end: Up to here, excluded; empty: the newest closed candle
        symbols: Symbols such as BTC/USD; empty: pairs.yaml
        timeframes: Candle widths; empty: pairs.yaml
        exchange: Venue; empty: the traded one
    """
    span, widths = unmapped(candle_tasks.history_span(start, end)), unmapped(timeframes)
    wanted = candle_tasks.list_symbols(exchange, symbols)
    filled = candle_tasks.fill_history.map(wanted, span=span, timeframes=widths, exchange=unmapped(exchange))
    added = [future.result() for future in filled]
    lake_tasks.draw_coverage()
    return sum(added)

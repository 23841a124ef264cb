"""Door of the backtest room: candles of the lake in, reports and pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.runtime import flow_run

from kracken_tasks import wiring
from kracken_tasks.analytics.embed import markdown_picture
from kracken_tasks.backtest.rehearsal import Report
from kracken_tasks.backtest.rehearsal import rehearse as rehearse_frame
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import BadData
from kracken_tasks.live.rehearsals import rehearsal_name
from kracken_tasks.settings import load_settings
from kracken_tasks.task_policy import LOCAL_COMPUTE

StrategyName = Literal["ensemble", "sma_cross", "rsi_ml", "trend_vol"]


@dataclass(frozen=True, slots=True)
class BacktestJob:
    """One strategy on one series; [start, end) by open time, None: all there is."""

    strategy: str
    key: SeriesKey
    start: datetime | None
    end: datetime | None


def backtest_run_name() -> str:
    parameters = flow_run.parameters
    symbols = parameters.get("symbols") or ["all symbols"]
    return f"{parameters.get('strategy', 'ensemble')} on {' '.join(symbols)}"


@task(name="list backtests", **LOCAL_COMPUTE)
def list_backtests(
    strategy: str,
    symbols: Sequence[str] | None,
    timeframe: Timeframe | None,
    start: datetime | None,
    end: datetime | None,
) -> list[BacktestJob]:
    """One job a symbol; a symbol without enough candles in the lake is left out, and the log says so."""
    settings = load_settings()
    width = timeframe or settings.backtest.timeframe
    keys = [SeriesKey(settings.exchange, symbol, width) for symbol in symbols or settings.traded_symbols]
    snapshot, logger = wiring.lake(settings).snapshot(), get_run_logger()
    for key in keys:
        if snapshot.last_ts(key) is None:
            logger.warning("%s: no candles in the lake, not rehearsed", key)
    return [BacktestJob(strategy, key, start, end) for key in keys if snapshot.last_ts(key) is not None]


@dataclass(frozen=True, slots=True)
class NotRehearsed:
    """A symbol whose candles cannot be rehearsed on, and why; the others are."""

    key: SeriesKey
    strategy: str
    why: str


@task(name="rehearse", task_run_name="rehearse {job.strategy} on {job.key}", **LOCAL_COMPUTE)
def rehearse(job: BacktestJob) -> Report | NotRehearsed:
    """Backtrader over the newest candles, at most as many as ``backtest.max_candles``."""
    try:
        return _rehearsed(job)
    except BadData as unfit:
        get_run_logger().warning("not rehearsed: %s", unfit)
        return NotRehearsed(job.key, job.strategy, str(unfit))


def _rehearsed(job: BacktestJob) -> Report:
    settings = load_settings()
    snapshot = wiring.lake(settings).snapshot()
    frame = snapshot.candles(job.key, job.start, job.end, last=settings.backtest.max_candles)
    folder = settings.paths.reports / "backtests" / _slug(job)
    return rehearse_frame(
        frame,
        wiring.rehearsal(settings, job.key, job.strategy),
        folder=folder,
        commit_seq=snapshot.seq,
        asked_from=job.start,
    )


@task(name="describe backtests", **LOCAL_COMPUTE)
def describe_backtests(outcomes: Sequence[Report | NotRehearsed]) -> list[str]:
    """A page with the curve for each report, and one table over all; returns the reports' folders.

    Raises: BadData if there is something to rehearse and nothing could be.
    """
    reports = [outcome for outcome in outcomes if isinstance(outcome, Report)]
    for report in reports:
        symbol = report.key.symbol.replace("/", "-").lower()
        create_markdown_artifact(
            f"{markdown_picture(Path(report.picture), 'equity and drawdown')}\n\n{report.markdown}",
            key=f"backtest-{symbol}",
            description=f"{report.strategy} on {report.key}: equity, drawdown, figures",
        )
    create_table_artifact(
        [_row(outcome) for outcome in outcomes], key="backtests", description="The newest rehearsal of every symbol"
    )
    if outcomes and not reports:
        raise BadData("no symbol could be rehearsed: " + "; ".join(row["report"] for row in map(_row, outcomes)))
    return [report.folder for report in reports]


def _row(outcome: Report | NotRehearsed) -> dict[str, str]:
    row = {"symbol": outcome.key.symbol, "strategy": outcome.strategy}
    if isinstance(outcome, NotRehearsed):
        none = dict.fromkeys(("return %", "drawdown %", "sharpe", "trades", "win rate %"), "")
        return {**row, **none, "report": f"not rehearsed: {outcome.why}"}
    figures = outcome.figures
    return {
        **row,
        "return %": f"{outcome.total_return_pct:.2f}",
        "drawdown %": f"{figures['max_drawdown_pct']:.2f}",
        "sharpe": f"{figures['sharpe_ratio']:.2f}",
        "trades": f"{figures['total_trades']:.0f}",
        "win rate %": f"{figures['win_rate_pct']:.1f}",
        "report": outcome.folder,
    }


def _slug(job: BacktestJob) -> str:
    return rehearsal_name(job.strategy, job.key)

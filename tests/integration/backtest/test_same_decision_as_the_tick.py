"""What was tested is what trades: on the same candles a rehearsal and a tick want the same, as far, as large, or are stopped alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.backtest.rehearsal import Setting, decision_of
from kracken_tasks.contracts import row_findings
from kracken_tasks.domain.clock import FixedClock
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action, Decision
from kracken_tasks.execution.costs import CostModel
from kracken_tasks.execution.desk import ExecutionConfig
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.risk import RiskLimits, StopRules
from kracken_tasks.strategies import Strategy, build_strategy
from tests.support.candles import random_candles
from tests.support.ledger import temporary_ledger
from tests.support.market_data import BTC, HandMovedMarket

KEY = SeriesKey("kraken", BTC, Timeframe.H1)
FEE = Decimal("0.004")


class Shown:
    """Candles up to a row, as a ``CandleView``."""

    seq = 1

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame:
        return self._frame.tail(last or len(self._frame)).reset_index(drop=True)

    def in_quarantine(self, key: SeriesKey) -> bool:
        return False


def ticked(frame: pd.DataFrame, strategy: Strategy, limits: RiskLimits, folder: Path) -> Decision:
    """The decision of one tick of a fresh account at the frame's last close, at a quote without spread."""
    market = HandMovedMarket(
        {BTC: float(frame["close"].iloc[-1])}, frame["ts"].iloc[-1].to_pydatetime() + timedelta(hours=1)
    )
    market.quote = lambda symbol=BTC: replace(
        HandMovedMarket.quote(market, symbol), bid=market.prices[BTC], ask=market.prices[BTC]
    )  # type: ignore[method-assign]  # prices to the last digit
    broker = PaperBroker(
        exchange="kraken", clock=market.now, instruments=market.instruments, quotes=market.quotes,
        deposit={"USD": Decimal(10_000)},
    )  # fmt: skip
    with temporary_ledger(folder) as ledger:
        deps = TickDeps(
            broker=broker, ledger=ledger, wall=FixedClock(market.now()), holder="test", snapshot=lambda: Shown(frame),
            series={BTC: KEY}, strategies={BTC: strategy}, row_findings=row_findings, limits=limits,
            config=ExecutionConfig(costs=CostModel(commission_bps=float(FEE) * 10_000)),
        )  # fmt: skip
        return run_tick(deps, TickSlot("test", market.now())).decisions[0]


@pytest.mark.parametrize("name", ["sma_cross", "ensemble"])
def test_a_rehearsal_enters_where_a_tick_enters_and_as_large(name: str, tmp_path: Path) -> None:
    frame = random_candles(420, seed=11, momentum=0.5).assign(
        vwap=float("nan"), trades=pd.array([None] * 420, dtype="Int64"), source="ohlc"
    )
    strategy = build_strategy(name, {"threshold": 0.3} if name == "ensemble" else {})
    limits = replace(RiskLimits(), confidence_threshold=0.3)
    setting = Setting(
        KEY, HandMovedMarket().listed[BTC], strategy, limits, StopRules(), cash=10_000.0, commission=float(FEE), slippage=0.0
    )  # fmt: skip
    steps = {rows: decision_of(setting)(frame.iloc[:rows].tail(202), None) for rows in range(210, 420)}
    entering = [rows for rows, step in steps.items() if step.action == "BUY"]
    waiting = [rows for rows in steps if rows not in entering]
    assert len(entering) >= 3
    for rows in (*entering[:4], *waiting[::40]):
        step, decision = steps[rows], ticked(frame.iloc[:rows], strategy, limits, tmp_path / str(rows))
        enters = decision.action is Action.BUY and decision.blocked_by is None
        assert (step.action == "BUY") == enters, (rows, step, decision)
        if enters:
            assert decision.receipt is not None
            assert step.size_fraction * 10_000 == pytest.approx(float(decision.receipt.notional), rel=1e-9)
            assert step.reason == decision.reason

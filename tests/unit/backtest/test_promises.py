"""What the toolkit promised of the backtest engine, one test a promise, written as a user would."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from kracken_tasks.backtest import BacktestEngine, SMACrossStrategy
from tests.support.candles import random_candles

PROMISED = (
    "total_return_pct", "sharpe_ratio", "max_drawdown_pct", "final_value", "total_trades", "win_rate_pct", "profit_factor",
)  # fmt: skip


@pytest.fixture
def df() -> pd.DataFrame:
    return random_candles(500).set_index("ts")


def test_engine_as_announced(df: pd.DataFrame, tmp_path: Path) -> None:
    e = BacktestEngine(initial_cash=10000, commission=0.001, slippage=0.001)
    e.add_data(df)
    e.add_strategy(SMACrossStrategy, fast=10, slow=30)
    r = e.run()
    for key in PROMISED:
        assert len(f"{r[key]:.2f}") >= 1
    e.plot(str(tmp_path / "equity.png"))
    assert (tmp_path / "equity.png").stat().st_size > 1_000


def test_engine_without_arguments_has_ten_thousand_and_a_tenth_of_a_percent() -> None:
    e = BacktestEngine()
    assert (e.initial_cash, e.commission, e.slippage) == (10_000.0, 0.001, 0.0)


def test_sma_cross_has_defaults_and_spends_all_cash(df: pd.DataFrame) -> None:
    e = BacktestEngine()
    e.add_data(df)
    e.add_strategy(SMACrossStrategy)
    entry = e.run()["fills"][0]
    assert entry.amount * entry.price + entry.fee == pytest.approx(10_000, abs=0.01)


def test_percentages_are_percent_and_drawdown_is_positive(df: pd.DataFrame) -> None:
    e = BacktestEngine()
    e.add_data(df)
    e.add_strategy(SMACrossStrategy)
    r = e.run()
    assert r["total_return_pct"] == pytest.approx((r["final_value"] / 10_000 - 1) * 100)
    curve = r["equity_curve"].to_numpy()
    assert r["max_drawdown_pct"] == pytest.approx((1 - curve / np.maximum.accumulate(curve)).max() * 100)
    assert r["win_rate_pct"] == pytest.approx(100 * r["winning_trades"] / r["total_trades"])


def test_undefined_figures_are_nan_beside_their_reason(df: pd.DataFrame) -> None:
    class Idle(bt.Strategy):  # type: ignore[misc]
        pass

    e = BacktestEngine()
    e.add_data(df)
    e.add_strategy(Idle)
    r = e.run()
    nan = {key for key, value in r.items() if isinstance(value, float) and math.isnan(value)}
    assert nan == set(r["reasons"])
    assert {"sharpe_ratio", "win_rate_pct", "profit_factor"} <= nan
    assert r["total_return_pct"] == 0.0


def test_any_backtrader_strategy_with_parameters_and_its_own_orders(df: pd.DataFrame) -> None:
    class Dip(bt.Strategy):  # type: ignore[misc]
        params = (("depth", 0.01), ("period", 20))

        def __init__(self) -> None:
            self.mean = bt.ind.SMA(period=self.p.period)

        def next(self) -> None:
            if not self.position and self.data.close[0] < self.mean[0] * (1 - self.p.depth):
                self.buy_bracket(
                    exectype=bt.Order.Market,
                    size=0.1,
                    limitprice=self.data.close[0] * 1.02,
                    stopprice=self.data.close[0] * 0.98,
                )

    e = BacktestEngine(slippage=0.0005)
    e.add_data(df)
    e.add_strategy(Dip, depth=0.015)
    r = e.run()
    assert r["total_trades"] > 0
    assert {fill.kind for fill in r["fills"]} >= {"market"}
    realised = sum(trip.net for trip in r["trades"])
    assert r["open_trades"] or r["net_profit"] == pytest.approx(realised)


@pytest.mark.parametrize("unit", ["index", "datetime column", "milliseconds"])
def test_frames_in_every_promised_form(df: pd.DataFrame, unit: str) -> None:
    numbers = df.reset_index(drop=True)
    stamps = df.index.to_series().reset_index(drop=True)
    forms = {
        "index": df,
        "datetime column": numbers.assign(timestamp=stamps),
        "milliseconds": numbers.assign(timestamp=stamps.astype("int64")),
    }
    e = BacktestEngine()
    e.add_data(forms[unit])
    e.add_strategy(SMACrossStrategy)
    assert e.run()["equity_curve"].index[0] == pd.Timestamp("2024-01-01", tz="UTC")


def test_naming_the_room_loads_no_backtrader() -> None:
    program = "import sys, kracken_tasks.backtest; sys.exit('backtrader' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_unknown_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(ImportError):
        exec("from kracken_tasks.backtest import CompiledEngineOfTomorrow")

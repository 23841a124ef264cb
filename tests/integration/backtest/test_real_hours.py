"""A rehearsal on real hours with holes."""

from __future__ import annotations

import pytest

from kracken_tasks.backtest import BacktestEngine, SMACrossStrategy
from tests.support.real_data import real_candles


def test_sma_cross_on_real_hours_balances_to_the_cent() -> None:
    engine = BacktestEngine(10_000, 0.0026, 0.0005)
    engine.add_data(real_candles("kraken_BTC-USD_1h", 5_000))
    engine.add_strategy(SMACrossStrategy, fast=10, slow=30)
    result = engine.run()
    assert result["total_trades"] > 50
    assert result["refused_orders"] == []
    if not result["open_trades"]:
        assert result["net_profit"] == pytest.approx(sum(trip.net for trip in result["trades"]), abs=0.01)
    assert result["equity_curve"].min() > 0

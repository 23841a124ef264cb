"""What users were promised of the toolkit's classes, written as they were told to write it.

Promises of one room that its own tests hold (the engine's figures, the forms of a trade, what a token may reach) are not here again.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.alerts import TelegramAlerts
from kracken_tasks.backtest import BacktestEngine, SMACrossStrategy
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange import CCXTAdapter, UnifiedExchangeManager
from kracken_tasks.forecast import LSTMPredictor
from kracken_tasks.risk import DrawdownControl, KellyPositionSizer
from kracken_tasks.tax import TaxReporter
from tests.support.candles import random_candles

TRADE = {
    "symbol": "BTC/USD", "side": "buy", "amount": 0.1, "price": 30000, "timestamp": 1234567890, "exchange": "kraken",
    "fee": {"cost": 3, "currency": "USD"},
}  # fmt: skip


@pytest.mark.parametrize(
    "promised",
    [
        BacktestEngine,
        TelegramAlerts,
        TaxReporter,
        KellyPositionSizer,
        DrawdownControl,
        LSTMPredictor,
        CCXTAdapter,
        UnifiedExchangeManager,
    ],
)
def test_no_argument_constructors_work_everywhere(promised: type) -> None:
    assert promised() is not None


def test_drawdown_control_without_arguments_halts_at_a_stated_limit() -> None:
    d = DrawdownControl()
    assert d.update(current_balance=10000) is True
    assert d.update(current_balance=10000 * (1 - d.max_drawdown)) is False


def test_lstm_price_forecast_as_announced() -> None:
    df = random_candles(400).rename(columns={"ts": "timestamp"})
    p = LSTMPredictor(symbol="BTC/USDT", lookback=60)
    p.train(df, epochs=1)
    assert isinstance(p.predict(df), float)
    signal, confidence = p.get_prediction_signal(current_price=30000, predicted_price=31000, threshold=0.02)
    assert (signal, 0.0 <= confidence <= 1.0) == ("BUY", True)
    assert isinstance(signal, str)
    assert isinstance(confidence, float)


def _in_every_promised_form(candles: pd.DataFrame) -> dict[str, pd.DataFrame]:
    stamps = candles["ts"].dt.tz_localize("UTC") if candles["ts"].dt.tz is None else candles["ts"]
    bare = candles.drop(columns="ts")[["open", "high", "low", "close", "volume"]]
    milliseconds = stamps.dt.as_unit("ms").astype("int64")
    return {
        "index": bare.set_axis(pd.DatetimeIndex(stamps), axis=0),
        "timestamp column": bare.assign(timestamp=stamps),
        "milliseconds": bare.assign(timestamp=milliseconds),
    }


def test_a_frame_in_any_promised_form_backtests_the_same() -> None:
    results = []
    for df in _in_every_promised_form(random_candles(400)).values():
        e = BacktestEngine(initial_cash=10000, commission=0.001, slippage=0.001)
        e.add_data(df)
        e.add_strategy(SMACrossStrategy, fast=10, slow=30)
        results.append(e.run())
    assert results[0]["total_trades"] > 0
    assert len({(r["final_value"], r["total_trades"], r["profit_factor"]) for r in results}) == 1


def test_a_frame_in_any_promised_form_trains_the_same() -> None:
    forecasts = set()
    for df in _in_every_promised_form(random_candles(300)).values():
        p = LSTMPredictor(symbol="BTC/USDT", lookback=16)
        p.train(df, epochs=1)
        forecasts.add(p.predict(df))
    assert len(forecasts) == 1


def test_sma_cross_says_what_share_of_cash_it_buys_with() -> None:
    df = random_candles(400)
    spent = []
    for share in (1.0, 0.5):
        e = BacktestEngine()
        e.add_data(df)
        e.add_strategy(SMACrossStrategy, fast=10, slow=30, stake_fraction=share)
        first = e.run()["fills"][0]
        spent.append(first.amount * first.price)
    assert spent[1] == pytest.approx(spent[0] / 2, rel=0.01)


def test_tax_reports_return_the_paths_written(tmp_path: Path) -> None:
    r = TaxReporter(output_dir=tmp_path)
    trades = [TRADE]
    written = [r.export_to_csv(trades), r.export_to_koinly(trades), *r.export_all_formats(trades)]
    assert all(path.is_file() and path.parent == tmp_path for path in written)


@pytest.mark.parametrize("timestamp", [1234567890, 1234567890000, "2009-02-13T23:31:30Z", "2009-02-13T23:31:30+00:00"])
def test_a_timestamp_is_recognised_by_its_size_or_as_iso_8601(timestamp: object, tmp_path: Path) -> None:
    path = TaxReporter(output_dir=tmp_path).export_to_csv([{**TRADE, "timestamp": timestamp}])
    (row,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert row["timestamp"] == "2009-02-13T23:31:30Z"


async def test_telegram_alerts_without_a_token_are_silent() -> None:
    t = TelegramAlerts()
    await t.send_trade_alert(symbol="BTC/USD", side="BUY", amount=0.1, price=30000, exchange="kraken")
    await t.send_error_alert("Connection failed", context="Exchange API")


@pytest.mark.parametrize("name", ["sma_cross", "rsi_ml", "trend_vol", "lstm", "ensemble"])
def test_every_announced_strategy_proposes_on_candles_alone(name: str) -> None:
    from kracken_tasks.strategies import build_strategy, propose_from

    proposal = propose_from(build_strategy(name), "BTC/USD", random_candles(1600))
    assert proposal.strategy == name
    assert proposal.action in {"BUY", "SELL", "HOLD"}
    assert proposal.reason


@pytest.mark.parametrize("name", ["rsi", "macd", "bollinger_bands", "volume_profile"])
def test_every_announced_signal_module_gives_direction_confidence_and_reason(name: str) -> None:
    from kracken_tasks.signals import ask_modules

    (heard,) = ask_modules(random_candles(300), [name])
    assert heard.direction is not None
    assert -1.0 <= heard.direction <= 1.0
    assert 0.0 <= heard.confidence <= 1.0
    assert heard.reason


def test_a_strategy_that_is_not_here_is_refused_by_name() -> None:
    from kracken_tasks.strategies import build_strategy

    with pytest.raises(Misconfigured, match=r"momentum.*allowed"):
        build_strategy("momentum")

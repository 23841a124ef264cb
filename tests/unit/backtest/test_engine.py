"""The engine against fills, fees and figures worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from kracken_tasks.backtest import BacktestEngine, SMACrossStrategy
from kracken_tasks.errors import BadData, Misconfigured
from tests.support.backtest_strategies import BuyThenClose, Scripted
from tests.support.candles import frame_from_closes, random_candles

# open, high, low, close of five days
BARS = [
    (100.0, 104.0, 99.0, 102.0),
    (103.0, 106.0, 101.0, 105.0),
    (107.0, 110.0, 104.0, 108.0),
    (110.0, 112.0, 107.0, 111.0),
    (109.0, 111.0, 105.0, 106.0),
]

TENTH = [(o / 10, high / 10, low / 10, c / 10) for o, high, low, c in BARS]


def bars(rows: list[tuple[float, float, float, float]] = BARS) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close"])
    frame.insert(0, "ts", pd.date_range("2024-01-01", periods=len(rows), freq="D", tz="UTC"))
    return frame.assign(volume=1.0)


def run(
    frame: pd.DataFrame, strategy: type[Any], *, engine: BacktestEngine | None = None, **params: Any
) -> dict[str, Any]:
    engine = engine or BacktestEngine()
    engine.add_data(frame)
    engine.add_strategy(strategy, **params)
    return engine.run()


def test_round_trip_with_fee_and_slippage_equals_the_sum_done_by_hand() -> None:
    result = run(bars(), BuyThenClose, engine=BacktestEngine(10_000, 0.001, 0.002), buy_at=0, sell_at=2, size=10.0)
    bought, sold = 103.0 * 1.002, 110.0 * 0.998  # the opens of the bars after the decisions
    fees = (bought + sold) * 10 * 0.001
    net = (sold - bought) * 10 - fees
    assert [fill.price for fill in result["fills"]] == [
        pytest.approx(bought, rel=1e-15),
        pytest.approx(sold, rel=1e-15),
    ]
    assert result["final_value"] == pytest.approx(10_000 + net, rel=1e-14)
    assert result["total_fees"] == pytest.approx(fees, rel=1e-14)
    assert result["total_return_pct"] == pytest.approx(net / 100, rel=1e-10)
    (trip,) = result["trades"]
    assert (trip.gross, trip.fees, trip.net) == pytest.approx(((sold - bought) * 10, fees, net), rel=1e-12)
    assert trip.opened_at == pd.Timestamp("2024-01-02", tz="UTC")
    assert trip.closed_at == pd.Timestamp("2024-01-04", tz="UTC")


def test_equity_curve_marks_every_close_and_starts_with_the_cash() -> None:
    result = run(bars(), BuyThenClose, engine=BacktestEngine(1_000, 0.0), buy_at=0, sell_at=2, size=2.0)
    curve = result["equity_curve"]
    assert curve.tolist() == pytest.approx([1000, 1000, 1004, 1010, 1014, 1014])
    assert curve.index[0] == pd.Timestamp("2024-01-01", tz="UTC")
    assert curve.index[1] == pd.Timestamp("2024-01-02", tz="UTC")  # the first close is the second midnight


def test_figures_follow_from_the_curve() -> None:
    result = run(bars(), BuyThenClose, engine=BacktestEngine(1_000, 0.0), buy_at=0, sell_at=3, size=5.0)
    daily = np.array([1000, 1000, 1010, 1025, 1040, 1030.0])  # sold at 109 on the last day
    assert result["equity_curve"].tolist() == pytest.approx(daily)
    returns = daily[1:] / daily[:-1] - 1
    assert result["sharpe_ratio"] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(365))
    assert result["max_drawdown_pct"] == pytest.approx((1 - 1030 / 1040) * 100)
    assert result["win_rate_pct"] == 100.0
    assert result["total_trades"] == 1
    assert result["buy_and_hold_return_pct"] == pytest.approx(6.0)
    assert result["unreliable"]


def test_slippage_moves_fills_at_the_open() -> None:
    plain = run(bars(), BuyThenClose, engine=BacktestEngine(slippage=0.0))
    slipped = run(bars(), BuyThenClose, engine=BacktestEngine(slippage=0.001))
    assert [f.price for f in plain["fills"]] == [103.0, 110.0]
    assert [f.price for f in slipped["fills"]] == pytest.approx([103.103, 109.89])


def test_slippage_costs_on_a_flat_bar_too_unless_told_to_stay_inside() -> None:
    flat = bars([(100.0, 100.0, 100.0, 100.0)] * 5)
    assert run(flat, BuyThenClose, engine=BacktestEngine(slippage=0.01))["fills"][0].price == pytest.approx(101.0)
    inside = run(flat, BuyThenClose, engine=BacktestEngine(slippage=0.01, slip_out=False))
    assert inside["fills"][0].price == 100.0
    assert inside["assumptions"]["slip_out"] is False


def test_limit_orders_never_fill_worse_than_their_limit() -> None:
    orders = {
        0: {"side": "buy", "size": 1.0, "exectype": bt.Order.Limit, "price": 103.0},
        1: {"side": "sell", "size": 1.0, "exectype": bt.Order.Limit, "price": 107.0},
    }
    result = run(bars(), Scripted, engine=BacktestEngine(slippage=0.01), script=orders)
    assert [fill.price for fill in result["fills"]] == [103.0, 107.0]


def test_stop_behind_a_gap_fills_at_the_open_and_slips() -> None:
    gap = bars([(100.0, 101.0, 99.0, 100.0)] * 3 + [(90.0, 92.0, 88.0, 91.0), (91.0, 92.0, 90.0, 91.0)])
    orders = {
        0: {"side": "buy", "size": 1.0},
        1: {"side": "sell", "size": 1.0, "exectype": bt.Order.Stop, "price": 95.0},
    }
    result = run(gap, Scripted, engine=BacktestEngine(slippage=0.01), script=orders)
    assert result["fills"][1].price == pytest.approx(90.0 * 0.99)


def test_future_candles_change_no_earlier_fill() -> None:
    frame = random_candles(400, seed=3)
    whole = run(frame, SMACrossStrategy, engine=BacktestEngine(slippage=0.001), fast=5, slow=15)
    for rows in (120, 250, 399):
        cut = run(frame.iloc[:rows], SMACrossStrategy, engine=BacktestEngine(slippage=0.001), fast=5, slow=15)
        last = frame["ts"].iloc[rows - 1]
        assert cut["fills"] == [fill for fill in whole["fills"] if fill.ts <= last]
        assert cut["equity_curve"].tolist() == whole["equity_curve"].iloc[: rows + 1].tolist()


def test_running_twice_gives_the_same_result() -> None:
    engine = BacktestEngine(slippage=0.001)
    first = run(random_candles(300), SMACrossStrategy, engine=engine, fast=5, slow=15)
    again = engine.run()
    assert first["fills"] == again["fills"]
    assert first["metrics"] == again["metrics"]


def test_an_entry_with_all_cash_survives_a_gap_up_and_leaves_no_debt() -> None:
    closes = [100.0] * 12 + [101.0, 130.0, 131.0, 132.0]
    frame = frame_from_closes(closes)
    frame.loc[13, "open"] = 125.0  # 24 % above the close that decided
    result = run(frame, SMACrossStrategy, engine=BacktestEngine(10_000, 0.001, 0.002), fast=2, slow=5)
    (entry,) = result["fills"]
    price = 125.0 * 1.002
    assert entry.price == pytest.approx(price)
    spent = entry.amount * price * 1.001
    assert 0 <= 10_000 - spent < price * 1.001 * 1e-8 * 2
    assert result["refused_orders"] == []
    assert result["open_trades"] == 1


def test_stake_fraction_leaves_the_rest_in_cash() -> None:
    frame = frame_from_closes([100.0] * 12 + [101.0, 102.0, 103.0])
    result = run(frame, SMACrossStrategy, engine=BacktestEngine(10_000, 0.0), fast=2, slow=5, stake_fraction=0.25)
    (entry,) = result["fills"]
    assert entry.amount * entry.price == pytest.approx(2_500, abs=1e-5)


def test_sma_cross_never_goes_short_and_sells_everything() -> None:
    result = run(random_candles(2_000, seed=5), SMACrossStrategy, fast=10, slow=30)
    held = 0.0
    for fill in result["fills"]:
        held += fill.amount
        assert held >= -1e-12
        if fill.side == "sell":
            assert held == pytest.approx(0.0, abs=1e-12)
    assert result["total_trades"] > 10


@pytest.mark.parametrize(
    "params", [{"fast": 30, "slow": 10}, {"fast": 0, "slow": 5}, {"stake_fraction": 0.0}, {"stake_fraction": 1.5}]
)
def test_sma_cross_refuses_senseless_parameters(params: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        run(random_candles(100), SMACrossStrategy, **params)


def test_an_unaffordable_order_is_reported_not_forgotten() -> None:
    result = run(bars(), BuyThenClose, size=1_000.0)
    (refused,) = result["refused_orders"]
    assert (refused.reason, refused.amount) == ("margin", 1_000.0)
    assert result["final_value"] == 10_000


def test_a_reversal_counts_as_two_trades() -> None:
    orders = {0: {"side": "buy", "size": 2.0}, 1: {"side": "sell", "size": 5.0}, 2: {"side": "buy", "size": 3.0}}
    result = run(bars(), Scripted, engine=BacktestEngine(10_000, 0.001), script=orders)
    long, short = result["trades"]
    assert (long.side, long.net) == ("long", pytest.approx((107 - 103) * 2 - (103 * 2 + 107 * 2) * 0.001))
    assert (short.side, short.net) == ("short", pytest.approx((107 - 110) * 3 - (107 * 3 + 110 * 3) * 0.001))
    assert result["net_profit"] == pytest.approx(long.net + short.net)


def test_fewer_candles_than_the_indicators_need_is_a_flat_result() -> None:
    result = run(random_candles(20), SMACrossStrategy, fast=10, slow=30)
    assert result["total_trades"] == 0
    assert result["final_value"] == 10_000
    assert math.isnan(result["profit_factor"])
    assert result["reasons"]["profit_factor"] == "no closed trade"
    assert len(result["equity_curve"]) == 21


def test_two_symbols_share_one_account() -> None:
    class BuyBoth(bt.Strategy):  # type: ignore[misc]
        def next(self) -> None:
            if len(self) == 1:
                for data in self.datas:
                    self.buy(data=data, size=1.0)

    engine = BacktestEngine(10_000, 0.0)
    engine.add_data(bars(), name="BTC/USD")
    engine.add_data(bars(TENTH), name="ETH/USD")
    engine.add_strategy(BuyBoth)
    result = engine.run()
    assert {fill.symbol for fill in result["fills"]} == {"BTC/USD", "ETH/USD"}
    assert result["final_value"] == pytest.approx(10_000 + 3 + 0.3)
    with pytest.raises(Misconfigured, match="already"):
        engine.add_data(bars(), name="BTC/USD")


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda frame: frame.iloc[:0], "not_empty"),
        (lambda frame: frame.iloc[::-1], "ascending"),
        (lambda frame: frame.assign(close=float("nan")), "finite"),
        (lambda frame: frame.drop(columns="open"), "columns"),
    ],
)
def test_bad_candles_are_refused_when_added(spoil: Callable[[pd.DataFrame], pd.DataFrame], rule: str) -> None:
    with pytest.raises(BadData) as caught:
        BacktestEngine().add_data(spoil(bars()))
    assert caught.value.fields["rule"] == rule


@pytest.mark.parametrize(
    "keywords", [{"initial_cash": 0}, {"commission": -0.1}, {"slippage": 1.0}, {"initial_cash": float("nan")}]
)
def test_numbers_out_of_range_are_refused_with_the_key(keywords: dict[str, float]) -> None:
    with pytest.raises(Misconfigured) as caught:
        BacktestEngine(**keywords)
    assert caught.value.fields["key"] in keywords


def test_running_or_plotting_too_early_says_what_is_missing() -> None:
    engine = BacktestEngine()
    with pytest.raises(Misconfigured, match="add_data"):
        engine.run()
    engine.add_data(bars())
    with pytest.raises(Misconfigured, match="add_strategy"):
        engine.run()
    with pytest.raises(Misconfigured, match="run first"):
        engine.plot()
    with pytest.raises(Misconfigured, match=r"backtrader\.Strategy"):
        engine.add_strategy(object)


def test_plot_returns_a_figure_and_saves_the_same_bytes_each_time(tmp_path: Path) -> None:
    engine = BacktestEngine()
    run(random_candles(300), SMACrossStrategy, engine=engine, fast=5, slow=15)
    for name in ("a.png", "b.png"):
        assert engine.plot(tmp_path / "plots" / name).axes
    first, second = ((tmp_path / "plots" / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert b"matplotlib" not in first.lower()
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["a.png", "b.png"]

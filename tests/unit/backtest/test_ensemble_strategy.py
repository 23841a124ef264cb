"""The live decision code inside Backtrader: what it may see, and how its positions are protected."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from kracken_tasks.backtest import BacktestEngine
from kracken_tasks.backtest.ensemble_strategy import DecisionStrategy, HeldPosition, Step
from kracken_tasks.domain.market import CANDLE_COLUMNS
from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import BadData, Misconfigured
from tests.support.backtest_strategies import Brackets
from tests.support.candles import random_candles

FLAT = (100.0, 101.0, 99.0, 100.0)


def bars(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=["open", "high", "low", "close"])
    frame.insert(0, "ts", pd.date_range("2024-01-01", periods=len(rows), freq="h", tz="UTC"))
    return frame.assign(volume=1.0)


def rehearse(frame: pd.DataFrame, decide: Any, *, commission: float = 0.0, **params: Any) -> dict[str, Any]:
    engine = BacktestEngine(10_000, commission)
    engine.add_data(frame)
    engine.add_strategy(DecisionStrategy, decide=decide, **params)
    return engine.run()


def buy_first(frame: pd.DataFrame, position: HeldPosition | None) -> Step:
    return Step(Action.BUY, 0.1, 0.03, 0.06, "first bar") if len(frame) == 1 else Step(Action.HOLD)


def test_decision_sees_closed_candles_only_with_every_column() -> None:
    frame = random_candles(50)
    seen: list[pd.DataFrame] = []

    def look(candles: pd.DataFrame, position: HeldPosition | None) -> tuple[str]:
        seen.append(candles)
        return ("HOLD",)

    rehearse(frame, look)
    assert [len(candles) for candles in seen] == list(range(1, 51))
    assert tuple(seen[0].columns) == CANDLE_COLUMNS
    pd.testing.assert_series_equal(seen[30]["close"], frame["close"].iloc[:31])


def test_max_rows_hands_over_the_newest_candles_only() -> None:
    last: list[pd.Timestamp] = []

    def look(candles: pd.DataFrame, position: HeldPosition | None) -> tuple[str]:
        assert len(candles) <= 7
        last.append(candles["ts"].iloc[-1])
        return ("HOLD",)

    frame = random_candles(30)
    rehearse(frame, look, max_rows=7)
    assert last == frame["ts"].tolist()


def test_stop_protects_from_the_bar_in_which_the_entry_fills() -> None:
    result = rehearse(bars(FLAT, (100.0, 101.0, 90.0, 95.0), FLAT), buy_first)
    entry, stop = result["fills"]
    assert entry.ts == stop.ts
    assert (stop.kind, stop.price, stop.reason) == ("stop", 97.0, "stop")
    assert result["total_trades"] == 1
    assert result["open_trades"] == 0


def test_plain_backtrader_brackets_still_wake_a_bar_later() -> None:
    engine = BacktestEngine(10_000, 0.0)
    engine.add_data(bars(FLAT, (100.0, 101.0, 90.0, 95.0), (99.0, 101.0, 98.0, 100.0), FLAT))
    engine.add_strategy(Brackets, stop=97.0, limit=110.0)
    assert [fill.side for fill in engine.run()["fills"]] == ["buy"]


def test_target_is_a_limit_and_cancels_the_stop() -> None:
    result = rehearse(bars(FLAT, FLAT, (101.0, 107.0, 100.0, 105.0), (100.0, 101.0, 90.0, 91.0)), buy_first)
    assert [(fill.side, fill.price) for fill in result["fills"]] == [("buy", 100.0), ("sell", 106.0)]
    assert result["trades"][0].exit_reason == "target"


def test_stop_counts_first_when_one_bar_touches_both() -> None:
    result = rehearse(bars(FLAT, FLAT, (100.0, 110.0, 95.0, 100.0), FLAT), buy_first)
    assert result["fills"][1].price == 97.0


def test_sell_cancels_protection_and_closes_at_the_next_open() -> None:
    def decide(frame: pd.DataFrame, position: HeldPosition | None) -> Step:
        if position is None:
            return buy_first(frame, position)
        return Step(Action.SELL, reason="enough") if len(frame) == 3 else Step(Action.HOLD)

    result = rehearse(bars(FLAT, FLAT, FLAT, (102.0, 103.0, 90.0, 95.0), FLAT), decide)
    assert [(fill.price, fill.reason) for fill in result["fills"]] == [(100.0, "first bar"), (102.0, "enough")]
    assert result["open_trades"] == 0


def test_position_told_to_the_decision_is_what_is_held() -> None:
    told: list[HeldPosition | None] = []

    def decide(frame: pd.DataFrame, position: HeldPosition | None) -> Step:
        told.append(position)
        return buy_first(frame, position)

    frame = bars(FLAT, FLAT, FLAT)
    rehearse(frame, decide)
    assert told[0] is None
    assert told[1] == HeldPosition(10.0, 100.0, frame["ts"].iloc[1].to_pydatetime(), 97.0, 106.0)


def test_refused_entry_leaves_no_stop_behind() -> None:
    # The gap up makes the all-in entry unaffordable at the fill; its stop must not open a short position.
    def all_in(frame: pd.DataFrame, position: HeldPosition | None) -> Step:
        return Step("BUY", 1.0, 0.03, 0.06) if len(frame) == 1 else Step("HOLD")

    result = rehearse(bars(FLAT, (110.0, 111.0, 80.0, 85.0), FLAT), all_in, commission=0.001)
    assert result["fills"] == []
    assert result["refused_orders"][0].reason == "margin"
    assert result["final_value"] == 10_000


def test_buy_while_long_and_sell_while_flat_do_nothing() -> None:
    result = rehearse(bars(*[FLAT] * 6), lambda frame, position: Step("BUY", 0.1) if position else Step("SELL"))
    assert result["fills"] == []
    held = rehearse(bars(*[FLAT] * 6), lambda frame, position: Step("BUY", 0.1))
    assert len(held["fills"]) == 1


@pytest.mark.parametrize(
    "answer", [("PERHAPS",), ("BUY", 1.5), ("BUY", 0.1, 0.0), ("BUY", 0.1, 1.0), ("BUY", 0.1, 0.1, -1.0), ()]
)
def test_senseless_answers_are_refused(answer: tuple[Any, ...]) -> None:
    with pytest.raises(BadData):
        rehearse(bars(FLAT, FLAT), lambda frame, position: answer)


def test_strategy_without_a_callable_is_refused() -> None:
    with pytest.raises(Misconfigured):
        rehearse(bars(FLAT, FLAT), None)


def trail_first(frame: pd.DataFrame, position: HeldPosition | None) -> Step:
    return Step(Action.BUY, 0.1, 0.20, None, "first bar", 0.05) if len(frame) == 1 else Step(Action.HOLD)


def level(close: float) -> tuple[float, float, float, float]:
    return (close, close, close, close)


def test_trailing_stop_follows_the_best_close_and_stays_when_it_falls() -> None:
    path = bars(FLAT, FLAT, level(110.0), level(120.0), level(116.0), (116.0, 117.0, 113.0, 115.0), FLAT)
    result = rehearse(path, trail_first)
    stop = result["fills"][1]
    assert (stop.kind, stop.price) == ("stop", 114.0)  # 5 % under 120
    assert stop.ts == path["ts"].iloc[5]


def test_trailing_stop_raised_at_a_close_does_not_reach_back_into_that_bar() -> None:
    # the bar that closes at 120 began at 100: its own low is no reason to be stopped at a level only its close made
    result = rehearse(bars(FLAT, FLAT, (100.0, 120.0, 99.0, 120.0), level(121.0)), trail_first)
    assert len(result["fills"]) == 1


def test_trailing_stop_behind_a_gap_fills_at_the_open() -> None:
    result = rehearse(bars(FLAT, FLAT, level(120.0), (105.0, 106.0, 104.0, 105.0)), trail_first)
    assert result["fills"][1].price == 105.0


def test_trailing_stop_never_comes_down_while_a_position_is_held_whatever_the_path() -> None:
    told: dict[object, list[float]] = {}

    def decide(frame: pd.DataFrame, position: HeldPosition | None) -> Step:
        if position is not None and position.stop_price is not None:
            told.setdefault(position.opened_at, []).append(position.stop_price)
        return Step(Action.BUY, 0.1, 0.4, None, "in", 0.03) if position is None else Step(Action.HOLD)

    rehearse(random_candles(600), decide)
    assert len(told) > 1  # stopped out and entered again
    assert sum(len(set(prices)) for prices in told.values()) > 10
    assert all(prices == sorted(prices) for prices in told.values())


@pytest.mark.parametrize("step", [Step("BUY", 0.1, None, None, "", 0.05), Step("BUY", 0.1, 0.03, None, "", 1.5)])
def test_trail_that_moves_nothing_is_refused(step: Step) -> None:
    with pytest.raises(BadData, match="trailing_pct"):
        rehearse(bars(FLAT, FLAT), lambda frame, position: step)

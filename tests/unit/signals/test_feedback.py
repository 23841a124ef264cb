"""Weights corrected by how the signals turned out."""

from __future__ import annotations

import math

import pytest

from kracken_tasks.errors import Misconfigured
from kracken_tasks.signals import TradeOutcome, corrected_weights
from kracken_tasks.signals.feedback import FeedbackConfig
from tests.support.decisions import opinion

BASE = {"rsi": 0.25, "macd": 0.30}


def trades(count: int, pnl: float, rsi: float | None, macd: float | None, start: int = 0) -> list[TradeOutcome]:
    return [TradeOutcome(f"pos_{start + i}", pnl, (opinion("rsi", rsi), opinion("macd", macd))) for i in range(count)]


def test_without_trades_the_base_weights_stand() -> None:
    correction = corrected_weights(BASE, [])
    assert correction.weights == BASE
    assert math.isnan(correction.records["rsi"].hit_rate)


def test_a_module_that_was_right_gains_and_one_that_was_wrong_loses() -> None:
    correction = corrected_weights(BASE, trades(20, 10.0, 0.8, -0.4))
    assert correction.weights["rsi"] == pytest.approx(0.25 * 1.5)
    assert correction.weights["macd"] == pytest.approx(0.30 * 0.5)
    assert correction.records["rsi"].pnl == 200.0


def test_a_few_trades_move_little() -> None:
    assert corrected_weights(BASE, trades(2, 10.0, 0.8, None)).weights["rsi"] == pytest.approx(0.25 * 2 * 12 / 22)


def test_weights_stay_within_their_bounds_however_many_trades() -> None:
    correction = corrected_weights(BASE, trades(5000, -1.0, 1.0, -1.0))
    assert correction.weights == {"rsi": pytest.approx(0.125), "macd": pytest.approx(0.45)}


def test_leaning_down_on_a_losing_trade_was_right() -> None:
    assert corrected_weights(BASE, trades(1, -5.0, None, -0.5)).records["macd"].right == 1


def test_a_module_that_leaned_nowhere_is_not_counted() -> None:
    assert corrected_weights(BASE, trades(3, 5.0, 0.0, None)).records["rsi"].trades == 0


def test_the_order_of_trades_and_repeats_change_nothing() -> None:
    told = trades(7, 3.3, 0.5, -0.5) + trades(5, -0.1, 0.9, 0.2, start=7)
    again = list(reversed(told)) + told[:3]
    assert corrected_weights(BASE, told) == corrected_weights(BASE, again)


def test_bounds_that_make_no_sense_are_refused() -> None:
    with pytest.raises(Misconfigured, match="allowed is"):
        FeedbackConfig(lowest=1.2)

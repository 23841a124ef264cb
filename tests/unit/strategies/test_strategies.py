"""Strategies: what they propose, and which parameters they refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.errors import Misconfigured
from kracken_tasks.signals import DEFAULT_WEIGHTS, ForecastValue
from kracken_tasks.strategies import (
    STRATEGIES,
    EnsembleStrategy,
    LstmStrategy,
    SmaCrossStrategy,
    build_strategy,
    propose_from,
)
from tests.support.candles import frame_from_closes, random_candles
from tests.support.decisions import opinion


def test_the_ensemble_proposes_what_the_vote_says_and_keeps_the_opinions() -> None:
    heard = (opinion("rsi", 1.0), opinion("macd", 0.9), opinion("bollinger_bands", 1.0))
    frame = random_candles(200)
    proposal = EnsembleStrategy(stop_pct=0.02).propose("BTC/USD", frame, heard)
    assert proposal.action is Action.BUY
    assert proposal.confidence == pytest.approx((0.25 + 0.27 + 0.20) / 0.75)
    assert proposal.opinions == heard
    assert proposal.bar_ts == frame["ts"].iloc[-1].to_pydatetime()
    assert (proposal.stop_pct, proposal.take_profit_pct) == (0.02, None)
    assert proposal.values["score"] == pytest.approx(proposal.confidence)


def test_the_ensemble_asks_only_modules_that_exist_and_weigh_something() -> None:
    assert EnsembleStrategy().modules == ("rsi", "macd", "bollinger_bands", "sentiment", "volume_profile", "lstm")
    assert EnsembleStrategy({"rsi": 1.0, "macd": 0.0, "sentiment": 1.0}).modules == ("rsi", "sentiment")
    assert EnsembleStrategy().lookback == 160


def test_a_stale_frame_is_held() -> None:
    frame = random_candles(300)
    late = frame["ts"].iloc[-1].to_pydatetime() + timedelta(days=1)
    proposal = propose_from(EnsembleStrategy(), "BTC/USD", frame, now=late)
    assert proposal.action is Action.HOLD
    assert all(heard.direction is None for heard in proposal.opinions)


def test_an_empty_frame_is_held_by_every_strategy() -> None:
    for name in STRATEGIES:
        proposal = propose_from(build_strategy(name), "BTC/USD", random_candles(5).iloc[:0])
        assert proposal.action is Action.HOLD
        assert proposal.bar_ts is None
        assert proposal.reason


CROSSING = [10.0, 9.0, 8.0, 7.0, 6.0]


def test_crossing_upwards_buys_on_that_bar_and_only_on_that_bar() -> None:
    strategy = SmaCrossStrategy(fast=2, slow=4)
    closes = [*CROSSING, 8.0, 9.0, 10.0]
    actions = [
        strategy.propose("BTC/USD", frame_from_closes(closes[:end]), ()).action for end in range(5, len(closes) + 1)
    ]
    # At 8 the averages are 7.0 and 7.25, at 9 they are 8.5 and 7.5.
    assert actions == [Action.HOLD, Action.HOLD, Action.BUY, Action.HOLD]


def test_crossing_downwards_sells() -> None:
    proposal = SmaCrossStrategy(fast=2, slow=4).propose(
        "BTC/USD", frame_from_closes([6.0, 7.0, 8.0, 9.0, 10.0, 7.0, 6.0]), ()
    )
    assert proposal.action is Action.SELL
    assert 0.6 <= proposal.confidence <= 1.0
    assert proposal.reason == "fast average 6.5 crossed below slow average 8"


def test_touching_and_turning_back_is_no_cross() -> None:
    # fast - slow: below, exactly equal, below again.
    proposal = SmaCrossStrategy(fast=1, slow=2).propose("BTC/USD", frame_from_closes([4.0, 3.0, 3.0, 2.0]), ())
    assert proposal.action is Action.HOLD


def test_touching_and_going_through_is_a_cross() -> None:
    proposal = SmaCrossStrategy(fast=1, slow=2).propose("BTC/USD", frame_from_closes([4.0, 3.0, 3.0, 4.0]), ())
    assert proposal.action is Action.BUY


def test_too_little_data_is_held_with_the_count() -> None:
    proposal = SmaCrossStrategy().propose("BTC/USD", random_candles(30), ())
    assert proposal.reason == "too little data: 30 of 31 candles"


def test_a_close_that_is_not_a_number_is_held() -> None:
    frame = random_candles(60)
    frame.loc[50, "close"] = float("nan")
    assert "not a number" in SmaCrossStrategy().propose("BTC/USD", frame, ()).reason


def test_the_lstm_strategy_acts_on_a_champion_only() -> None:
    frame = random_candles(100)
    rise = float(frame["close"].iloc[-1]) * 1.02
    bar = frame["ts"].iloc[-1].to_pydatetime()
    buy = propose_from(LstmStrategy(), "BTC/USD", frame, forecast=ForecastValue(rise, True, "m1", bar))
    held = propose_from(LstmStrategy(), "BTC/USD", frame, forecast=ForecastValue(rise, False, "m1", bar, "shadow"))
    assert (buy.action, buy.confidence) == (Action.BUY, 1.0)
    assert (held.action, held.reason) == (Action.HOLD, "model m1 is shadow, not champion")


def test_an_lstm_nobody_asked_holds() -> None:
    assert LstmStrategy().propose("BTC/USD", random_candles(5), ()).reason == "the lstm module was not asked"


def test_strategies_are_built_by_name_with_their_parameters() -> None:
    assert build_strategy("sma_cross", {"fast": 5, "slow": 20}) == SmaCrossStrategy(5, 20)
    assert build_strategy("ensemble") == EnsembleStrategy(dict(DEFAULT_WEIGHTS))


@pytest.mark.parametrize(
    ("name", "parameters", "key"),
    [
        ("momentum", {}, "strategy"),
        ("sma_cross", {"quick": 5}, "quick"),
        ("sma_cross", {"fast": 30, "slow": 10}, "fast"),
        ("sma_cross", {"fast": 2.5}, "fast"),
        ("sma_cross", {"fast": True}, "fast"),
        ("sma_cross", {"stop_pct": 3}, "stop_pct"),
        ("ensemble", {"threshold": 60}, "threshold"),
        ("ensemble", {"threshold": "0.6"}, "threshold"),
        ("ensemble", {"weights": {"rsii": 1.0}}, "weights.rsii"),
        ("ensemble", {"weights": {"rsi": -1.0}}, "weights.rsi"),
        ("ensemble", {"weights": {"rsi": float("nan")}}, "weights.rsi"),
        ("ensemble", {"weights": {"sentiment": 0.0}}, "weights"),
        ("ensemble", {"weights": [0.1]}, "weights"),
        ("lstm", {"threshold": 0}, "threshold"),
    ],
)
def test_a_parameter_that_cannot_be_right_is_refused_by_name(
    name: str, parameters: dict[str, object], key: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        build_strategy(name, parameters)
    assert refused.value.fields["key"] == key
    assert refused.value.fields["allowed"]


def test_an_lstm_without_a_champion_is_not_missing_from_the_vote() -> None:
    sure = [Opinion("rsi", 1.0, 0.9, "low"), Opinion("bollinger_bands", 1.0, 0.9, "below the band")]
    silent = [Opinion("macd", None, 0.0, "flat"), Opinion("lstm", None, 0.0, "no champion")]
    proposal = build_strategy("ensemble").propose("BTC/USD", random_candles(3), [*sure, *silent])
    assert proposal.action is Action.BUY
    assert [one.module for one in proposal.opinions] == ["rsi", "bollinger_bands", "macd", "lstm"]

"""Each signal module: which way it leans, and when it says nothing."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.errors import Misconfigured
from kracken_tasks.signals import SIGNALS, ForecastValue, ask_modules, bollinger, lstm, macd, rsi, volume_profile
from kracken_tasks.signals.panel import lookback_of
from tests.support.candles import frame_from_closes, random_candles

TECHNICAL = (rsi, macd, bollinger, volume_profile)


def falling(rows: int = 200, seed: int = 3) -> pd.DataFrame:
    """A quiet walk that falls hard over its last twelve candles."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.002, rows)
    returns[-12:] = -0.01
    return frame_from_closes(list(100.0 * np.exp(np.cumsum(returns))), minutes=60)


def test_a_hard_fall_reads_as_oversold_in_rsi_and_bollinger() -> None:
    frame = falling()
    for module in (rsi, bollinger):
        heard = module.opinion(frame)
        assert heard.direction is not None
        assert heard.direction > 0.8
        assert heard.confidence == pytest.approx(0.5 + 0.5 * heard.direction)


def test_macd_does_not_buy_while_the_histogram_still_falls() -> None:
    assert macd.opinion(falling()).direction == 0.0


def test_macd_buys_when_the_histogram_turns_up_from_a_trough() -> None:
    frame = falling()
    last = float(frame["close"].iloc[-1])
    turned = frame_from_closes([*frame["close"], last * 1.002, last * 1.004], minutes=60)
    heard = macd.opinion(turned)
    assert heard.direction is not None
    assert heard.direction > 0.5
    assert "turning up" in heard.reason
    assert heard.values["histogram"] > heard.values["before"]


def test_a_mirrored_market_gives_the_mirrored_opinion() -> None:
    closes = falling()["close"].to_numpy()
    mirrored = frame_from_closes(list(2.0 * closes[0] - closes), minutes=60)
    for module in (rsi, bollinger):
        up, down = module.opinion(falling()), module.opinion(mirrored)
        assert up.direction is not None
        assert down.direction is not None
        assert down.direction == pytest.approx(-up.direction, abs=1e-6)


@pytest.mark.parametrize("module", TECHNICAL, ids=lambda m: m.NAME)
def test_too_little_data_is_no_opinion_and_not_zero(module: object) -> None:
    heard: Opinion = module.opinion(random_candles(module.LOOKBACK - 1))  # type: ignore[attr-defined]
    assert heard.direction is None
    assert heard.confidence == 0.0
    assert heard.reason == f"too little data: {module.LOOKBACK - 1} of {module.LOOKBACK} candles"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", list(SIGNALS))
def test_an_empty_frame_is_no_opinion(name: str) -> None:
    (heard,) = ask_modules(random_candles(10).iloc[:0], [name])
    assert not heard.has_opinion
    assert heard.reason


@pytest.mark.parametrize("module", TECHNICAL, ids=lambda m: m.NAME)
def test_a_price_that_stands_still_is_no_opinion(module: object) -> None:
    heard: Opinion = module.opinion(frame_from_closes([100.0] * 200, minutes=60))  # type: ignore[attr-defined]
    assert heard.direction is None
    assert heard.reason.startswith("flat")


@pytest.mark.parametrize("module", TECHNICAL, ids=lambda m: m.NAME)
def test_a_price_that_stopped_moving_is_no_opinion(module: object) -> None:
    closes = [*random_candles(160)["close"], *[30_000.0] * 80]
    assert module.opinion(frame_from_closes(closes, minutes=60)).direction is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", TECHNICAL, ids=lambda m: m.NAME)
def test_a_stale_frame_is_no_opinion_and_names_its_last_candle(module: object) -> None:
    frame = random_candles(200)
    last = frame["ts"].iloc[-1].to_pydatetime()
    late = module.opinion(frame, now=last + timedelta(hours=3, minutes=1))  # type: ignore[attr-defined]
    assert late.direction is None
    assert late.reason.startswith("stale: the last candle opened at 2024-01-09T07:00:00Z")
    assert module.opinion(frame, now=last + timedelta(hours=1, seconds=5)).has_opinion  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", TECHNICAL, ids=lambda m: m.NAME)
def test_a_running_candle_is_refused(module: object) -> None:
    frame = random_candles(200)
    now = frame["ts"].iloc[-1].to_pydatetime() + timedelta(minutes=30)
    heard: Opinion = module.opinion(frame, now=now)  # type: ignore[attr-defined]
    assert heard.direction is None
    assert "still running" in heard.reason


@pytest.mark.parametrize("module", TECHNICAL, ids=lambda m: m.NAME)
def test_too_many_holes_are_no_opinion(module: object) -> None:
    frame = random_candles(400)
    holed = frame[[i % 2 == 0 or i > 390 for i in range(400)]].reset_index(drop=True)
    heard: Opinion = module.opinion(holed)  # type: ignore[attr-defined]
    assert heard.direction is None
    assert heard.reason.startswith("holes")


@pytest.mark.parametrize("module", TECHNICAL, ids=lambda m: m.NAME)
def test_a_close_that_is_not_a_number_is_no_opinion(module: object) -> None:
    frame = random_candles(200)
    frame.loc[190, "close"] = np.nan
    assert "not a number" in module.opinion(frame).reason  # type: ignore[attr-defined]


def test_a_module_refuses_parameters_out_of_range_by_name() -> None:
    with pytest.raises(Misconfigured, match="period = 500") as refused:
        rsi.RsiConfig(period=500)
    assert refused.value.fields == {"key": "period", "value": 500, "allowed": "2 to 60"}


def champion(frame: pd.DataFrame, factor: float, **changes: object) -> ForecastValue:
    values: dict[str, object] = {
        "next_close": float(frame["close"].iloc[-1]) * factor,
        "champion": True,
        "model": "m1",
        "bar_ts": frame["ts"].iloc[-1].to_pydatetime(),
    }
    return ForecastValue(**(values | changes))  # type: ignore[arg-type]  # a test names fields of the dataclass


def test_a_champion_that_expects_a_rise_leans_up() -> None:
    frame = random_candles(100)
    heard = lstm.opinion(frame, forecast=champion(frame, 1.01))
    assert heard.direction == 1.0
    assert heard.reason == "m1 expects +1.00 %"


def test_a_small_expected_move_is_a_small_lean() -> None:
    frame = random_candles(100)
    heard = lstm.opinion(frame, forecast=champion(frame, 0.999))
    assert heard.direction is not None
    assert -0.5 < heard.direction < 0.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"champion": False, "status": "shadow"}, "model m1 is shadow, not champion"),
        ({"champion": False}, "model m1 is not champion, not champion"),
        ({"next_close": float("nan")}, "model m1 gave no usable number"),
        ({"next_close": -1.0}, "model m1 gave no usable number"),
    ],
)
def test_a_model_that_may_not_speak_has_no_opinion(changes: dict[str, object], reason: str) -> None:
    frame = random_candles(100)
    heard = lstm.opinion(frame, forecast=champion(frame, 1.01, **changes))
    assert heard.direction is None
    assert heard.reason == reason


def test_a_forecast_of_an_older_candle_is_no_opinion() -> None:
    frame = random_candles(100)
    old = champion(frame, 1.01, bar_ts=frame["ts"].iloc[-2].to_pydatetime())
    assert "the newest is" in lstm.opinion(frame, forecast=old).reason


def test_without_a_model_the_lstm_says_so() -> None:
    assert lstm.opinion(random_candles(100)).reason == "no champion model for this symbol"


def test_modules_that_do_not_exist_are_not_asked() -> None:
    heard = ask_modules(random_candles(200), ["rsi", "astrology", "macd"])
    assert [opinion.module for opinion in heard] == ["rsi", "macd"]
    assert ask_modules(random_candles(200), ["astrology"]) == ()


def test_the_panel_and_a_module_alone_agree() -> None:
    frame = random_candles(500)
    heard = {opinion.module: opinion for opinion in ask_modules(frame, SIGNALS)}
    assert heard["rsi"] == rsi.opinion(frame)
    assert heard["macd"] == macd.opinion(frame)
    assert heard["bollinger_bands"] == bollinger.opinion(frame)


def test_the_look_back_of_many_is_that_of_the_most_demanding() -> None:
    assert lookback_of(["rsi", "macd"]) == macd.LOOKBACK
    assert lookback_of([]) == 0

"""The promised predictor: train, predict, signal."""

from __future__ import annotations

import pytest

from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.forecast import LSTMPredictor
from kracken_tasks.forecast.plan import TrainingConfig
from tests.support.candles import random_candles

SMALL = TrainingConfig(hidden=6, batch=64)


@pytest.fixture(scope="module")
def trained() -> LSTMPredictor:
    predictor = LSTMPredictor(symbol="BTC/USDT", lookback=60, config=SMALL)
    predictor.train(random_candles(500), epochs=2)
    return predictor


def test_train_and_predict_as_promised(trained: LSTMPredictor) -> None:
    frame = random_candles(500)
    forecast = trained.predict(frame)
    assert isinstance(forecast, float)
    assert forecast == pytest.approx(frame["close"].iloc[-1], rel=0.1)
    assert trained.report is not None
    assert len(trained.report.history) <= 2
    assert trained.bundle.meta.symbol == "BTC/USDT"


def test_a_frame_with_a_time_index_works_as_well(trained: LSTMPredictor) -> None:
    frame = random_candles(500)
    assert trained.predict(frame.set_index("ts")) == trained.predict(frame)


@pytest.mark.parametrize(
    ("current", "predicted", "threshold", "signal", "confidence"),
    [
        (30_000, 31_000, 0.02, "BUY", 5 / 6),
        (30_000, 29_000, 0.02, "SELL", 5 / 6),
        (30_000, 30_300, 0.02, "HOLD", 0.25),
        (30_000, 30_000, 0.02, "HOLD", 0.0),
        (30_000, 40_000, 0.02, "BUY", 1.0),
        (100, 102, 0.02, "BUY", 0.5),
        (100, 101, 0.0, "BUY", 1.0),
        (100, 100, 0.0, "HOLD", 0.0),
    ],
)
def test_signal_and_confidence_follow_the_stated_formula(
    current: float, predicted: float, threshold: float, signal: str, confidence: float
) -> None:
    got = LSTMPredictor().get_prediction_signal(current_price=current, predicted_price=predicted, threshold=threshold)
    assert got == (signal, pytest.approx(confidence))


@pytest.mark.parametrize(
    ("current", "predicted", "threshold"), [(0, 1, 0.02), (1, float("nan"), 0.02), (1, 1, -0.1), (1, -2, 0.02)]
)
def test_senseless_prices_are_refused(current: float, predicted: float, threshold: float) -> None:
    with pytest.raises(BadData):
        LSTMPredictor().get_prediction_signal(current, predicted, threshold)


def test_predicting_before_training_says_what_to_call() -> None:
    with pytest.raises(Misconfigured, match="call train first"):
        LSTMPredictor().predict(random_candles(200))


def test_a_trained_model_can_be_handed_over(trained: LSTMPredictor) -> None:
    other = LSTMPredictor("BTC/USDT")
    other.use(trained.bundle)
    frame = random_candles(500)
    assert other.predict(frame) == trained.predict(frame)
    with pytest.raises(Misconfigured, match="not ETH/USD"):
        LSTMPredictor("ETH/USD").use(trained.bundle)


def test_too_few_candles_are_refused_with_a_number(trained: LSTMPredictor) -> None:
    with pytest.raises(BadData, match="93"):
        trained.predict(random_candles(50))
    with pytest.raises(BadData, match="too few"):
        LSTMPredictor(config=SMALL).train(random_candles(200), epochs=1)

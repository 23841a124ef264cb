"""Train the LSTM on candles in memory, look at how it did on bars it never saw, and forecast the next close.

    python examples/train_and_predict.py

No lake, no server, no internet.  The market is made up and cannot be forecast, and the scores say so.
"""

from __future__ import annotations

from made_up_market import hourly_candles
from rich.console import Console

from kracken_tasks.forecast import LSTMPredictor
from kracken_tasks.forecast.plan import TrainingConfig

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    candles = hourly_candles("BTC/USD", days=40)
    predictor = LSTMPredictor("BTC/USD", lookback=24, config=TrainingConfig(hidden=16, seed=7))
    report = predictor.train(candles, epochs=3)
    scores = report.scores
    console.print(f"trained on {report.windows} windows; judged on {scores.bars} bars it never saw")
    console.print(f"its error is {scores.mae_ratio:.4f} of the last value's: {report.judgement.state}")
    for reason in report.judgement.reasons:
        console.print(f"  {reason}")
    last, forecast = float(candles["close"].iloc[-1]), predictor.predict(candles)
    signal, confidence = predictor.get_prediction_signal(last, forecast, threshold=0.005)
    console.print(f"last close {last:.1f}, forecast {forecast:.1f}: {signal}, confidence {confidence:.2f}")


if __name__ == "__main__":
    main()

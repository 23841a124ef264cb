"""What a decision costs: six signal modules and the ensemble for a hundred symbols, the candles being in memory.

``python -m benchmarks.decision [--symbols 100] [--rounds 30]``.  Prints medians of rounds in milliseconds of processor time, which is the
one to compare, and by the wall; and the highest memory of the process, which has no ccxt, ledger or lake.  Nothing is read or written.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from benchmarks.memory import highest_memory
from kracken_tasks.signals import ForecastValue, ask_modules
from kracken_tasks.signals.sentiment import SentimentReading
from kracken_tasks.strategies import EnsembleStrategy, RsiMlStrategy, SmaCrossStrategy, Strategy, TrendVolStrategy

_ROWS = 200
_BAR_SECONDS = 3600


def candles(seed: int, rows: int) -> pd.DataFrame:
    """A seeded random walk in the lake's form."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, rows)))
    open_ = np.concatenate(([100.0], close[:-1]))
    ts = pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC").as_unit("ms")
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    volume = rng.lognormal(1.0, 0.8, rows)
    return pd.DataFrame({"ts": ts, "open": open_, "high": high, "low": low, "close": close, "volume": volume})


def decide(strategy: Strategy, frames: list[pd.DataFrame], now: datetime) -> tuple[float, float]:
    """Ask and propose for every frame; seconds of the processor, and by the wall."""
    bar = frames[0]["ts"].iloc[-1].to_pydatetime().astimezone(UTC)
    reading = SentimentReading(0.2, now, "index 40, 12 headlines")
    began, worked = time.perf_counter(), time.process_time()
    for number, frame in enumerate(frames):
        forecast = ForecastValue(float(frame["close"].iloc[-1]) * 1.001, True, "m1", bar, "champion")
        heard = ask_modules(
            frame, strategy.modules, forecast=forecast, sentiment=reading, now=now, bar_seconds=_BAR_SECONDS
        )
        strategy.propose(f"C{number}/USD", frame, heard)
    return time.process_time() - worked, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=30)
    asked = parser.parse_args()
    strategies: tuple[Strategy, ...] = (EnsembleStrategy(), SmaCrossStrategy(), TrendVolStrategy(), RsiMlStrategy())
    for strategy in strategies:
        rows = max(_ROWS, strategy.lookback)
        frames = [candles(seed, rows) for seed in range(asked.symbols)]
        now = frames[0]["ts"].iloc[-1].to_pydatetime() + timedelta(seconds=_BAR_SECONDS + 5)
        decide(strategy, frames, now)
        took = [decide(strategy, frames, now) for _ in range(asked.rounds)]
        what = f"{len(strategy.modules)} signals" if strategy.modules else "no signals"
        print(  # noqa: T201  # a benchmark's output
            f"{strategy.name:10} {asked.symbols} symbols x {what}: processor {1e3 * statistics.median(own for own, _ in took):.1f} ms "
            f"(best {1e3 * min(took)[0]:.1f}), wall {1e3 * statistics.median(wall for _, wall in took):.1f} ms"
        )
    print(f"memory at its highest: {highest_memory():.0f} MB")  # noqa: T201


if __name__ == "__main__":
    main()

"""The recipe's numbers, its declared look-back, and what it does with awkward candles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.errors import BadData
from kracken_tasks.features.recipe import FEATURE_NAMES, LOOKBACK, compute_features
from tests.support.candles import frame_from_closes, random_candles


def test_rows_start_exactly_at_the_declared_look_back() -> None:
    features = compute_features(random_candles(LOOKBACK + 5))
    assert tuple(features.columns) == FEATURE_NAMES
    assert features.iloc[: LOOKBACK - 1].isna().all(axis=None)
    assert np.isfinite(features.iloc[LOOKBACK - 1 :].to_numpy()).all()


def test_a_row_depends_on_its_look_back_and_not_one_candle_more() -> None:
    frame = random_candles(LOOKBACK + 1)
    changed = frame.copy()
    changed.loc[0, ["open", "high", "low", "close"]] *= 2.0
    before, after = compute_features(frame), compute_features(changed)
    pd.testing.assert_series_equal(before.iloc[-1], after.iloc[-1], rtol=1e-9, atol=1e-12)
    # ... and the row before it does reach back to the changed candle.
    assert before["macd_histogram"].iloc[-2] != pytest.approx(after["macd_histogram"].iloc[-2], rel=1e-6)


def test_a_short_live_history_gives_what_training_saw() -> None:
    frame = random_candles(3_000, seed=4)
    whole = compute_features(frame).to_numpy()[-60:]
    live = compute_features(frame.iloc[-(60 + LOOKBACK - 1) :]).to_numpy()[-60:]
    np.testing.assert_allclose(live, whole, rtol=1e-6, atol=1e-9)


def test_returns_and_ranges_are_what_they_say() -> None:
    frame = random_candles(60)
    features = compute_features(frame)
    close = frame["close"].to_numpy()
    assert features["return_1"].iloc[-1] == pytest.approx(np.log(close[-1] / close[-2]))
    assert features["return_24"].iloc[-1] == pytest.approx(np.log(close[-1] / close[-25]))
    assert features["range"].iloc[-1] == pytest.approx(np.log(frame["high"].iloc[-1] / frame["low"].iloc[-1]))
    window = np.log(close[-20:])
    assert features["bollinger_20"].iloc[-1] == pytest.approx((window[-1] - window.mean()) / window.std())
    moves = np.diff(close[-15:])
    rise, fall = moves[moves > 0].sum(), -moves[moves < 0].sum()
    assert features["rsi_14"].iloc[-1] == pytest.approx(rise / (rise + fall) - 0.5)


def test_hour_of_day_goes_round() -> None:
    features = compute_features(random_candles(100, start="2024-01-01 00:00"))
    six = features.loc[pd.Timestamp("2024-01-03 06:00", tz="UTC")]
    assert (six["hour_sin"], six["hour_cos"]) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_prices_in_another_unit_give_the_same_features() -> None:
    frame = random_candles(200)
    scaled = frame.copy()
    scaled[["open", "high", "low", "close"]] *= 1e-4
    np.testing.assert_allclose(
        compute_features(scaled).to_numpy(), compute_features(frame).to_numpy(), rtol=1e-6, atol=1e-9
    )


def test_a_market_that_stands_still_is_all_neutral() -> None:
    frame = frame_from_closes([0.000012] * 80)
    last = compute_features(frame).iloc[-1]
    assert np.isfinite(last.to_numpy()).all()
    assert last.drop(["hour_sin", "hour_cos"]).abs().max() < 1e-9


def test_a_factor_of_eight_in_one_hour_stays_finite() -> None:
    closes = [1.0] * 50 + [8.0] * 50
    assert np.isfinite(compute_features(frame_from_closes(closes)).iloc[LOOKBACK - 1 :].to_numpy()).all()


def test_fewer_candles_than_the_look_back_are_all_nan_and_bad_ones_refused() -> None:
    assert compute_features(random_candles(LOOKBACK - 1)).isna().all(axis=None)
    assert len(compute_features(random_candles(1))) == 1
    with pytest.raises(BadData):
        compute_features(random_candles(10).assign(close=float("nan")))

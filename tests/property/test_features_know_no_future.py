"""Cutting the future off, or replacing it with noise, changes no earlier feature."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.features.recipe import LOOKBACK, compute_features
from tests.support.candles import random_candles

ROWS = 160
FRAME = random_candles(ROWS, seed=9)
WHOLE = compute_features(FRAME).to_numpy()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(1, ROWS - 1))
def test_cutting_the_future_changes_nothing(cut: int) -> None:
    np.testing.assert_array_equal(compute_features(FRAME.iloc[:cut]).to_numpy(), WHOLE[:cut])


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(LOOKBACK, ROWS - 1), seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-6, 1e6))
def test_another_future_changes_nothing(cut: int, seed: int, scale: float) -> None:
    other = random_candles(ROWS, seed=seed, price=30_000.0 * scale)
    mixed = pd.concat([FRAME.iloc[:cut], other.iloc[cut:]], ignore_index=True)
    np.testing.assert_array_equal(compute_features(mixed).to_numpy()[:cut], WHOLE[:cut])


@settings(max_examples=30, deadline=None)
@given(first=st.integers(1, ROWS - LOOKBACK))
def test_an_older_past_changes_nothing_beyond_the_look_back(first: int) -> None:
    later = compute_features(FRAME.iloc[first:]).to_numpy()[LOOKBACK - 1 :]
    np.testing.assert_allclose(later, WHOLE[first + LOOKBACK - 1 :], rtol=1e-6, atol=1e-9)


def test_a_planted_look_ahead_would_be_caught() -> None:
    leaky = compute_features(FRAME).assign(leak=FRAME["close"].shift(-1).to_numpy()).to_numpy()
    cut = FRAME.iloc[:100]
    cut_leaky = compute_features(cut).assign(leak=cut["close"].shift(-1).to_numpy()).to_numpy()
    assert not np.array_equal(cut_leaky, leaky[:100], equal_nan=True)

"""Windows stay on the grid and inside their section."""

from __future__ import annotations

import numpy as np
import pytest

from kracken_tasks.errors import BadData
from kracken_tasks.features.recipe import LOOKBACK, compute_features
from kracken_tasks.forecast.splits import walk_forward
from kracken_tasks.forecast.windows import Scaler, newest_window_rows, unfolded, windows_from
from tests.support.candles import random_candles


def test_first_window_waits_for_the_recipe_and_last_one_has_its_label() -> None:
    frame = random_candles(200)
    windows = windows_from(frame, 20)
    assert windows.ends[0] == newest_window_rows(20) - 1 == 20 + LOOKBACK - 2
    assert windows.ends[-1] == 198
    assert windows.skipped == 0
    close = frame["close"].to_numpy()
    assert windows.targets[-1] == pytest.approx(np.log(close[199] / close[198]))


def test_no_window_reaches_across_a_hole() -> None:
    frame = random_candles(300).drop(index=150).reset_index(drop=True)
    windows = windows_from(frame, 20)
    touching = [end for end in windows.ends if end - newest_window_rows(20) + 1 < 150 <= end + 1]
    assert touching == []
    assert windows.skipped == newest_window_rows(20)
    assert np.isfinite(windows.features[windows.ends]).all()


def test_unfolded_rows_are_the_windows() -> None:
    scaled = np.arange(30, dtype=np.float32).reshape(10, 3)
    view = unfolded(scaled, 4)
    assert view.shape == (7, 12)
    np.testing.assert_array_equal(view[2].reshape(4, 3), scaled[2:6])


def test_scaler_keeps_constant_features_and_clips_the_wildest() -> None:
    rows = np.column_stack([np.arange(100.0), np.full(100, 3.0)])
    scaler = Scaler.fitted_on(rows)
    scaled = scaler.apply(np.array([[1e9, 4.0]]))
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [[8.0, 1.0]]


def test_too_few_candles_say_how_many_are_needed() -> None:
    with pytest.raises(BadData) as caught:
        windows_from(random_candles(newest_window_rows(20)), 20)
    assert caught.value.fields["needed"] == newest_window_rows(20) + 1


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("holes", [False, True])
def test_no_section_sees_a_candle_or_label_of_the_one_before(folds: int, holes: bool) -> None:
    ends = np.arange(50, 1500)
    if holes:
        ends = np.delete(ends, slice(700, 800))
    for split in walk_forward(ends, lookback=30, folds=folds, validation_fraction=0.15, test_fraction=0.2):
        train, validation, test = ends[split.train], ends[split.validation], ends[split.test]
        assert train[-1] + 1 < validation[0] - 30 + 1  # the label of the last against the first candle of the next
        assert validation[-1] + 1 < test[0] - 30 + 1


def test_test_stretches_are_neighbours_and_reach_the_newest_bar() -> None:
    ends = np.arange(1000)
    splits = walk_forward(ends, lookback=10, folds=4, validation_fraction=0.1, test_fraction=0.2)
    assert [split.test for split in splits] == [slice(800, 850), slice(850, 900), slice(900, 950), slice(950, 1000)]
    assert all(split.train.start == 0 for split in splits)
    assert splits[0].train.stop < splits[-1].train.stop


def test_too_few_windows_to_judge_are_refused() -> None:
    with pytest.raises(BadData, match="too few"):
        walk_forward(np.arange(150), lookback=60, folds=1, validation_fraction=0.15, test_fraction=0.15)


def test_features_of_windows_are_the_recipe_s() -> None:
    frame = random_candles(120)
    np.testing.assert_array_equal(windows_from(frame, 20).features, compute_features(frame).to_numpy())

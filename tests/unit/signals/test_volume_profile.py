"""Volume profile: where the volume lies, and what nothing traded means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.signals import volume_profile, window_of
from kracken_tasks.signals.volume_profile import VolumeProfileConfig, profile_of
from tests.support.candles import random_candles

ROWS = volume_profile.LOOKBACK


def two_shelves(close: float) -> pd.DataFrame:
    """Heavy trading between 100 and 102, light trading from 110 to 112, the last candle at ``close``."""
    frame = random_candles(ROWS)
    heavy = np.arange(ROWS) % 4 != 0
    frame["low"], frame["high"] = np.where(heavy, 100.0, 110.0), np.where(heavy, 102.0, 112.0)
    frame["open"] = frame["close"] = frame["low"] + 1.0 + 0.01 * (np.arange(ROWS) % 7)
    frame["volume"] = np.where(heavy, 10.0, 1.0)
    frame.loc[ROWS - 1, ["open", "close"]] = close
    frame.loc[ROWS - 1, "low"], frame.loc[ROWS - 1, "high"] = close - 0.1, close + 0.1
    return frame


def test_the_point_of_control_is_where_most_was_traded() -> None:
    found = profile_of(window_of(two_shelves(111.0), ROWS), VolumeProfileConfig())
    assert 100.0 <= found.low <= found.control <= found.high <= 102.5


def test_a_close_above_what_was_paid_leans_down_and_below_leans_up() -> None:
    above = volume_profile.opinion(two_shelves(111.0))
    below = volume_profile.opinion(two_shelves(99.0))
    assert above.direction is not None
    assert below.direction is not None
    assert above.direction < 0.0 < below.direction
    assert "above the value area" in above.reason


def test_no_volume_is_lost_between_the_steps_of_price() -> None:
    window = window_of(random_candles(ROWS, seed=8), ROWS)
    found = profile_of(window, VolumeProfileConfig(bins=17))
    assert found.volume.sum() == pytest.approx(window.volume.sum(), rel=1e-6)


def test_candles_of_one_price_lie_in_one_step() -> None:
    frame = random_candles(ROWS)
    for column in ("open", "high", "low"):
        frame[column] = frame["close"]
    window = window_of(frame, ROWS)
    found = profile_of(window, VolumeProfileConfig())
    assert found.volume.sum() == pytest.approx(window.volume.sum(), rel=1e-6)


def test_the_value_area_holds_the_share_it_says() -> None:
    window = window_of(random_candles(ROWS, seed=4), ROWS)
    found = profile_of(window, VolumeProfileConfig(area_share=0.7))
    inside = (found.edges[:-1] >= found.low - 1e-9) & (found.edges[1:] <= found.high + 1e-9)
    assert 0.7 <= found.volume[inside].sum() / found.volume.sum() < 0.85


def test_a_market_without_volume_is_no_opinion() -> None:
    heard = volume_profile.opinion(random_candles(ROWS).assign(volume=0.0))
    assert (heard.direction, heard.reason) == (None, f"nothing was traded over {ROWS} candles")


@pytest.mark.parametrize("column", ["volume", "high", "low"])
def test_a_figure_that_is_not_a_number_is_no_opinion(column: str) -> None:
    frame = random_candles(ROWS)
    frame.loc[50, column] = np.nan
    assert "not a number" in volume_profile.opinion(frame).reason

"""Figures need no display, leave no global state, and are the same bytes for the same input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from kracken_tasks.analytics.plots import (
    candles_figure,
    equity_figure,
    forecast_figure,
    learning_curve_figure,
    png_bytes,
    write_png,
)
from tests.support.candles import random_candles

START = datetime(2024, 1, 1, tzinfo=UTC)
TIMES = [START + timedelta(hours=h) for h in range(200)]
CURVE = 100 + np.cumsum(np.random.default_rng(2).normal(size=200))


def equity() -> Figure:
    return equity_figure(TIMES, CURVE, entries=TIMES[5:9], exits=[(TIMES[20], 1.0), (TIMES[30], -1.0)])


def learning() -> Figure:
    return learning_curve_figure([0.4, 0.3, 0.2], [0.5, 0.35, 0.4], best_epoch=2)


def forecast() -> Figure:
    return forecast_figure(TIMES, CURVE, CURVE * 1.001, last=np.roll(CURVE, 1))


def candles() -> Figure:
    frame = random_candles(80)
    when = frame["ts"].iloc[10].to_pydatetime()
    return candles_figure(
        frame,
        title="BTC/USD",
        buys=[(when, 30_000.0)],
        sells=[(when + timedelta(hours=9), 30_100.0)],
        stops=[(when, when + timedelta(hours=9), 29_500.0)],
        levels={"target": 31_000.0},
    )


@pytest.mark.parametrize("draw", [equity, learning, forecast, candles])
def test_the_same_input_gives_the_same_png(draw: Callable[[], Figure]) -> None:
    first, second = png_bytes(draw()), png_bytes(draw())
    assert first == second
    assert first.startswith(b"\x89PNG")
    for trace in (b"tEXt", b"tIME", b"matplotlib"):
        assert trace not in first


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    times = np.datetime64("2024-01-01T00:00", "ms") + np.arange(50_000) * np.timedelta64(60_000, "ms")
    (line, *_) = equity_figure(times, np.arange(50_000.0) + 1).axes[0].lines
    drawn = np.asarray(line.get_ydata())
    assert len(drawn) <= 4_001
    assert drawn[-1] == 50_000.0


def test_a_single_point_and_a_single_candle_can_be_drawn() -> None:
    assert png_bytes(equity_figure(TIMES[:1], [100.0]))
    assert png_bytes(candles_figure(random_candles(1)))


def test_a_png_is_written_whole_and_leaves_no_scratch_file(tmp_path: Path) -> None:
    path = write_png(learning(), tmp_path / "deep" / "curve.png")
    assert path.read_bytes() == png_bytes(learning())
    assert [entry.name for entry in path.parent.iterdir()] == ["curve.png"]


def test_no_pyplot_is_loaded_and_figures_load_only_where_drawn() -> None:
    program = (
        "import sys\n"
        "import kracken_tasks.analytics.metrics, kracken_tasks.analytics.report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import kracken_tasks.analytics.plots\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

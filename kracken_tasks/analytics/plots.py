"""Pictures of results, drawn without a display.

In: plain arrays and frames.  Out: matplotlib figures and PNG bytes that are the same for the same input.  Never: pyplot and its
global state, a time stamp or a version inside the file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kracken_tasks.files import replace_file

__all__ = ["candles_figure", "equity_figure", "forecast_figure", "learning_curve_figure", "png_bytes", "write_png"]

_INK, _RISE, _FALL, _SECOND, _PALE = "#1f3a5f", "#2a7f62", "#b5483a", "#c98a1b", "#9aa5b1"
_MOST_POINTS = 4_000  # more do not show on a page and only cost time
_MOST_MARKS = 300  # more run into one bar

Moments = Sequence[datetime] | NDArray[np.datetime64]
Numbers = Sequence[float] | NDArray[np.float64]


def equity_figure(
    times: Moments,
    equity: Numbers,
    *,
    title: str = "Equity",
    entries: Sequence[datetime] = (),
    exits: Sequence[tuple[datetime, float]] = (),
) -> Figure:
    """Equity over drawdown from the running peak; entries and exits (with their net profit) as ticks under it while they are few."""
    stamps, values = _stamps(times), np.asarray(equity, dtype=np.float64)
    peak = np.maximum.accumulate(values)
    fall = np.where(peak > 0, values / np.where(peak > 0, peak, 1.0) - 1.0, 0.0) * 100
    keep = _thinned(len(values))
    figure, (upper, lower) = _figure(2, ratios=(3, 1), shared=True)
    upper.plot(stamps[keep], values[keep], color=_INK, linewidth=1.2)
    if len(entries) <= _MOST_MARKS:
        _mark_trades(upper, float(values.min()), entries, exits)
    upper.set_ylabel("equity")
    upper.set_title(title, loc="left")
    lower.fill_between(stamps[keep], fall[keep], 0.0, color=_FALL, alpha=0.35, linewidth=0)
    lower.set_ylabel("drawdown, %")
    _date_axis(lower)
    return figure


def learning_curve_figure(
    training_loss: Numbers, validation_loss: Numbers, *, best_epoch: int | None = None, title: str = "Learning curve"
) -> Figure:
    """Loss per epoch on training and validation rows; ``best_epoch`` counts from 1."""
    figure, (axes,) = _figure(1)
    epochs = np.arange(1, len(training_loss) + 1)
    axes.plot(epochs, training_loss, color=_INK, label="training", marker=".")
    axes.plot(epochs, validation_loss, color=_SECOND, label="validation", marker=".")
    if best_epoch is not None:
        axes.axvline(best_epoch, color=_PALE, linestyle="--", linewidth=1, label="kept")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_title(title, loc="left")
    axes.legend(frameon=False)
    return figure


def forecast_figure(
    times: Moments,
    actual: Numbers,
    predicted: Numbers,
    *,
    last: Numbers | None = None,
    title: str = "Forecast and outcome",
) -> Figure:
    """Predicted over actual next closes; below, how far off the forecast was, and the last value on the same bars if given.

    Any forecast near the last value looks right in the upper panel; the lower one tells whether it is better.
    """
    stamps = _stamps(times)
    truth, guess = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    keep = _thinned(len(truth))
    figure, (upper, lower) = _figure(2, ratios=(2, 1), shared=True)
    upper.plot(stamps[keep], truth[keep], color=_INK, linewidth=1.2, label="actual")
    upper.plot(stamps[keep], guess[keep], color=_SECOND, linewidth=1.0, label="predicted")
    upper.set_ylabel("close")
    upper.set_title(title, loc="left")
    upper.legend(frameon=False)
    if last is not None:
        naive = np.abs(np.asarray(last, dtype=np.float64) / truth - 1.0) * 100
        lower.plot(stamps[keep], naive[keep], color=_PALE, linewidth=0.8, label="last value")
    lower.plot(stamps[keep], np.abs(guess / truth - 1.0)[keep] * 100, color=_SECOND, linewidth=0.8, label="forecast")
    lower.set_ylabel("off by, %")
    lower.legend(frameon=False)
    _date_axis(lower)
    return figure


def candles_figure(
    frame: pd.DataFrame,
    *,
    title: str = "",
    buys: Sequence[tuple[datetime, float]] = (),
    sells: Sequence[tuple[datetime, float]] = (),
    stops: Sequence[tuple[datetime, datetime, float]] = (),
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Candles with fills (time, price), stops (from, to, price) and named levels.  Frame columns: ts, open, high, low, close."""
    figure, (axes,) = _figure(1)
    stamps = _day_numbers(frame["ts"].to_numpy(dtype="datetime64[ms]"))
    rising = frame["close"].to_numpy() >= frame["open"].to_numpy()
    width = float(np.median(np.diff(stamps))) * 0.7 if len(stamps) > 1 else 0.5
    for mask, colour in ((rising, _RISE), (~rising, _FALL)):
        rows = frame[mask]
        low, high = rows["low"].to_numpy(), rows["high"].to_numpy()
        bottom = rows[["open", "close"]].min(axis=1).to_numpy()
        body = rows[["open", "close"]].max(axis=1).to_numpy() - bottom
        axes.vlines(stamps[mask], low, high, color=colour, linewidth=0.7)
        axes.bar(stamps[mask], body, width, bottom=bottom, color=colour, linewidth=0)
    for points, marker, colour in ((buys, "^", _INK), (sells, "v", _SECOND)):
        if points:
            moments = _day_numbers([moment for moment, _ in points])
            axes.plot(moments, [price for _, price in points], marker, color=colour, markersize=8)
    for begin, end, price in stops:
        left, right = _day_numbers([begin, end])
        axes.hlines(price, left, right, color=_FALL, linestyle="--", linewidth=1)
    for name, price in (levels or {}).items():
        axes.axhline(price, color=_PALE, linestyle=":", linewidth=1)
        axes.annotate(name, (0.01, price), xycoords=("axes fraction", "data"), fontsize=8, color=_PALE)
    axes.set_ylabel("price")
    axes.set_title(title, loc="left")
    axes.xaxis_date()
    _date_axis(axes)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, the same bytes for the same figure and library versions."""
    buffer = io.BytesIO()
    canvas = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]  # untyped in matplotlib
    return buffer.getvalue()


def write_png(figure: Figure, path: Path) -> Path:
    """Write the PNG whole or not at all; missing folders are made."""
    return replace_file(path, png_bytes(figure))


def _figure(rows: int, *, ratios: tuple[int, ...] | None = None, shared: bool = False) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(10, 6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    keywords: dict[str, Any] = {"height_ratios": ratios} if ratios else {}
    axes = list(figure.subplots(rows, 1, sharex=shared, squeeze=False, **keywords)[:, 0])
    for one in axes:
        one.grid(True, color="#e4e8ec", linewidth=0.6)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _mark_trades(
    axes: Axes, level: float, entries: Sequence[datetime], exits: Sequence[tuple[datetime, float]]
) -> None:
    groups = (
        (list(entries), _INK),
        ([moment for moment, net in exits if net > 0], _RISE),
        ([moment for moment, net in exits if net <= 0], _FALL),
    )
    for moments, colour in groups:
        if moments:
            axes.plot(_stamps(moments), np.full(len(moments), level), "|", color=colour, markersize=9)


def _stamps(times: Moments) -> NDArray[np.datetime64]:
    if isinstance(times, np.ndarray):
        return times.astype("datetime64[ms]")
    return np.array([np.datetime64(int(moment.timestamp() * 1000), "ms") for moment in times], dtype="datetime64[ms]")


def _day_numbers(times: Moments) -> NDArray[np.float64]:
    """Matplotlib counts days from 1970."""
    return _stamps(times).astype(np.int64) / 86_400_000


def _thinned(count: int) -> NDArray[np.int64]:
    if count <= _MOST_POINTS:
        return np.arange(count)
    return np.unique(np.append(np.linspace(0, count - 1, _MOST_POINTS).astype(np.int64), count - 1))


def _date_axis(axes: Axes) -> None:
    locator = mdates.AutoDateLocator(tz="UTC")  # type: ignore[no-untyped-call]  # untyped in matplotlib
    formatter = mdates.ConciseDateFormatter(locator, tz="UTC")  # type: ignore[no-untyped-call]  # untyped in matplotlib
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)

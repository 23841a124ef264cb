"""A map of what the lake holds over time: a row a series or tape, holes in the colour of their cause.

In: a snapshot.  Out: PNG bytes, the same for the same snapshot.  Never: a hole too narrow to be seen (each is drawn at least a pixel
wide), a display, a time stamp inside the file.  matplotlib loads only here.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from kracken_tasks.domain.market import DataKey, SeriesKey, key_parts
from kracken_tasks.lake.holes import Hole, HoleCause
from kracken_tasks.lake.snapshot import Snapshot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["coverage_png"]

# Told apart by colour-blind readers too (Okabe and Ito's palette).
_THERE: Final = "#56789a"
_COLOURS: Final = {
    HoleCause.NO_TRADES: "#c9ced6",
    HoleCause.VENUE_OUTAGE: "#e69f00",
    HoleCause.NOT_FETCHED: "#d55e00",
    HoleCause.REJECTED: "#cc79a7",
}
_WORDS: Final = {
    HoleCause.NO_TRADES: "no trades",
    HoleCause.VENUE_OUTAGE: "venue outage",
    HoleCause.NOT_FETCHED: "not fetched",
    HoleCause.REJECTED: "kept out",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NARROWEST: Final = 1 / 700  # of the axis


@dataclass(frozen=True, slots=True)
class _Row:
    key: DataKey
    start: datetime
    end: datetime
    holes: Sequence[Hole]


def coverage_png(snapshot: Snapshot, keys: Iterable[DataKey] | None = None) -> bytes:
    """The map of ``keys`` (None: all of which something is known), a panel a timeframe and one for tapes, each with its own time axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for key in keys or snapshot.known_keys() if (row := _row(snapshot, key)) is not None]
    panels = _panels(rows)
    heights = [len(panel) + 1.4 for _, panel in panels] or [1]
    figure = Figure(figsize=(11, 1.0 + 0.3 * sum(heights)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(len(panels), 1), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (title, panel) in zip(axes, panels, strict=False):
        _draw(axis, title, panel)
    if not panels:
        axes[0].text(0.5, 0.5, "the lake is empty", ha="center", va="center")
        axes[0].set_axis_off()
    _legend(figure)
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()


def _row(snapshot: Snapshot, key: DataKey) -> _Row | None:
    known = snapshot.known_span(key)
    return None if known is None else _Row(key, *known, snapshot.holes(key, *known))


def _panels(rows: Sequence[_Row]) -> list[tuple[str, list[_Row]]]:
    """Rows of one width of candle together, the narrowest first, tapes last."""
    groups: dict[tuple[int, str], list[_Row]] = {}
    for row in rows:
        width = (2**40, "trades and quotes")
        if isinstance(row.key, SeriesKey):
            width = row.key.timeframe.seconds, f"candles of {row.key.timeframe.value}"
        groups.setdefault(width, []).append(row)
    return [
        (title, sorted(groups[order, title], key=lambda row: key_parts(row.key))) for order, title in sorted(groups)
    ]


def _draw(axis: Axes, title: str, rows: Sequence[_Row]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    left, right = _days(min(row.start for row in rows)), _days(max(row.end for row in rows))
    narrowest = (right - left) * _NARROWEST
    for at, row in enumerate(rows):
        begin, end = _days(row.start), _days(row.end)
        axis.broken_barh([(begin, max(end - begin, narrowest))], (at - 0.36, 0.72), facecolors=_THERE, linewidth=0)
        for cause in HoleCause:  # the graver ones last, on top
            spans = [(_days(h.start), _days(h.end)) for h in row.holes if h.cause is cause]
            bars = [((a + b) / 2 - max(b - a, narrowest) / 2, max(b - a, narrowest)) for a, b in spans]
            if bars:
                axis.broken_barh(bars, (at - 0.36, 0.72), facecolors=_COLOURS[cause], linewidth=0)
        axis.text(1.01, at, _told(row), transform=axis.get_yaxis_transform(), va="center", fontsize=8, color="#444444")
    axis.set_yticks(range(len(rows)), [_name(row.key) for row in rows], fontsize=8)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(left, right)
    locator = AutoDateLocator(tz="UTC")  # type: ignore[no-untyped-call]  # untyped in matplotlib
    axis.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz="UTC")  # type: ignore[no-untyped-call]  # untyped in matplotlib
    axis.xaxis.set_major_formatter(formatter)
    axis.xaxis.get_offset_text().set_fontsize(8)
    axis.tick_params(axis="x", labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.set_title(title, loc="left", fontsize=9)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _days(moment: datetime) -> float:
    """What matplotlib's axes of dates count: days since the epoch."""
    return (moment - _EPOCH) / timedelta(days=1)


def _told(row: _Row) -> str:
    """The share of the time that is known (a window without trades is), or what all of it is."""
    unknown = sum((h.end - h.start for h in row.holes if h.cause is not HoleCause.NO_TRADES), timedelta())
    if not unknown:
        return "complete"
    return f"{min(1 - unknown / (row.end - row.start), 0.9999):.2%}"


def _name(key: DataKey) -> str:
    exchange, symbol, last = key_parts(key)
    return f"{exchange} {symbol}" if isinstance(key, SeriesKey) else f"{exchange} {symbol} {last}"


def _legend(figure: Any) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=_THERE, label="there")]
    handles += [Patch(facecolor=_COLOURS[cause], label=_WORDS[cause]) for cause in HoleCause]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=8, frameon=False)

"""How new rows of a series join what is there: which are news, and which files hold them.

In: the newest known rows, incoming rows, file entries.  Out: the rows to write and the files they replace.  Never: dropping a
revision (a rewritten file keeps every row with its commit and moment, so any older snapshot can be read from newer files).

Files of one series never overlap in time, and stay few whatever the number of commits: rows that fall inside a file rewrite it,
rows beside a small file join it, and FAN_OUT files of one size class side by side become one of the next.  Files of a tape may
overlap (events arrive a little out of order; a late one must not rewrite a large file), the rest is the same.  A row is rewritten a
bounded number of times by appends, and no rewrite is larger than a few LARGEST_ROWS, however long the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import UNKNOWN
from kracken_tasks.lake.manifest import FileEntry
from kracken_tasks.lake.tapes import first_told

__all__ = [
    "FAN_OUT", "LARGEST_ROWS", "MOST_TAKEN_OVER", "SMALL_ROWS", "News", "Rewrite", "news_of", "rewrites_for", "runs_to_compact",
    "standing", "stands_alone",
]  # fmt: skip

SMALL_ROWS: Final = 512
FAN_OUT: Final = 8
LARGEST_ROWS: Final = 262_144
# A file that was written by others may be larger, and is cut when it is rewritten.
MOST_TAKEN_OVER: Final = 4 * LARGEST_ROWS
_CLASSES: Final = (SMALL_ROWS, SMALL_ROWS * FAN_OUT, SMALL_ROWS * FAN_OUT**2, LARGEST_ROWS // 2)

# The archive sums volumes in floats, the API tells eight decimals: the same candle differs in the last digits.
_SAME_RELATIVE: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """Rows that say something new (unstamped but for ``revision``), and how many did what."""

    rows: Block
    added: int
    revised: int
    unchanged: int


@dataclass(frozen=True, slots=True, eq=False)
class Rewrite:
    """Files to take out of the live set, and the blocks to write in their place."""

    removed: tuple[FileEntry, ...]
    blocks: tuple[Block, ...]


def news_of(known: Block, incoming: Block) -> News:
    """Compare incoming rows with the newest known ones (candles: both sorted by ts, unique).

    Prices and trades compare exactly, volume and vwap within float noise; the source alone is no change.  What a source does not
    know (vwap, trades) does not take back what another told: the known value is kept, an average price where it lies between the low and
    the high.
    """
    if incoming.dataset.identity:
        rows = first_told(known, incoming)
        return News(rows, len(rows), 0, len(incoming) - len(rows))
    at = np.searchsorted(known["ts"], incoming["ts"])
    at_safe = np.minimum(at, max(len(known) - 1, 0))
    seen = known["ts"][at_safe] == incoming["ts"] if len(known) else np.zeros(len(incoming), bool)
    if not seen.any():
        return News(incoming, len(incoming), 0, 0)
    old = known.take(at_safe[seen])
    filled = _fill_unknown(incoming.take(seen), old)
    changed = ~_same(filled, old)
    fresh = incoming.take(~seen)
    revised = filled.take(changed)
    revisions = np.concatenate([np.zeros(len(fresh), np.int32), old["revision"][changed] + np.int32(1)]).astype(
        np.int32
    )
    rows = Block.concat([fresh, revised])
    order = np.argsort(rows["ts"], kind="stable")
    rows = Block({**rows.columns, "revision": revisions}).take(order)
    return News(rows, len(fresh), len(revised), len(incoming) - len(rows))


def standing(known: Block, rows: Block) -> NDArray[np.bool_]:
    """Which of ``rows`` (in any order) say nothing that the newest ``known`` ones do not say."""
    if rows.dataset.identity:
        one_by_one = (first_told(known, rows.take(slice(at, at + 1))) for at in range(len(rows)))
        return np.array([not len(news) for news in one_by_one], bool)
    if not len(known):
        return np.zeros(len(rows), bool)
    at = np.minimum(np.searchsorted(known["ts"], rows["ts"]), len(known) - 1)
    old = known.take(at)
    same: NDArray[np.bool_] = (old["ts"] == rows["ts"]) & _same(_fill_unknown(rows, old), old)
    return same


def rewrites_for(files: Sequence[FileEntry], rows: Block, read: Callable[[FileEntry], Block]) -> list[Rewrite]:
    """Choose which of the live ``files`` (by time; of a series disjoint) the stamped ``rows`` join, and build what replaces them."""
    rewrites = []
    spans = [_span_beside(files, rows["ts"])] if rows.dataset.identity else _spans_touched(files, rows["ts"])
    for span in spans:
        taken = files[span.start : span.stop]
        whole = Block.concat([*map(read, taken), rows.take(span.rows)], rows.dataset).in_order()
        rewrites.append(Rewrite(tuple(taken), tuple(_cut(whole))))
    return rewrites


def stands_alone(files: Sequence[FileEntry], rows: int, first: int, last: int) -> bool:
    """True when ``rows`` new rows with times in [first, last] may be a file of their own beside the live ``files`` of a series.

    No file reaches into that time, and no smaller ones would have to be joined with it.  Beside a file of the largest class a small
    one may stay: joining them would write the large one again for a few rows.
    """
    if any(entry.first <= last and entry.last >= first for entry in files):
        return False
    if _class_of(rows) == len(_CLASSES):
        return True
    position = sum(entry.last < first for entry in files)
    alone = _Span(position, position, slice(0, rows))
    return _small_beside(files, position) == (position, position) and _with_run_before(files, alone, 0) == alone


def runs_to_compact(files: Sequence[FileEntry], read: Callable[[FileEntry], Block]) -> list[Rewrite]:
    """Join each run of neighbouring files that are not large yet."""
    rewrites = []
    run: list[FileEntry] = []
    for entry in [*files, None]:
        if entry is not None and _class_of(entry.rows) < len(_CLASSES):
            run.append(entry)
            continue
        if len(run) > 1:
            blocks = [read(one) for one in run]
            rewrites.append(Rewrite(tuple(run), tuple(_cut(Block.concat(blocks, blocks[0].dataset).in_order()))))
        run = []
    return rewrites


@dataclass(frozen=True, slots=True)
class _Span:
    """Live files start..stop (positions, may be none) that become one together with some of the new rows."""

    start: int
    stop: int
    rows: slice


def _span_beside(files: Sequence[FileEntry], ts: NDArray[np.int64]) -> _Span:
    start, stop = _small_beside(files, sum(entry.first <= int(ts[0]) for entry in files))
    return _with_run_before(files, _Span(start, stop, slice(0, len(ts))), 0)


def _spans_touched(files: Sequence[FileEntry], ts: NDArray[np.int64]) -> list[_Span]:
    spans: list[_Span] = []
    for position, inside, rows in _pieces(files, ts):
        start, stop = (position, position + 1) if inside else _small_beside(files, position)
        if spans and start < spans[-1].stop:
            before = spans.pop()
            start, rows = before.start, slice(before.rows.start, rows.stop)
        spans.append(_Span(start, stop, rows))
    done: list[_Span] = []
    for span in spans:
        floor = done[-1].stop if done else 0
        done.append(_with_run_before(files, span, floor))
    return done


def _pieces(files: Sequence[FileEntry], ts: NDArray[np.int64]) -> list[tuple[int, bool, slice]]:
    """Cut rows where they pass from a file to a gap or back: (file position, inside it or in the gap before it, rows)."""
    lasts = np.array([entry.last for entry in files], np.int64)
    firsts = np.array([*(entry.first for entry in files), np.iinfo(np.int64).max], np.int64)
    position = np.searchsorted(lasts, ts)
    zone = 2 * position + (firsts[position] <= ts)
    edges = [0, *(np.flatnonzero(np.diff(zone)) + 1).tolist(), len(ts)]
    return [(int(position[a]), bool(zone[a] % 2), slice(a, b)) for a, b in pairwise(edges)]


def _small_beside(files: Sequence[FileEntry], position: int) -> tuple[int, int]:
    """The small file before or after the gap in front of ``position``, as a span; else the empty span there."""
    if position > 0 and files[position - 1].rows < SMALL_ROWS:
        return position - 1, position
    if position < len(files) and files[position].rows < SMALL_ROWS:
        return position, position + 1
    return position, position


def _with_run_before(files: Sequence[FileEntry], span: _Span, floor: int) -> _Span:
    """Take in the run of files of one size class that lies before, while it makes the FAN_OUT-th of its class."""
    start = span.start
    total = sum(entry.rows for entry in files[span.start : span.stop]) + span.rows.stop - span.rows.start
    while 0 < (size := _class_of(total)) < len(_CLASSES):
        first = start
        while first > floor and _class_of(files[first - 1].rows) == size:
            first -= 1
        if start - first < FAN_OUT - 1:
            break
        total += sum(entry.rows for entry in files[first:start])
        start = first
    return _Span(start, span.stop, span.rows)


def _cut(whole: Block) -> list[Block]:
    """Even parts of at most about LARGEST_ROWS; all revisions of a candle stay in one."""
    ts, parts = whole["ts"], -(-len(whole) // LARGEST_ROWS)
    edges = [0]
    for number in range(1, parts):
        edge = len(whole) * number // parts
        edges.append(int(np.searchsorted(ts, ts[edge])))
    edges.append(len(whole))
    return [whole.take(slice(a, b)) for a, b in pairwise(edges) if a < b]


def _class_of(rows: int) -> int:
    return sum(rows >= bound for bound in _CLASSES)


def _fill_unknown(incoming: Block, old: Block) -> Block:
    # An average outside of the new low and high is that of another candle; no contract has seen the two together.
    among = (old["vwap"] >= incoming["low"]) & (old["vwap"] <= incoming["high"])
    among |= (old["low"] == incoming["low"]) & (old["high"] == incoming["high"])
    vwap = np.where(np.isnan(incoming["vwap"]) & among, old["vwap"], incoming["vwap"])
    trades = np.where(incoming["trades"] == UNKNOWN, old["trades"], incoming["trades"])
    return Block({**incoming.columns, "vwap": vwap, "trades": trades}, incoming.dataset)


def _same(left: Block, right: Block) -> NDArray[np.bool_]:
    same = left["trades"] == right["trades"]
    for name in left.dataset.floats:
        tolerance = _SAME_RELATIVE if name in ("volume", "vwap") else 0.0
        same &= np.isclose(left[name], right[name], rtol=tolerance, atol=0.0, equal_nan=True)
    return np.asarray(same, bool)

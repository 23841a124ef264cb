"""Rules that weigh a price or a volume against its neighbours, its own past, and other venues.

In: rows, the facts (rows before the first, other venues' closes), the rule's params.  Out: ``Hits``.  Never: a verdict on one
number alone: a real market did fall by a factor of eight in an hour, so only what a neighbour disproves is called a misprint.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kracken_tasks.contracts.subject import (
    STRETCH,
    Candles,
    Elsewhere,
    Facts,
    Floats,
    Hits,
    Mask,
    Params,
    Rows,
    Times,
    Trades,
    hits,
    joined,
    no_hits,
    spans,
)

__all__ = [
    "against_venues",
    "far_from_venues",
    "jump",
    "misprint",
    "odd_print",
    "shifted_clock",
    "step_in_price",
    "stored_misprint",
    "volume_unit",
    "wick",
]

# Places of rows, in groups.  Shape: [N, size].
Blocks: TypeAlias = NDArray[np.int64]

# Median absolute deviation to standard deviation, for normal moves.
_MAD_TO_SIGMA: Final = 1.4826
_ROWS_FOR_SIGMA: Final = 30


def jump(candles: Candles, facts: Facts, params: Params) -> Hits:
    """A move (close to close, or open to close) beyond ``factor`` and beyond ``sigmas`` robust deviations of the usual one.

    A return from a stored candle that is now disproved is ``stored_misprint``'s business.
    """
    before = facts.before_of(candles).price
    if _stored_stands_off(before, candles, params["misprint"]) > 0:
        before = before[:-1]
    factor = float(params["factor"])
    if not _ever_moved(before, candles.close, factor) and not _ever_apart(candles.open, candles.close, factor):
        return no_hits(candles)
    moves, bound = _moves(before, candles.close, params)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.fmax(np.abs(moves), np.abs(np.log(candles.close / candles.open)))
    return _jumped(size, bound)


def step_in_price(rows: Rows, facts: Facts, params: Params) -> Hits:
    """A move from one event to the next beyond ``factor`` and beyond ``sigmas`` robust deviations of the usual one."""
    before, price = facts.before_of(rows).price, rows.price
    if not _ever_moved(before, price, float(params["factor"])):
        return no_hits(rows)
    moves, bound = _moves(before, price, params)
    return _jumped(np.abs(moves), bound)


def misprint(rows: Rows, facts: Facts, params: Params) -> Hits:
    """No single row stands off by ``factor`` from the one before and the one after while those two agree (within ``agree``).

    The price that returns at once is what tells a slipped decimal point from a market that moved; the newest row of all has
    nothing after it yet and is left to ``jump``.
    """
    before, price = facts.before_of(rows).price[-1:], rows.price
    if len(before) + len(price) < 3 or not _ever_moved(before, price, float(params["factor"])):
        return no_hits(rows)
    price = _logs(joined(before, price))
    earlier, middle, later = price[:-2], price[1:-1], price[2:]
    bound, agree = float(np.log(params["factor"])), float(np.log(params["agree"]))
    up, down = middle - np.fmax(earlier, later), np.fmin(earlier, later) - middle
    with np.errstate(invalid="ignore"):
        single = ((up > bound) | (down > bound)) & (np.abs(earlier - later) <= agree)
    mask = np.zeros(len(rows), bool)
    mask[np.flatnonzero(single) + 1 - len(before)] = True
    largest = _largest(np.fmax(up, down), single)
    return hits(
        mask,
        f"stood off by a factor of up to {largest:.3g} from the rows before and after, which agree with each other",
    )


def stored_misprint(candles: Candles, facts: Facts, params: Params) -> Hits:
    """The newest stored candle is not disproved by the first one that comes after it.

    When it was judged nothing came after it yet; so a misprint in the newest candle is in the lake by the time it is known for one.
    """
    before = facts.before_of(candles).price
    off = _stored_stands_off(before, candles, params)
    told = (
        f"The candle stored last before these (close {before[-1]:.10g}) stood off by a factor of {np.exp(off):.3g}"
        if off
        else ""
    )
    return Hits(np.zeros(len(candles), bool), f"{told} from the rows before and after, which agree." if told else "")


def odd_print(trades: Trades, facts: Facts, params: Params) -> Hits:
    """No trade's price is off by ``factor`` from the median of the trades around it (``reach`` to either side)."""
    reach = int(params["reach"])
    before = facts.before_of(trades).price[-reach:]
    price = _logs(np.concatenate([before, trades.price]))
    if len(price) < 2 * reach + 1:
        return no_hits(trades)
    padded = np.concatenate([price[reach:0:-1], price, price[-2 : -reach - 2 : -1]])
    usual = np.median(sliding_window_view(padded, 2 * reach + 1), axis=1)[len(before) :]
    with np.errstate(invalid="ignore"):
        off = np.abs(price[len(before) :] - usual)
        mask = off > float(np.log(params["factor"]))
    largest = _largest(off, mask)
    return hits(mask, f"had a price off by a factor of up to {largest:.3g} from the trades around")


def wick(candles: Candles, facts: Facts, params: Params) -> Hits:
    """High and low reach beyond open and close by less than ``factor``."""
    top, bottom = np.maximum(candles.open, candles.close), np.minimum(candles.open, candles.close)
    factor = float(params["factor"])
    if not _ever_apart(candles.high, top, factor) and not _ever_apart(candles.low, bottom, factor):
        return no_hits(candles)
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below = np.log(candles.high / top), np.log(bottom / candles.low)
        reach = np.fmax(above, below)
        long = reach > float(np.log(params["factor"]))
    largest = _largest(reach, long)
    return hits(long, f"reached beyond open and close by a factor of up to {largest:.3g}")


def volume_unit(rows: Candles | Trades, facts: Facts, params: Params) -> Hits:
    """Volume stays in base: from one block of ``block`` traded rows to the next, or the one after, it does not change by just the
    price, as it does where a source begins to write turnover in quote.

    One row proves nothing: real volumes change a thousandfold within the hour.  So medians are compared, within a factor
    ``within``, and only where the price is far enough from 1 (``min_factor``) and from the scatter inside the blocks (``sigmas``).
    """
    before = facts.before_of(rows)
    past = before if isinstance(before, Candles | Trades) else rows.where(np.zeros(0, np.int64))
    volume, price = joined(past.volume, rows.volume), joined(past.price, rows.price)
    traded, size = np.flatnonzero(_usable(volume) & _usable(price)), int(params["block"])
    blocks = traded[len(traded) % size :].reshape(-1, size)
    if len(blocks) < 2:
        return no_hits(rows)
    middle = _middles(volume, blocks)
    least, within = float(np.log(params["min_factor"])), float(np.log(params["within"]))
    mixed = np.zeros(len(blocks), bool)
    for apart in (1, 2):
        shift = np.abs(middle[apart:] - middle[:-apart])
        # A shift by just the price is not much smaller than the smallest price that counts; scatter is asked of such blocks alone.
        some = np.flatnonzero(shift > least - within) + apart
        level = np.abs(_middles(price, blocks[some]))
        noise = np.maximum(_scatter(volume, blocks[some]), _scatter(volume, blocks[some - apart]))
        far = level > np.maximum(float(params["sigmas"]) * noise, least)
        mixed[some] |= far & (np.abs(shift[some - apart] - level) < within)
    mask = np.zeros(len(volume), bool)
    mask[blocks[mixed]] = True
    return hits(mask[len(past) :], "changed in volume by just the price: base and quote are mixed up")


def far_from_venues(rows: Rows, facts: Facts, params: Params) -> Hits:
    """The price is within ``factor`` of at least one other venue's, of the same window or moment."""
    if facts.elsewhere is None:
        return no_hits(rows)
    others = facts.elsewhere.at(rows.ts)
    off = _outside(rows.price, others.low, others.high)
    far = off > float(np.log(params["factor"]))
    return hits(far, f"differed by a factor of up to {_largest(off, far):.3g} from every other venue")


def against_venues(rows: Rows, facts: Facts, params: Params) -> Hits:
    """The price is not ``factor`` away from at least ``venues`` other venues that agree with each other (within ``agree``)."""
    if facts.elsewhere is None:
        return no_hits(rows)
    others = facts.elsewhere.at(rows.ts)
    with np.errstate(invalid="ignore"):
        sure = (others.venues >= int(params["venues"])) & (others.high <= others.low * float(params["agree"]))
    off = _outside(rows.price, others.median, others.median)
    wrong = sure & (off > float(np.log(params["factor"])))
    return hits(
        wrong,
        f"had a price that other venues, which agree, disprove: off by a factor of up to {_largest(off, wrong):.3g}",
    )


def shifted_clock(candles: Candles, facts: Facts, params: Params) -> Hits:
    """Moves go with other venues' moves of the same window, not with those of a window some way off.

    A series named by its close time, or in local time, follows the others perfectly, only so many candles away.  Correlation of
    returns at ``max_lag`` windows either way; told when another lag than none is better by ``margin`` and at least ``min_match``.
    """
    if facts.elsewhere is None or len(candles) < int(params["from_rows"]):
        return no_hits(candles)
    ours, theirs = _returns_on_one_grid(candles, facts.elsewhere, facts.step_us)
    most = int(params["max_lag"])
    match = {lag: _correlation(ours, theirs, lag, int(params["from_rows"])) for lag in range(-most, most + 1)}
    best = max(match, key=lambda lag: match[lag])
    if best == 0 or match[best] < float(params["min_match"]) or match[best] - match[0] < float(params["margin"]):
        return no_hits(candles)
    word = "later" if best > 0 else "earlier"
    return Hits(
        np.zeros(len(candles), bool),
        f"Moves go with other venues' moves {abs(best)} candles {word} (match {match[best]:.2f}, in place {match[0]:.2f}): "
        "one of the clocks is shifted, or candles are named by their close.",
    )


def _stored_stands_off(before: Floats, candles: Candles, params: Params) -> float:
    """How far (in logs) the last stored close stands off from its neighbours, 0 if they do not disprove it."""
    if len(before) < 2 or not len(candles):
        return 0.0
    earlier, middle, later = _logs(np.array([before[-2], before[-1], candles.close[0]]))
    off = float(max(middle - max(earlier, later), min(earlier, later) - middle))
    disproved = off > np.log(params["factor"]) and abs(earlier - later) <= np.log(params["agree"])
    return off if disproved else 0.0


def _usable(values: Floats) -> Mask:
    """Values that have a logarithm."""
    return (values > 0) & (values < np.inf)


def _middles(values: Floats, blocks: Blocks) -> Floats:
    """The median logarithm of each block of places.  Shapes: blocks [N, size] -> [N]."""
    size = blocks.shape[1]
    middle = np.empty((len(blocks), 2))
    step = max(STRETCH // size, 1)
    for start in range(0, len(blocks), step):
        ordered = np.sort(values[blocks[start : start + step]], axis=1)
        middle[start : start + step] = ordered[:, [(size - 1) // 2, size // 2]]
    means: Floats = np.log(middle).mean(axis=1)
    return means


def _scatter(values: Floats, blocks: Blocks) -> Floats:
    """The robust deviation of the logarithms in each block of places."""
    logs = np.log(values[blocks])
    scatter: Floats = _MAD_TO_SIGMA * np.median(np.abs(logs - np.median(logs, axis=1, keepdims=True)), axis=1)
    return scatter


def _ever_moved(before: Floats, price: Floats, factor: float) -> bool:
    """Whether a price may stand off by ``factor`` from the one before it; without logarithms, for nearly always none does."""
    seam = np.concatenate([before[-1:], price[:1]])
    return _ever_apart(seam[:-1], seam[1:], factor) or _ever_apart(price[:-1], price[1:], factor)


def _ever_apart(one: Floats, other: Floats, factor: float) -> bool:
    """Whether two values in one place may differ by ``factor``.  No: surely not; yes: to be looked at with logarithms."""
    bound = factor * (1 - 1e-9)  # the last digits are the logarithms' business
    for span in spans(len(one)):
        a, b = one[span], other[span]
        if bool(((a > bound * b) | (b > bound * a)).any()):
            return True
    return False


def _moves(before: Floats, price: Floats, params: Params) -> tuple[Floats, float]:
    """Moves from row to row [N], and the size beyond which one is not usual."""
    both = np.concatenate([before, price])
    moves = np.diff(_logs(both), prepend=np.nan)[len(before) :]
    usual = np.diff(_logs(both[np.isfinite(both) & (both > 0)]))
    sigma = 0.0
    if len(usual) >= _ROWS_FOR_SIGMA:
        sigma = _MAD_TO_SIGMA * float(np.median(np.abs(usual - np.median(usual))))
    return moves, max(float(params["sigmas"]) * sigma, float(np.log(params["factor"])))


def _jumped(size: Floats, bound: float) -> Hits:
    with np.errstate(invalid="ignore"):
        mask: Mask = np.isfinite(size) & (size > bound)
    largest = _largest(size, mask)
    return hits(mask, f"moved in price by a factor of up to {largest:.3g} at once")


def _outside(price: Floats, low: Floats, high: Floats) -> Floats:
    """How far (in logs) a price lies outside a range; 0 inside it and where nothing is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.fmax(np.fmax(np.log(price / high), np.log(low / price)), 0.0)


def _largest(logs: Floats, among: Mask) -> float:
    """The largest of some factors, 1 if there is none."""
    return float(np.exp(logs[among].max())) if among.any() else 1.0


def _returns_on_one_grid(candles: Candles, elsewhere: Elsewhere, step: int) -> tuple[Floats, Floats]:
    """Log returns of both on the grid from the first to the last common window; NaN where a neighbour is missing."""
    first = min(int(candles.ts.min()), int(elsewhere.ts.min()))
    last = max(int(candles.ts.max()), int(elsewhere.ts.max()))
    size = (last - first) // step + 1

    def laid_out(ts: Times, price: Floats) -> Floats:
        line = np.full(size, np.nan)
        line[(ts - first) // step] = _logs(price)
        return np.diff(line)

    return laid_out(candles.ts, candles.close), laid_out(elsewhere.ts, elsewhere.median)


def _correlation(ours: Floats, theirs: Floats, lag: int, from_rows: int) -> float:
    if lag >= 0:
        a, b = ours[: len(ours) - lag], theirs[lag:]
    else:
        a, b = ours[-lag:], theirs[: len(theirs) + lag]
    both = np.isfinite(a) & np.isfinite(b)
    if int(both.sum()) < from_rows:
        return 0.0
    a, b = a[both] - a[both].mean(), b[both] - b[both].mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def _logs(values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((values > 0) & np.isfinite(values), np.log(values), np.nan)

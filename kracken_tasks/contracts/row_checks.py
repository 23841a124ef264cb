"""Rules about what a row is: its place on the grid, its own numbers, and rows told twice.

In: rows in the order they came, the facts, the rule's params.  Out: ``Hits``.  Never: a comparison of prices between rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kracken_tasks.contracts.subject import (
    Candles,
    Facts,
    Hits,
    Mask,
    Params,
    Quotes,
    Rows,
    Times,
    Trades,
    hits,
    joined,
    no_hits,
    spans,
)
from kracken_tasks.contracts.time_checks import out_of_any_market
from kracken_tasks.domain.clock import iso, to_ns
from kracken_tasks.domain.market import Timeframe

__all__ = [
    "closed",
    "empty_is_flat",
    "flat_padding",
    "frozen",
    "id_gaps",
    "last_near",
    "locked",
    "on_grid",
    "one_story_per_id",
    "repeated",
    "repeated_id",
    "right_timeframe",
    "trades_match_volume",
    "vwap_in_range",
    "wide_spread",
]


# -- candles -----------------------------------------------------------------------------------------------------------


def on_grid(candles: Candles, facts: Facts, params: Params) -> Hits:
    """Open times are whole multiples of the timeframe."""
    origin = to_ns(facts.timeframe.floor(facts.now)) // 1000
    off = ((candles.ts - origin) % facts.step_us != 0) & ~out_of_any_market(candles.ts, facts.now_us)
    return hits(off, f"opened off the {facts.timeframe.value} grid")


def right_timeframe(candles: Candles, facts: Facts, params: Params) -> Hits:
    """The rows are not candles of a wider timeframe under this key: ``share`` of them lie and step on its grid."""
    ts, share = candles.ts, float(params["share"])
    if len(ts) < int(params["from_rows"]):
        return no_hits(candles)
    steps = np.diff(ts)
    # What more than half say is the median; asking for it among so many equals is slow.
    if 2 * int(np.count_nonzero(steps == facts.step_us)) > len(steps):
        return no_hits(candles)
    usual = float(np.median(steps))
    for wider in (one for one in Timeframe if one.seconds > facts.timeframe.seconds and one.seconds * 1e6 == usual):
        origin = to_ns(wider.floor(facts.now)) // 1000
        if np.mean((ts - origin) % int(usual) == 0) >= share and np.mean(steps == usual) >= share:
            told = f"stepped by {wider.value}: they are {wider.value} candles under a wrong name"
            return Hits(np.ones(len(ts), bool), told)
    return no_hits(candles)


def closed(candles: Candles, facts: Facts, params: Params) -> Hits:
    """No candle that has opened and not closed yet."""
    running = (candles.ts <= facts.now_us) & (candles.ts + facts.step_us > facts.now_us)
    return hits(running, f"was still running at {iso(facts.now)}")


def vwap_in_range(candles: Candles, facts: Facts, params: Params) -> Hits:
    """low <= vwap <= high within a relative tolerance, unless unknown, or 0 in a window without trades.

    Source: Kraken OHLC answers, where an empty window is a flat row with volume 0 and vwap 0.
    """
    if np.isnan(candles.vwap).all():
        return no_hits(candles)
    slack = candles.close * float(params["tolerance"])
    empty = (candles.vwap == 0) & (candles.volume == 0)
    outside = (candles.vwap < candles.low - slack) | (candles.vwap > candles.high + slack)
    return hits(outside & ~empty, "had a vwap outside low and high")


def empty_is_flat(candles: Candles, facts: Facts, params: Params) -> Hits:
    """A window without volume has one price: nobody can move a price without trading."""
    return hits((candles.volume == 0) & (candles.high > candles.low), "moved in price without any volume")


def trades_match_volume(candles: Candles, facts: Facts, params: Params) -> Hits:
    """Where the number of trades is told, it is zero exactly when the volume is."""
    known = np.isfinite(candles.trades)
    return hits(
        known & ((candles.trades == 0) != (candles.volume == 0)), "had trades without volume, or volume without trades"
    )


def flat_padding(candles: Candles, facts: Facts, params: Params) -> Hits:
    """The share of zero-volume rows whose four prices are equal."""
    flat = (candles.volume == 0) & (candles.high == candles.low)
    share = float(flat.mean()) if len(flat) else 0.0
    if len(flat) < int(params["from_rows"]) or share <= float(params["max_share"]):
        return no_hits(candles)
    return hits(flat, f"was flat without volume, {share:.0%} of all")


def repeated(candles: Candles, facts: Facts, params: Params) -> Hits:
    """No stretch of traded candles says word for word what the window before, the hour before or the day before said.

    An hour told twice is a clock set back, and the same candle under new times is a source that stands still.  Told when the copies
    cover at least ``run_seconds`` in a row; a flat or an empty candle may well look like another.
    """
    before = facts.before_of(candles)
    both = _Both(before, candles)
    run = max(int(np.ceil(float(params["run_seconds"]) * 1e6 / facts.step_us)), 1)
    mask = np.zeros(len(before) + len(candles), bool)
    for lag in sorted(one for one in {facts.step_us, 3_600_000_000, 86_400_000_000} if one >= facts.step_us):
        copies = both.copies(lag, facts.step_us)
        if len(copies) >= run:
            told = np.zeros(len(mask), bool)
            told[copies] = True
            mask |= _in_runs(told, run)
    return hits(
        mask[len(before) :],
        "said word for word what an earlier candle said: an hour told twice, or a source that stands still",
    )


# -- trades ------------------------------------------------------------------------------------------------------------


def one_story_per_id(trades: Trades, facts: Facts, params: Params) -> Hits:
    """Rows with one trade id say the same."""
    differs = _told_again(trades) & ~_same_as_first(trades)
    again = np.isin(trades.trade_id, trades.trade_id[differs]) & (trades.trade_id >= 0)
    return hits(again, "told different things under one trade id")


def repeated_id(trades: Trades, facts: Facts, params: Params) -> Hits:
    """Every trade is told once; the same one again is kept out by its id, and is told here."""
    return hits(_told_again(trades) & _same_as_first(trades), "repeated an earlier trade")


def id_gaps(trades: Trades, facts: Facts, params: Params) -> Hits:
    """Ids follow each other without a gap at the venues (``consecutive_at``) that count a symbol's trades one by one."""
    if facts.key.exchange not in params["consecutive_at"]:
        return no_hits(trades)
    before = facts.before_of(trades)
    last = before.trade_id.max(initial=-1) if isinstance(before, Trades) else -1
    ids = np.unique(trades.trade_id[trades.trade_id >= 0])
    steps = np.diff(ids, prepend=last if 0 <= last < ids.min(initial=np.iinfo(np.int64).max) else ids[:1] - 1)
    lost = int((steps - 1).sum())
    return hits(np.isin(trades.trade_id, ids[steps > 1]), f"came after a gap in the trade ids (trades missing: {lost})")


# -- quotes ------------------------------------------------------------------------------------------------------------


def locked(quotes: Quotes, facts: Facts, params: Params) -> Hits:
    """Bid lies below ask: equal ones are a book that was read while it changed."""
    return hits(quotes.bid == quotes.ask, "had a bid equal to the ask")


def wide_spread(quotes: Quotes, facts: Facts, params: Params) -> Hits:
    """Ask over bid stays below ``max_fraction`` of the mid."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (quotes.ask - quotes.bid) / quotes.price
        wide = spread > float(params["max_fraction"])
    return hits(wide, f"had a spread of up to {spread[wide].max(initial=0.0):.1%} of the price")


def last_near(quotes: Quotes, facts: Facts, params: Params) -> Hits:
    """The last trade's price lies within ``max_fraction`` of the mid."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(quotes.last / quotes.price - 1)
        far = off > float(params["max_fraction"])
    return hits(far, f"had a last price off by up to {off[far].max(initial=0.0):.1%} from the mid")


def frozen(quotes: Quotes, facts: Facts, params: Params) -> Hits:
    """Bid and ask, with their volumes, do not stand still for ``min_rows`` rows over ``min_seconds``: a dead feed repeats itself."""
    size = len(quotes)
    if size < int(params["min_rows"]):
        return no_hits(quotes)
    moved = np.zeros(size, bool)
    for column in (quotes.bid, quotes.ask, quotes.bid_volume, quotes.ask_volume):
        moved[1:] |= (column[1:] != column[:-1]) & ~(np.isnan(column[1:]) & np.isnan(column[:-1]))
    starts = np.concatenate([[0], np.flatnonzero(moved)])
    ends = np.concatenate([starts[1:], [size]])
    lasted = (quotes.ts[ends - 1] - quotes.ts[starts]) / 1e6
    still = (ends - starts >= int(params["min_rows"])) & (lasted >= float(params["min_seconds"]))
    mask = np.repeat(still, ends - starts)
    return hits(mask, f"stood still for up to {lasted[still].max(initial=0.0):,.0f} seconds")


class _Both:
    """Stored candles and those after them, laid end to end column by column, when a column is asked for."""

    def __init__(self, before: Rows, candles: Candles) -> None:
        self._parts = (before, candles)
        self._joined: dict[str, Any] = {}

    def copies(self, lag: int, step: int) -> Times:
        """Places of traded candles that equal, in all five numbers, the candle ``lag`` before them; rising."""
        ts, volume, apart = self._column("ts"), self._column("volume"), lag // step
        places, away = [], [np.arange(min(apart, len(ts)))]
        for span in spans(len(ts)):
            start = max(
                span.start, apart
            )  # the earlier candle stands so many rows before, if nothing is missing in between
            if start >= span.stop:
                continue
            there = slice(start - apart, span.stop - apart)
            in_place = ts[start : span.stop] - ts[there] == lag
            places.append(np.flatnonzero(in_place & (volume[start : span.stop] == volume[there])) + start)
            if not in_place.all():
                away.append(np.flatnonzero(~in_place) + start)
        found = np.concatenate([*places, np.empty(0, np.int64)]).astype(np.int64)
        apart_too, theirs = self._found_elsewhere(np.concatenate(away), lag)
        now, then = np.concatenate([found, apart_too]), np.concatenate([found - apart, theirs])
        same = volume[now] == volume[then]
        for name in ("close", "open", "high", "low"):
            if not len(now):
                break
            column = self._column(name)
            same = same & (column[now] == column[then])
            now, then, same = now[same], then[same], same[same]
        alive = same & (volume[now] > 0) & (self._column("high")[now] > self._column("low")[now])
        return np.sort(now[alive])

    def _found_elsewhere(self, places: Times, lag: int) -> tuple[Times, Times]:
        """Those of the places for which a candle ``lag`` before is there, and where it is."""
        ts = self._column("ts")
        if not len(ts):
            return places, places
        wanted = ts[places] - lag
        places, wanted = places[wanted >= ts.min()], wanted[wanted >= ts.min()]
        if not len(places):
            return places, places
        order = None if bool((ts[1:] >= ts[:-1]).all()) else np.argsort(ts, kind="stable")
        found = np.minimum(np.searchsorted(ts, wanted, sorter=order), len(ts) - 1)
        earlier = found if order is None else order[found]
        there = ts[earlier] == wanted
        return places[there], earlier[there]

    def _column(self, name: str) -> Any:
        if name not in self._joined:
            self._joined[name] = joined(*(getattr(part, name) for part in self._parts))
        return self._joined[name]


def _in_runs(mask: Mask, length: int) -> Mask:
    """Only the stretches of at least ``length`` in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    kept = np.zeros(len(mask), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        kept[start:end] = end - start >= length
    return kept


def _first_places(trades: Trades) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """For every row, where its id stood first."""
    _, first, inverse = np.unique(trades.trade_id, return_index=True, return_inverse=True)
    places: np.ndarray[tuple[int], np.dtype[np.intp]] = first[inverse]
    return places


def _told_again(trades: Trades) -> Mask:
    again: Mask = (trades.trade_id >= 0) & (_first_places(trades) != np.arange(len(trades)))
    return again


def _same_as_first(trades: Trades) -> Mask:
    first = _first_places(trades)
    same: Mask = (trades.price == trades.price[first]) & (trades.volume == trades.volume[first])
    return same

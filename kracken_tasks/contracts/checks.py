"""Rules that look at a row's time, its neighbours, or the clock: plain functions, listed by name in the contract files.

In: a series' rows as arrays, in the order they came, and the facts around them.  Out: ``Hits``: which rows, and a sentence.
Never: dropping or mending anything.  Each rule looks at its own promise only, so that one fault has one name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kracken_tasks.domain.clock import iso, to_ms
from kracken_tasks.domain.market import SeriesKey

__all__ = ["CHECKS", "Candles", "Check", "Facts", "Hits"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Median absolute deviation to standard deviation, for normal moves.
_MAD_TO_SIGMA: Final = 1.4826
_MOVES_FOR_SIGMA: Final = 30


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """One series' rows as arrays (shapes: all [N]).  ``ts`` in milliseconds; ``trades`` float, NaN unknown."""

    ts: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Floats

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        numbers = {
            name: np.asarray(frame[name], np.float64) for name in ("open", "high", "low", "close", "volume", "vwap")
        }
        trades = frame["trades"].to_numpy(dtype=np.float64, na_value=np.nan)
        return cls(ts=pd.DatetimeIndex(frame["ts"]).as_unit("ms").asi8, trades=trades, **numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a rule may know beside the rows.

    ``asked_to``: end of the asked range, None when nothing was asked (rows read back).  ``before``: closes of the candles just
    before the first row, oldest first, so that a fault at the seam is seen.
    """

    key: SeriesKey
    now: datetime
    asked_from: datetime | None
    asked_to: datetime | None
    before: Floats

    @property
    def now_ms(self) -> int:
        return to_ms(self.now)

    @property
    def step_ms(self) -> int:
        return self.key.timeframe.seconds * 1000


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Rows that break a rule.  ``detail`` is empty when the rule holds; a rule about the whole series may hit no row."""

    rows: Mask
    detail: str

    @property
    def fired(self) -> bool:
        return bool(self.detail)


Params = Mapping[str, Any]
Check = Callable[[Candles, Facts, Params], Hits]


def in_order(candles: Candles, facts: Facts, params: Params) -> Hits:
    """Open times never go back (a doubled one is another rule's business)."""
    return _hits(np.diff(candles.ts, prepend=candles.ts[:1]) < 0, "rows earlier than the one before them")


def on_grid(candles: Candles, facts: Facts, params: Params) -> Hits:
    """Open times are whole multiples of the timeframe."""
    origin = to_ms(facts.key.timeframe.floor(facts.now))
    return _hits((candles.ts - origin) % facts.step_ms != 0, f"open times off the {facts.key.timeframe.value} grid")


def closed(candles: Candles, facts: Facts, params: Params) -> Hits:
    """No candle that has opened and not closed yet."""
    running = (candles.ts <= facts.now_ms) & (candles.ts + facts.step_ms > facts.now_ms)
    return _hits(running, f"still running at {iso(facts.now)}")


def not_from_future(candles: Candles, facts: Facts, params: Params) -> Hits:
    """No candle opens after now."""
    return _hits(candles.ts > facts.now_ms, f"opens after {iso(facts.now)}")


def vwap_in_range(candles: Candles, facts: Facts, params: Params) -> Hits:
    """low <= vwap <= high within a relative tolerance, unless unknown, or 0 in a window without trades.

    Source: Kraken OHLC answers, where an empty window is a flat row with volume 0 and vwap 0.
    """
    slack = candles.close * float(params["tolerance"])
    empty = (candles.vwap == 0) & (candles.volume == 0)
    outside = (candles.vwap < candles.low - slack) | (candles.vwap > candles.high + slack)
    return _hits(outside & ~empty, "vwap outside low and high")


def jump(candles: Candles, facts: Facts, params: Params) -> Hits:
    """A move (close to close, or open to close) beyond ``factor`` and beyond ``sigmas`` robust deviations of the usual one."""
    closes = np.concatenate([facts.before, candles.close])
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = np.diff(np.log(closes), prepend=np.nan)[len(facts.before) :]
        within = np.log(candles.close / candles.open)
    usual = np.diff(np.log(closes[np.isfinite(closes) & (closes > 0)]))
    sigma = (
        _MAD_TO_SIGMA * float(np.median(np.abs(usual - np.median(usual)))) if len(usual) >= _MOVES_FOR_SIGMA else 0.0
    )
    bound = max(float(params["sigmas"]) * sigma, float(np.log(params["factor"])))
    size = np.fmax(np.abs(moves), np.abs(within))
    hit = np.isfinite(size) & (size > bound)
    largest = float(np.exp(size[hit].max())) if hit.any() else 1.0
    return _hits(hit, f"price moved by a factor of up to {largest:.3g} within a bar")


def flat_padding(candles: Candles, facts: Facts, params: Params) -> Hits:
    """The share of zero-volume rows whose four prices are equal."""
    flat = (candles.volume == 0) & (candles.high == candles.low)
    share = float(flat.mean()) if len(flat) else 0.0
    if len(flat) < int(params["from_rows"]) or share <= float(params["max_share"]):
        return _hits(np.zeros(len(flat), bool), "")
    return _hits(flat, f"{share:.0%} of the rows are flat without volume")


def stale(candles: Candles, facts: Facts, params: Params) -> Hits:
    """The newest row is not much older than the end of what was asked."""
    if facts.asked_to is None or facts.asked_from is None:
        return _hits(np.zeros(len(candles), bool), "")
    due = to_ms(facts.key.timeframe.floor(min(facts.asked_to, facts.now))) - facts.step_ms
    newest = int(candles.ts.max()) if len(candles) else to_ms(facts.asked_from) - facts.step_ms
    behind = (due - newest) // facts.step_ms
    late = behind > int(params["max_candles"])
    return Hits(
        np.zeros(len(candles), bool), f"the newest row is {behind} candles behind what was asked" if late else ""
    )


CHECKS: Final[Mapping[str, Check]] = {
    "in_order": in_order,
    "on_grid": on_grid,
    "closed": closed,
    "not_from_future": not_from_future,
    "vwap_in_range": vwap_in_range,
    "jump": jump,
    "flat_padding": flat_padding,
    "stale": stale,
}


def _hits(rows: Mask, detail: str) -> Hits:
    return Hits(rows, detail if bool(rows.any()) else "")

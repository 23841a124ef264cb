"""Sums that agree with an exchange's own to the last digit: volumes as whole lots, average prices as the venue prints them.

In: arrays and the positions at which groups begin.  Out: one float a group, the nearest to the exact decimal sum.  Never: a sum of floats
where their rounding could show.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np

__all__ = ["exact_sums", "mean_prices", "printed"]

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_LOTS_A_UNIT: Final = 10**8
_EXACT: Final = 2**53  # whole numbers up to here are floats without loss
_MOST: Final = 2**62  # what an int64 sum holds with room to spare


def exact_sums(values: Floats, first: Ints) -> Floats:
    """Sum groups of decimal amounts.

    Shapes: values [N], first [G] (rising positions, the first is 0) -> [G].
    Amounts of at most eight decimals add up as whole lots; a group with finer ones adds the decimals that its floats print.
    """
    if not len(values):
        return np.empty(0, np.float64)
    lots = np.rint(values * _LOTS_A_UNIT)
    # Exact only where eight decimals were all there was, and a float could hold them.
    whole = (np.abs(lots) < _EXACT) & (lots / _LOTS_A_UNIT == values)
    safe = np.logical_and.reduceat(whole, first) & (np.add.reduceat(np.abs(lots), first) < _MOST)
    counts = np.add.reduceat(np.where(whole, lots, 0).astype(np.int64), first)
    sums: Floats = counts / _LOTS_A_UNIT
    ends = np.append(first[1:], len(values))
    for group in np.flatnonzero(~safe | (np.abs(counts) >= _EXACT)):
        if safe[group]:
            sums[group] = (
                int(counts[group]) / _LOTS_A_UNIT
            )  # whole numbers divide to the nearest float, whatever their size
        else:
            cells = values[first[group] : ends[group]]
            sums[group] = float(sum((Decimal(repr(float(cell))) for cell in cells), Decimal(0)))
    return sums


def mean_prices(price: Floats, volume: Floats, first: Ints, price_decimals: int | None = None) -> Floats:
    """Volume-weighted mean price of groups: [N], [N], [G] -> [G]; NaN for a group without volume.

    ``price_decimals``: of the venue's price step.  Given, prices and volumes are weighted as whole ticks and lots, and the mean is
    rounded as the venue prints it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if price_decimals is None:
            mean: Floats = np.add.reduceat(price * volume, first) / np.add.reduceat(volume, first)
            return mean
        ticks, lots = np.rint(price * 10.0**price_decimals), np.rint(volume * _LOTS_A_UNIT)
        worth, weight = np.add.reduceat(ticks * lots, first), np.add.reduceat(lots, first)
        return printed(worth / weight / 10.0**price_decimals, price_decimals)


def printed(values: Floats, decimals: int) -> Floats:
    """Round to ``decimals`` as printing does (numpy's own rounding multiplies first, and may land on the other side of a tie)."""
    return np.array([float(f"{value:.{decimals}f}") for value in values.tolist()], dtype=np.float64)

"""Walk-forward sections: learn on the past, stop by a validation stretch, judge on bars after both.

In: the rows at which windows end.  Out: sections of window positions with an embargo between them.  Never: a later section's window
that touches a candle, or a label, of an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.errors import BadData

__all__ = ["Split", "walk_forward"]

_LEAST = {"training": 20, "validation": 5, "test": 5}  # windows; below this a section says nothing


@dataclass(frozen=True, slots=True)
class Split:
    """Half-open ranges of window positions, in time order: train, then validation, then test."""

    train: slice
    validation: slice
    test: slice


def walk_forward(
    ends: NDArray[np.int64], *, lookback: int, folds: int, validation_fraction: float, test_fraction: float
) -> tuple[Split, ...]:
    """Cut windows into ``folds`` expanding-window splits; the test stretches are neighbours and together the newest bars.

    Time:   ``ends``: ascending rows of the windows' newest candles.  Between two sections lie at least lookback + 1 rows, so that the
            first window of the later one begins after the last label of the earlier one.
    Raises: BadData if a section would hold too few windows, naming how many there are.
    """
    count = len(ends)
    test_size = max(int(count * test_fraction) // folds, 1)
    validation_size = max(int(count * validation_fraction), 1)
    splits = []
    for fold in range(folds):
        test_start = count - (folds - fold) * test_size
        test_stop = test_start + test_size
        validation_stop = _stop_before(ends, test_start, lookback)
        validation_start = max(validation_stop - validation_size, 0)
        train_stop = _stop_before(ends, validation_start, lookback)
        _check(count, train_stop, validation_stop - validation_start, test_stop - max(test_start, 0))
        splits.append(
            Split(slice(0, train_stop), slice(validation_start, validation_stop), slice(test_start, test_stop))
        )
    return tuple(splits)


def _stop_before(ends: NDArray[np.int64], start: int, lookback: int) -> int:
    """How many windows end, label included, before the window at position ``start`` begins."""
    if start < 0:
        return 0
    first_row = ends[start] - lookback + 1
    return int(np.searchsorted(ends, first_row - 1, side="left"))


def _check(count: int, train: int, validation: int, test: int) -> None:
    sizes = {"training": train, "validation": validation, "test": test}
    short = {name: size for name, size in sizes.items() if size < _LEAST[name]}
    if short:
        raise BadData(
            f"{count} windows are too few to learn and to judge: {', '.join(f'{n} {k}' for k, n in short.items())} windows left",
            rule="enough_windows", windows=count, **sizes,
        )  # fmt: skip

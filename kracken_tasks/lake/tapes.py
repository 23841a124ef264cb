"""Which rows of a tape are new: a trade is kept once by its id, any other row once by what it says.

In: known and incoming rows.  Out: the incoming rows that nobody told before.  Never: a revision (what happened does not change).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import UNKNOWN

__all__ = ["first_told"]


def first_told(known: Block, incoming: Block) -> Block:
    """Rows of ``incoming`` (in order) that are neither in ``known`` nor earlier in ``incoming``."""
    ids = incoming["trade_id"] if "trade_id" in incoming.columns else np.full(len(incoming), UNKNOWN, np.int64)
    named = ids != UNKNOWN
    fresh = np.zeros(len(incoming), bool)
    if named.any():
        known_ids = known["trade_id"]
        fresh[named] = _first_of(ids[named]) & ~np.isin(ids[named], known_ids[known_ids != UNKNOWN])
    if not named.all():
        rest = incoming.take(~named)
        keys = _keys(rest)
        # A row without an id is also known if the same event came with one.
        fresh[~named] = _first_of(keys) & ~np.isin(keys, _keys(known))
    return incoming.take(fresh)


def _first_of(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """True where a value stands for the first time."""
    first = np.zeros(len(values), bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _keys(rows: Block) -> NDArray[np.generic]:
    """One opaque value a row, equal where all identity columns are (unknown equals unknown)."""
    parts = np.empty((len(rows), len(rows.dataset.identity)), np.int64)
    for at, name in enumerate(rows.dataset.identity):
        column = rows[name]
        if column.dtype.kind == "f":
            column = np.where(np.isnan(column), np.nan, column + 0.0).view(
                np.int64
            )  # one bit pattern for NaN and for zero
        parts[:, at] = column
    keys: NDArray[np.generic] = parts.view(np.dtype((np.void, parts.itemsize * parts.shape[1]))).reshape(-1)
    return keys

"""The contract's cheap rules on rows that were read back: what a tick applies before it believes candles.

In: a frame with CANDLE_COLUMNS, its key, now.  Out: findings.  Never: Great Expectations (its import alone outlasts a tick);
the rules it checks at the gate stand here a second time as array arithmetic, under the same names, and a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from kracken_tasks.contracts.checks import CHECKS, Candles, Facts, Hits, Mask
from kracken_tasks.domain.clock import from_ms
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import Finding

__all__ = ["ROW_RULES", "finding_of", "row_findings"]

_LARGEST: Final = 1e15


def _doubled(candles: Candles) -> Mask:
    return np.asarray(pd.Series(candles.ts).duplicated(keep=False))


# name -> (action, rule); a NaN is the first rule's business alone, as it is at the gate.
ROW_RULES: Final[Mapping[str, tuple[str, Callable[[Candles], Mask]]]] = {
    "numbers_present": (
        "reject_rows",
        lambda c: np.asarray(np.isnan([c.open, c.high, c.low, c.close, c.volume]).any(axis=0)),
    ),
    "finite": ("reject_rows", lambda c: (c.high > _LARGEST) | (c.volume > _LARGEST)),
    "prices_positive": ("reject_rows", lambda c: c.low <= 0),
    "high_is_highest": ("reject_rows", lambda c: (c.high < c.open) | (c.high < c.close)),
    "low_is_lowest": ("reject_rows", lambda c: (c.open < c.low) | (c.close < c.low)),
    "volume_not_negative": ("reject_rows", lambda c: c.volume < 0),
    "trades_not_negative": ("reject_rows", lambda c: c.trades < 0),
    "one_row_per_candle": ("reject_batch", _doubled),
}

_CHECKS: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "in_order": ("reject_batch", {}),
    "on_grid": ("reject_rows", {}),
    "closed": ("reject_rows", {}),
    "not_from_future": ("reject_rows", {}),
    "vwap_in_range": ("reject_rows", {"tolerance": 0.001}),
    "flat_padding": ("warn", {"max_share": 0.5, "from_rows": 24}),
}


def row_findings(frame: pd.DataFrame, key: SeriesKey, now: datetime) -> tuple[Finding, ...]:
    """Apply every cheap rule to rows of one series, in about a millisecond for a few hundred rows.

    Time: ``now`` is market time; candles that are not closed at ``now`` are findings.  An empty tuple: nothing is wrong.
    """
    candles = Candles.of(frame)
    facts = Facts(key, now, None, None, np.empty(0))
    found = []
    for name, (action, rule) in ROW_RULES.items():
        with np.errstate(invalid="ignore"):
            mask = rule(candles)
        if mask.any():
            found.append(finding_of(name, action, key, candles, Hits(mask, f"breaks {name}")))
    for name, (action, params) in _CHECKS.items():
        hits = CHECKS[name](candles, facts, params)
        if hits.fired:
            found.append(finding_of(name, action, key, candles, hits))
    return tuple(found)


def finding_of(rule: str, action: str, key: SeriesKey, candles: Candles, hits: Hits) -> Finding:
    """One rule's result as the value that travels."""
    first = candles.ts[hits.rows].min() if hits.rows.any() else None
    return Finding(rule, action, key, int(hits.rows.sum()), None if first is None else from_ms(int(first)), hits.detail)

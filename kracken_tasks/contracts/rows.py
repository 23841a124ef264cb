"""The contract's cheap rules on rows that were read back: what a tick applies before it believes candles.

In: a frame with CANDLE_COLUMNS, its key, now.  Out: findings.  Never: Great Expectations (its import alone outlasts a tick), a
contract file; the rules that need nothing but the rows stand here a second time, under the same names, and a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from kracken_tasks.contracts.checks import CHECKS
from kracken_tasks.contracts.contract import Rule
from kracken_tasks.contracts.judging import finding_of
from kracken_tasks.contracts.subject import Candles, Facts, Hits, Mask, Params, hits
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import Finding

__all__ = ["ROW_CHECKS", "ROW_RULES", "row_findings"]

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

# Named checks that need nothing beside the rows themselves, with the params of the contract.
ROW_CHECKS: Final[Mapping[str, tuple[str, Params]]] = {
    "in_order": ("reject_batch", {}),
    "right_timeframe": ("reject_batch", {"from_rows": 24, "share": 0.95}),
    "time_unit": ("reject_rows", {}),
    "on_grid": ("reject_rows", {}),
    "closed": ("reject_rows", {}),
    "not_from_future": ("reject_rows", {}),
    "vwap_in_range": ("reject_rows", {"tolerance": 0.001}),
    "misprint": ("reject_rows", {"factor": 10, "agree": 1.5}),
    "repeated": ("reject_rows", {"run_seconds": 600, "memory": 64}),
    "flat_padding": ("warn", {"max_share": 0.5, "from_rows": 24}),
}


def row_findings(frame: pd.DataFrame, key: SeriesKey, now: datetime) -> tuple[Finding, ...]:
    """Apply every cheap rule to rows of one series, in about a millisecond for a few hundred rows.

    Time: ``now`` is market time; candles that are not closed at ``now`` are findings.  An empty tuple: nothing is wrong.
    """
    candles = Candles.of(frame)
    facts = Facts(key, now)
    found = []
    for name, (action, rule) in ROW_RULES.items():
        with np.errstate(invalid="ignore"):
            broken = hits(rule(candles), f"broke {name}")
        if broken.fired:
            found.append(_finding(name, action, facts, candles, broken))
    for name, (action, params) in ROW_CHECKS.items():
        broken = CHECKS["candles"][name](candles, facts, params)
        if broken.fired:
            found.append(_finding(name, action, facts, candles, broken))
    return tuple(found)


def _finding(name: str, action: str, facts: Facts, candles: Candles, broken: Hits) -> Finding:
    return finding_of(Rule(name, action, "", {}), "", facts, candles, broken)

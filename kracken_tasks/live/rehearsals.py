"""Rehearsals as live trading asks for them: which one was made last, of which rules, up to when.

In: the folder of the reports.  Out: ``Rehearsed``, or None.  Never: a rehearsal itself.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import BadData
from kracken_tasks.live.preflight import Rehearsed
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules

if TYPE_CHECKING:
    from kracken_tasks.strategies import Strategy

__all__ = ["FIGURES", "digest", "find_rehearsed", "rehearsal_name", "rules_mark"]

FIGURES: Final = "figures.json"


def rehearsal_name(strategy: str, key: SeriesKey) -> str:
    """The folder of a strategy's newest rehearsal of one series."""
    return f"{strategy}_{key.symbol.replace('/', '-')}_{key.timeframe.value}"


def rules_mark(strategy: Strategy, limits: RiskLimits, stops: StopRules) -> str:
    """16 hex digits over everything that proposes, sizes, guards and stops an entry: another parameter or limit is another mark."""
    return digest(repr((strategy, limits, stops)))


def digest(text: str) -> str:
    """16 hex digits that another text does not have."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def find_rehearsed(reports: Path, strategy: str, key: SeriesKey) -> Rehearsed | None:
    """The newest rehearsal under ``reports``; None if there is none, one of another venue's candles, or one of before such things were
    written down.

    Raises: BadData naming the file for one that cannot be read.
    """
    path = reports / rehearsal_name(strategy, key) / FIGURES
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8")).get("of")
        if told is None or told["series"] != str(key):
            return None
        return Rehearsed(parse_utc(told["last"]), str(told["rules"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadData(f"{path}: no rehearsal can be read there: {error}", file=str(path)) from error

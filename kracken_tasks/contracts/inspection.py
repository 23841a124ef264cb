"""Holding rows against a contract without storing anything: a file before it is imported, or the lake after a rule was tightened.

In: a frame somebody else wrote, or a snapshot.  Out: findings.  Never: a commit, a quarantine, a row changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd

from kracken_tasks.contracts.contract import Contract
from kracken_tasks.contracts.judging import Subject, judge, subject_of
from kracken_tasks.contracts.neighbours import closes_elsewhere
from kracken_tasks.contracts.subject import Candles, Elsewhere, Facts, dataset_of
from kracken_tasks.domain.market import SeriesKey, TapeKey, key_parts
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData

__all__ = ["Stored", "dataset_in", "inspect_frame", "inspect_lake"]

# By which columns a frame is known, the plainest last.
_KNOWN_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "quotes": ("bid", "ask"),
    "candles": ("open", "high", "low", "close", "volume"),
    "trades": ("price", "volume"),
}
_TIME_NAMES: Final = ("ts", "timestamp", "time")


class Stored(Protocol):
    """The part of a snapshot that is read whole."""

    def series(self) -> tuple[SeriesKey, ...]: ...

    def tapes(self) -> tuple[TapeKey, ...]: ...

    def candles(self, key: SeriesKey) -> pd.DataFrame: ...

    def tape(self, key: TapeKey) -> pd.DataFrame: ...


def dataset_in(frame: pd.DataFrame) -> str:
    """What a frame holds, told by its columns.

    Raises: BadData if it is none of the stored datasets.
    """
    for dataset, columns in _KNOWN_BY.items():
        if set(columns) <= set(frame.columns):
            return dataset
    raise BadData(
        f"columns {', '.join(map(str, frame.columns))} are no candles, trades or quotes",
        allowed={name: ", ".join(columns) for name, columns in _KNOWN_BY.items()},
    )


def inspect_frame(
    contract: Contract, frame: pd.DataFrame, key: SeriesKey | TapeKey, *, now: datetime, source: str = "archive"
) -> tuple[Finding, ...]:
    """What the contract finds in rows from elsewhere; columns that may be unknown are filled as unknown.

    ``ts`` may be called timestamp or time.  Time: ``now`` is market time; rows after it are findings.
    """
    (told,) = judge(contract, [subject_of(_completed(contract, frame, source), Facts(key, now), contract)])
    return told.findings


def inspect_lake(
    stored: Stored,
    contracts: Mapping[str, Contract],
    *,
    now: datetime,
    keys: Iterable[SeriesKey | TapeKey] | None = None,
) -> tuple[Finding, ...]:
    """What today's contracts find in what is stored: the dry run that a tightened rule is due.

    ``keys``: only these; other venues' candles are looked at either way.  Every series is in memory at once, for one validation a
    dataset: about 75 bytes a candle.
    """
    wanted: list[SeriesKey | TapeKey] = [*stored.series(), *stored.tapes()] if keys is None else list(keys)
    found: list[Finding] = []
    for dataset, contract in contracts.items():
        subjects = [_stored(stored, key, now, contract) for key in wanted if dataset_of(key) == dataset]
        found += [finding for told in judge(contract, subjects) for finding in told.findings]
    return tuple(sorted(found, key=lambda one: key_parts(one.key)))


def _stored(stored: Stored, key: SeriesKey | TapeKey, now: datetime, contract: Contract) -> Subject:
    if isinstance(key, TapeKey):
        return subject_of(stored.tape(key), Facts(key, now), contract)
    return subject_of(stored.candles(key), Facts(key, now, elsewhere=_elsewhere(stored, key)), contract)


def _elsewhere(stored: Stored, key: SeriesKey) -> Elsewhere | None:
    others = [
        one
        for one in stored.series()
        if (one.symbol, one.timeframe) == (key.symbol, key.timeframe) and one.exchange != key.exchange
    ]
    return closes_elsewhere({one.exchange: Candles.of(stored.candles(one)) for one in others})


def _completed(contract: Contract, frame: pd.DataFrame, source: str) -> pd.DataFrame:
    named = next((name for name in _TIME_NAMES if name in frame.columns), None)
    full = frame.rename(columns={named: "ts"}) if named else frame.copy()
    required = {"ts", *_KNOWN_BY[contract.dataset]}
    for name, kind in contract.columns.items():
        unknown = name in full.columns and full[name].dtype == object and bool(full[name].isna().all())
        if (name not in full.columns and name not in required) or unknown:
            full[name] = _unknown(kind, len(full), source if name == "source" else None)
    return full


def _unknown(kind: str, size: int, text: str | None) -> Any:
    if kind.startswith("utc time"):
        return pd.DatetimeIndex(np.full(size, "NaT", "M8[us]")).tz_localize("UTC")
    if kind == "number":
        return np.full(size, np.nan)
    if kind == "count":
        return pd.array([pd.NA] * size, dtype="Int64")
    return pd.array([text if text is not None else pd.NA] * size, dtype="string")

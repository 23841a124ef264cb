"""The gate: judge one batch against its contract, once, and say so about exact bytes.

In: staged series.  Out: a ``Verdict`` that names the files that passed, the rows kept out, and every finding.  Never: a network
call, a file outside the staging area, a second validation a series.  Great Expectations is imported here and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from kracken_tasks.contracts.checks import CHECKS, Candles, Facts, Hits, Mask
from kracken_tasks.contracts.contract import Contract, Rule, load_contract
from kracken_tasks.contracts.rows import finding_of
from kracken_tasks.domain.market import CandleSource, SeriesKey
from kracken_tasks.domain.refs import Finding, StagedBatch, StagedSeries, Verdict

__all__ = ["StagingArea", "batch_hash", "check_batch"]


class _Known(Protocol):
    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame: ...


class StagingArea(Protocol):
    """The part of the lake that the gate uses."""

    def read_staged(self, staged: StagedSeries) -> pd.DataFrame: ...

    def stage(
        self, key: SeriesKey, frame: pd.DataFrame, *, asked_from: datetime, asked_to: datetime, source: str
    ) -> StagedSeries: ...

    def stage_rows(self, staged: StagedSeries, rows: pd.DataFrame) -> StagedSeries: ...

    def snapshot(self) -> _Known: ...


def check_batch(
    lake: StagingArea, batch: StagedBatch, *, now: datetime, contracts_dir: Path, contract: str = "candles.v1"
) -> Verdict:
    """Judge all staged series of a run in one validation.

    Rows that break a ``reject_rows`` rule go to quarantine with rule and reason; a series that breaks a ``reject_batch`` rule, or
    of which too many rows are rejected, is refused whole; ``warn`` is only told.  ``now``: market time.

    Raises: Misconfigured if the contract file is wrong; BadData if staged bytes are not those referred to.
    """
    promised = load_contract(contracts_dir, contract)
    subjects = [_Subject.of(lake, staged, now, promised) for staged in batch.series]
    judged = _expectations(
        promised, [subject.frame for subject in subjects], [subject.staged.key for subject in subjects]
    )
    results = [
        _judge(lake, subject, [*broken, *_checks(promised, subject)], promised)
        for subject, broken in zip(subjects, judged, strict=True)
    ]
    return Verdict(
        contract=promised.reference,
        batch_hash=batch_hash(batch),
        accepted=tuple(one.accepted for one in results if one.accepted is not None),
        quarantined=tuple(one.quarantined for one in results if one.quarantined is not None),
        findings=tuple(finding for one in results for finding in one.findings),
        checked_at=now,
    )


def batch_hash(batch: StagedBatch) -> str:
    """SHA-256 over every series' key, content, and asked range."""
    lines = sorted(f"{one.key}|{one.content_hash}|{one.asked_from}|{one.asked_to}" for one in batch.series)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """One staged series with what its rules need."""

    staged: StagedSeries
    frame: pd.DataFrame
    candles: Candles
    facts: Facts

    @classmethod
    def of(cls, lake: StagingArea, staged: StagedSeries, now: datetime, contract: Contract) -> _Subject:
        frame = lake.read_staged(staged)
        memory = max((int(rule.params.get("memory", 0)) for rule in contract.checks), default=0)
        known = (
            lake.snapshot().candles(staged.key, end=staged.first_ts, last=memory)
            if staged.first_ts and memory
            else None
        )
        before = np.empty(0) if known is None else known["close"].to_numpy(np.float64)
        asked_to = _asked_to(lake, staged, now)
        return cls(staged, frame, Candles.of(frame), Facts(staged.key, now, staged.asked_from, asked_to, before))


def _asked_to(lake: StagingArea, staged: StagedSeries, now: datetime) -> datetime:
    """Up to when candles were wanted.

    Staging claims only what came, so that a late candle is asked for again; whoever asks a venue for candles wants them up to now,
    unless it is an older hole that is filled.
    """
    if staged.source != CandleSource.OHLC or staged.last_ts is None:
        return staged.asked_to
    after = lake.snapshot().candles(staged.key, start=staged.last_ts + staged.key.timeframe.delta, last=1)
    return staged.asked_to if len(after) else max(staged.asked_to, now)


@dataclass(frozen=True, slots=True, eq=False)
class _Broken:
    rule: Rule
    hits: Hits


@dataclass(frozen=True, slots=True)
class _Result:
    accepted: StagedSeries | None
    quarantined: StagedSeries | None
    findings: tuple[Finding, ...]


def _expectations(contract: Contract, frames: Sequence[pd.DataFrame], keys: Sequence[SeriesKey]) -> list[list[_Broken]]:
    """What Great Expectations finds in all series together, taken apart by series again."""
    broken: list[list[_Broken]] = [[] for _ in frames]
    if not sum(map(len, frames)):
        return broken
    from kracken_tasks.contracts.validation import failing_rows  # two seconds of import, for ingest alone

    together = pd.concat(
        [
            frame.assign(exchange=key.exchange, symbol=key.symbol, timeframe=key.timeframe.value)
            for frame, key in zip(frames, keys, strict=True)
        ],
        ignore_index=True,
    )
    edges = np.cumsum([0, *map(len, frames)])
    for name, mask in failing_rows(contract, together).items():
        rules = [rule for rule in contract.expectations if rule.name == name]
        for number, part in enumerate(broken):
            rows = mask[edges[number] : edges[number + 1]]
            if rows.any():
                part.append(_Broken(rules[0], Hits(rows, f"{int(rows.sum())} rows: {rules[0].why}")))
    return broken


def _checks(contract: Contract, subject: _Subject) -> list[_Broken]:
    found = []
    for rule in contract.checks:
        hits = CHECKS[rule.name](subject.candles, subject.facts, rule.params)
        if hits.fired:
            found.append(_Broken(rule, hits))
    return found


def _judge(lake: StagingArea, subject: _Subject, broken: Sequence[_Broken], contract: Contract) -> _Result:
    staged, key = subject.staged, subject.staged.key
    findings = [finding_of(one.rule.name, one.rule.severity, key, subject.candles, one.hits) for one in broken]
    rejected = np.zeros(len(subject.candles), bool)
    for one in broken:
        if one.rule.severity == "reject_rows":
            rejected |= one.hits.rows
    refused = any(one.rule.severity == "reject_batch" for one in broken)
    if not refused and _too_many(rejected, contract):
        share = f"{rejected.mean():.0%} of {len(rejected)} rows rejected; allowed {contract.tolerance.max_rejected_fraction:.0%}"
        findings.append(finding_of("too_many_rejected", "reject_batch", key, subject.candles, Hits(rejected, share)))
        refused = True
    kept_out = np.ones(len(rejected), bool) if refused else rejected
    quarantined = _quarantine(lake, subject, kept_out, broken) if kept_out.any() else None
    if refused:
        return _Result(None, quarantined, tuple(findings))
    accepted = _without(lake, subject, rejected) if rejected.any() else staged
    return _Result(accepted, quarantined, tuple(findings))


def _too_many(rejected: Mask, contract: Contract) -> bool:
    tolerance = contract.tolerance
    return len(rejected) >= tolerance.from_rows and float(rejected.mean()) > tolerance.max_rejected_fraction


def _without(lake: StagingArea, subject: _Subject, rejected: Mask) -> StagedSeries:
    staged = subject.staged
    good = subject.frame[~rejected].reset_index(drop=True)
    return lake.stage(staged.key, good, asked_from=staged.asked_from, asked_to=staged.asked_to, source=staged.source)


def _quarantine(lake: StagingArea, subject: _Subject, rows: Mask, broken: Sequence[_Broken]) -> StagedSeries:
    hard = [one for one in broken if one.rule.severity != "warn"]
    names = [", ".join(one.rule.name for one in hard if one.hits.rows[at]) or "series" for at in np.flatnonzero(rows)]
    whys = [
        " ".join(dict.fromkeys(one.rule.why for one in hard if one.hits.rows[at]))
        or "The series was refused as a whole."
        for at in np.flatnonzero(rows)
    ]
    kept = subject.frame[rows].reset_index(drop=True).assign(rule=names, reason=whys)
    return lake.stage_rows(subject.staged, kept)

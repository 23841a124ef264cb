"""The gate: judge one batch against its contracts, once, and say so about exact bytes.

In: staged series and tapes.  Out: a ``Verdict`` that names the files that passed, the rows kept out, and every finding.  Never: a
network call, a file outside the staging area, more than one validation a dataset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from kracken_tasks.contracts.context import Known, facts_of
from kracken_tasks.contracts.contract import load_contracts
from kracken_tasks.contracts.judging import Broken, Judgement, judge, subject_of
from kracken_tasks.contracts.subject import Mask, dataset_of
from kracken_tasks.domain.market import SeriesKey, TapeKey, key_parts
from kracken_tasks.domain.refs import StagedBatch, StagedSeries, Verdict

__all__ = ["StagingArea", "batch_hash", "check_batch"]


class StagingArea(Protocol):
    """The part of the lake that the gate uses."""

    def read_staged(self, staged: StagedSeries) -> pd.DataFrame: ...

    def stage(
        self, key: SeriesKey | TapeKey, frame: pd.DataFrame, *, asked_from: datetime, asked_to: datetime, source: str
    ) -> StagedSeries: ...

    def stage_rows(self, staged: StagedSeries, rows: pd.DataFrame) -> StagedSeries: ...

    def snapshot(self) -> Known: ...


def check_batch(lake: StagingArea, batch: StagedBatch, *, now: datetime, contracts_dir: Path) -> Verdict:
    """Judge all staged series and tapes of a run by the newest contract of each dataset, in one validation a dataset.

    Rows that break a ``reject_rows`` rule go to quarantine with rule and reason; a series that breaks a ``reject_batch`` rule, or
    of which too many rows are rejected, is refused whole; ``warn`` is only told, about rows that are kept.  ``now``: market time.

    Raises: Misconfigured if a contract file is wrong or missing; BadData if staged bytes are not those referred to.
    """
    contracts = load_contracts(contracts_dir, (dataset_of(one.key) for one in batch.series))
    frames = {staged: lake.read_staged(staged) for staged in batch.series}
    facts = facts_of(lake.snapshot(), frames, now, contracts)
    judged: dict[StagedSeries, Judgement] = {}
    for dataset, contract in contracts.items():
        theirs = [staged for staged in frames if dataset_of(staged.key) == dataset]
        subjects = [subject_of(frames[staged], facts[staged], contract) for staged in theirs]
        judged |= dict(zip(theirs, judge(contract, subjects), strict=True))
    accepted = [_accepted(lake, staged, frames[staged], judged[staged]) for staged in frames]
    quarantined = [_quarantined(lake, staged, frames[staged], judged[staged]) for staged in frames]
    return Verdict(
        contract=", ".join(contract.reference for contract in contracts.values()),
        batch_hash=batch_hash(batch),
        accepted=tuple(one for one in accepted if one is not None),
        quarantined=tuple(one for one in quarantined if one is not None),
        findings=tuple(finding for staged in frames for finding in judged[staged].findings),
        checked_at=now,
    )


def batch_hash(batch: StagedBatch) -> str:
    """SHA-256 over every series' key, content, and asked range."""
    lines = sorted(
        f"{' '.join(key_parts(one.key))}|{one.content_hash}|{one.asked_from}|{one.asked_to}" for one in batch.series
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _accepted(lake: StagingArea, staged: StagedSeries, frame: pd.DataFrame, told: Judgement) -> StagedSeries | None:
    """The staged file as it is, or one without the rejected rows; None if nothing of it is believed."""
    if told.refused:
        return None
    if not told.rejected.any():
        return staged
    good = frame[~told.rejected].reset_index(drop=True)
    return lake.stage(staged.key, good, asked_from=staged.asked_from, asked_to=staged.asked_to, source=staged.source)


def _quarantined(lake: StagingArea, staged: StagedSeries, frame: pd.DataFrame, told: Judgement) -> StagedSeries | None:
    """The rows kept out, each with the rules it broke and their reasons."""
    if not told.rejected.any():
        return None
    names, whys = _reasons(told.broken, told.rejected)
    return lake.stage_rows(staged, frame[told.rejected].reset_index(drop=True).assign(rule=names, reason=whys))


def _reasons(broken: Sequence[Broken], rejected: Mask) -> tuple[list[str], list[str]]:
    """For every rejected row: its rules, and why they are there; "series" where only the series as a whole was refused."""
    size = int(rejected.sum())
    rules: list[list[str]] = [[] for _ in range(size)]
    whys: list[dict[str, None]] = [{} for _ in range(size)]
    for one in broken:
        if one.rule.severity == "warn" or one.rule.name == "too_many_rejected":
            continue
        for at in np.flatnonzero(one.hits.rows[rejected]):
            rules[at].append(one.rule.name)
            whys[at][one.rule.why] = None
    return (
        [", ".join(names) or "series" for names in rules],
        [" ".join(reasons) or "The series was refused as a whole." for reasons in whys],
    )

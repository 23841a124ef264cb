"""Judgement of rows in memory: all rules of a contract on series of one dataset, in one validation.

In: a contract and subjects (frame, arrays, facts).  Out: a ``Judgement`` each: which rows broke which rule, what is kept out.
Never: a lake, a file, a second validation a series.  Great Expectations is imported here, when there are rows, and nowhere else.

Warnings are told about rows that are kept: a row that is rejected has its name already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from kracken_tasks.contracts.checks import CHECKS
from kracken_tasks.contracts.contract import Contract, Rule
from kracken_tasks.contracts.subject import ROWS_OF, Facts, Hits, Mask, Rows
from kracken_tasks.domain.clock import from_ms, iso, utc
from kracken_tasks.domain.refs import Finding

__all__ = ["Broken", "Judgement", "Subject", "finding_of", "judge", "subject_of"]

_SAMPLES: Final = 3
_LAST_MOMENT_US: Final = int(utc(9999, 12, 31).timestamp()) * 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is judged: a frame of one series or tape, the same as arrays (None if its columns cannot be read), and the facts."""

    frame: pd.DataFrame
    rows: Rows | None
    facts: Facts


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """A rule and the rows that broke it."""

    rule: Rule
    hits: Hits


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """``rejected`` [N]: rows that are kept out; all of them when ``refused``."""

    broken: tuple[Broken, ...]
    findings: tuple[Finding, ...]
    rejected: Mask
    refused: bool


def subject_of(frame: pd.DataFrame, facts: Facts, contract: Contract) -> Subject:
    """A frame with its arrays, if the columns are those that the contract names."""
    readable = not _against_schema(frame, contract)
    return Subject(frame, ROWS_OF[contract.dataset].of(frame) if readable else None, facts)


def judge(contract: Contract, subjects: Sequence[Subject]) -> list[Judgement]:
    """One judgement a subject, in their order; the order of subjects changes nothing.

    Raises: Misconfigured if an expectation cannot be evaluated.
    """
    expected = _expectations(contract, subjects)
    return [_judge(contract, subject, broken) for subject, broken in zip(subjects, expected, strict=True)]


def finding_of(rule: Rule, contract: str, facts: Facts, rows: Rows | None, hits: Hits) -> Finding:
    """One rule's result as the value that travels."""
    places = np.flatnonzero(hits.rows)
    if rows is None or not len(places):
        return Finding(rule.name, rule.severity, facts.key, len(places), None, _sentence(hits.says), rule.why, contract)
    first = _moment(int(rows.ts[places].min()))
    count = f"{len(places)} of {len(rows)} rows" if len(rows) > 1 else "The row"
    sample = tuple(f"{iso(_moment(int(rows.ts[at])))}: {rows.told(int(at))}" for at in places[:_SAMPLES])
    detail = _sentence(f"{count} {hits.says}; the first: {iso(first)}")
    return Finding(rule.name, rule.severity, facts.key, len(places), first, detail, rule.why, contract, sample)


def _judge(contract: Contract, subject: Subject, expected: Sequence[Broken]) -> Judgement:
    size = len(subject.frame)
    if subject.rows is None:
        faults = "; ".join(_against_schema(subject.frame, contract))
        broken = [Broken(contract.schema_rule, Hits(np.ones(size, bool), f"cannot be read: {faults}"))]
        return _judgement(contract, subject, broken, np.ones(size, bool), refused=True)
    broken = [one for one in expected if one.rule.severity != "warn"]
    broken += _named(contract, subject, np.ones(size, bool), warnings=False)
    rejected = _any([one.hits.rows for one in broken if one.rule.severity == "reject_rows"], size)
    refused = any(one.rule.severity == "reject_batch" for one in broken)
    if not refused and _too_many(rejected, contract):
        share = f"were rejected ({rejected.mean():.0%}; allowed {contract.tolerance.max_rejected_fraction:.0%})"
        broken.append(Broken(contract.tolerance_rule, Hits(rejected, share)))
        refused = True
    if not refused:
        kept = ~rejected
        broken += [
            Broken(one.rule, Hits(one.hits.rows & kept, one.hits.says))
            for one in expected if one.rule.severity == "warn" and bool((one.hits.rows & kept).any())
        ]  # fmt: skip
        broken += _named(contract, subject, kept, warnings=True)
    return _judgement(contract, subject, broken, np.ones(size, bool) if refused else rejected, refused)


def _judgement(
    contract: Contract, subject: Subject, broken: Sequence[Broken], rejected: Mask, refused: bool
) -> Judgement:
    findings = tuple(finding_of(one.rule, contract.reference, subject.facts, subject.rows, one.hits) for one in broken)
    return Judgement(tuple(broken), findings, rejected, refused)


def _named(contract: Contract, subject: Subject, kept: Mask, *, warnings: bool) -> list[Broken]:
    """The named checks of one kind, on the rows that are still there.

    A rule with ``all_rows`` asks what came at all: a row that was rejected was not missing.
    """
    rows = subject.rows
    if rows is None:
        return []
    found = []
    every = bool(kept.all())
    left = rows if every else rows.where(kept)
    for rule in contract.checks:
        if (rule.severity == "warn") is not warnings:
            continue
        whole = every or bool(rule.params.get("all_rows", False))
        hits = CHECKS[contract.dataset][rule.name](rows if whole else left, subject.facts, rule.params)
        if hits.fired:
            found.append(Broken(rule, hits if whole else Hits(_spread(hits.rows, kept), hits.says)))
    return found


def _expectations(contract: Contract, subjects: Sequence[Subject]) -> list[list[Broken]]:
    """What Great Expectations finds in all subjects together, taken apart by subject again."""
    broken: list[list[Broken]] = [[] for _ in subjects]
    there = [number for number, one in enumerate(subjects) if one.rows is not None and len(one.frame)]
    if not there:
        return broken
    from kracken_tasks.contracts.validation import failing_rows  # two seconds of import, for ingest alone

    frames = [subjects[number].frame for number in there]
    edges = np.cumsum([0, *(len(frame) for frame in frames)])
    for name, mask in failing_rows(contract, [subjects[number].facts.key for number in there], frames).items():
        rule = next(rule for rule in contract.expectations if rule.name == name)
        for place, number in enumerate(there):
            rows = mask[edges[place] : edges[place + 1]]
            if rows.any():
                broken[number].append(Broken(rule, Hits(rows, rule.says)))
    return broken


def _against_schema(frame: pd.DataFrame, contract: Contract) -> list[str]:
    """What is wrong with columns and types; nothing if every value can be read."""
    found = dict(zip(frame.columns, frame.dtypes, strict=True))
    faults = [f"no column {name}" for name in contract.columns if name not in found]
    for name, kind in contract.columns.items():
        if name in found and not (_is_of(found[name], kind) and (kind != "utc time" or not frame[name].hasnans)):
            faults.append(f"{name} is {found[name]}, not {kind}")
    return faults


def _is_of(dtype: Any, kind: str) -> bool:
    if kind.startswith("utc time"):
        return isinstance(dtype, pd.DatetimeTZDtype) and str(dtype.tz) == "UTC"
    if kind == "number":
        return bool(pd.api.types.is_numeric_dtype(dtype)) and not pd.api.types.is_bool_dtype(dtype)
    if kind == "count":
        return bool(pd.api.types.is_integer_dtype(dtype))
    return bool(pd.api.types.is_string_dtype(dtype))


def _too_many(rejected: Mask, contract: Contract) -> bool:
    tolerance = contract.tolerance
    return len(rejected) >= tolerance.from_rows and float(rejected.mean()) > tolerance.max_rejected_fraction


def _any(masks: Iterable[Mask], size: int) -> Mask:
    union = np.zeros(size, bool)
    for mask in masks:
        union |= mask
    return union


def _spread(some: Mask, kept: Mask) -> Mask:
    whole = np.zeros(len(kept), bool)
    whole[np.flatnonzero(kept)] = some
    return whole


def _moment(us: int) -> Any:
    return from_ms(min(us, _LAST_MOMENT_US) // 1000)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."

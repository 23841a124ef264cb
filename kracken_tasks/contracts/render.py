"""Contracts, findings and coverage as Markdown tables and rows, for artifacts and terminals.

In: contracts; findings; coverage lines (anything with the fields named in ``CoverageLine``).  Out: text.  Never: reading the lake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol

from kracken_tasks.contracts.contract import Contract, Rule
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey, key_parts
from kracken_tasks.domain.refs import Finding, Verdict

__all__ = [
    "CoverageLine",
    "coverage_rows",
    "coverage_table",
    "findings_table",
    "outcome_rows",
    "outcome_table",
    "rule_rows",
    "verdict_text",
]

_WORST: Final = {"reject_batch": 0, "reject_rows": 1, "warn": 2}
# The rule that reads columns, and the one that counts rejects, are no checks or expectations of their own.
_BY_HAND: Final = {"schema": "columns and kinds", "too_many_rejected": "share of rejected rows"}


class CoverageLine(Protocol):
    """One series as the lake covers it."""

    @property
    def key(self) -> SeriesKey: ...
    @property
    def candles(self) -> int: ...
    @property
    def revisions(self) -> int: ...
    @property
    def first_ts(self) -> datetime | None: ...
    @property
    def last_ts(self) -> datetime | None: ...
    @property
    def no_trades(self) -> int: ...
    @property
    def venue_outage(self) -> int: ...
    @property
    def not_fetched(self) -> int: ...
    @property
    def rejected(self) -> int: ...


def findings_table(findings: Iterable[Finding]) -> str:
    """A Markdown table, worst first; a sentence when there is nothing to tell."""
    ordered = sorted(findings, key=lambda one: (_WORST.get(one.action, 3), key_parts(one.key), one.rule))
    if not ordered:
        return "The contract holds: nothing found."
    rows = [
        [str(one.key), one.rule, one.action, str(one.rows), _moment(one.first_ts), one.detail, one.why]
        for one in ordered
    ]
    return _table(["series", "rule", "action", "rows", "first", "detail", "why"], rows)


def rule_rows(contract: Contract) -> list[dict[str, str]]:
    """A contract's rules as rows of named cells, in the order they are applied."""
    return [
        {"rule": rule.name, "severity": rule.severity, "how": _how(contract, rule), "why": rule.why}
        for rule in contract.rules
    ]


def outcome_rows(contract: Contract, findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Every rule of a contract with what it found: passed, or how many rows of how many series broke it."""
    broken: dict[str, list[Finding]] = {}
    for one in findings:
        if one.contract == contract.reference:
            broken.setdefault(one.rule, []).append(one)
    return [
        {
            "rule": rule.name,
            "severity": rule.severity,
            "result": "broken" if rule.name in broken else "passed",
            "series": str(len(broken.get(rule.name, ()))),
            "rows": str(sum(one.rows for one in broken.get(rule.name, ()))),
        }
        for rule in contract.rules
    ]


def outcome_table(contract: Contract, findings: Iterable[Finding]) -> str:
    """``outcome_rows`` as a Markdown table."""
    rows = outcome_rows(contract, findings)
    return _table(list(rows[0]), [list(row.values()) for row in rows])


def verdict_text(verdict: Verdict, contracts: Iterable[Contract]) -> str:
    """A verdict as Markdown: the count, the findings, where to look at rows kept out, and every rule with its result."""
    kept, out = sum(one.rows for one in verdict.accepted), sum(one.rows for one in verdict.quarantined)
    parts = [
        f"**{kept}** rows accepted, **{out}** in quarantine, contract `{verdict.contract}`",
        findings_table(verdict.findings),
    ]
    if out:
        parts.append("The rows kept out, with rule and reason: `kracken quarantine list`, `kracken quarantine show`.")
    for contract in contracts:
        parts += [f"### {contract.name}", outcome_table(contract, verdict.findings)]
    return "\n\n".join(parts)


def _how(contract: Contract, rule: Rule) -> str:
    """What the rule asks, from the file: the expectation with its columns, or the check with its thresholds."""
    if rule.name in _BY_HAND:
        return _BY_HAND[rule.name]
    if rule.expectation is not None:
        asked = [one.expectation for one in contract.expectations if one.name == rule.name and one.expectation]
        kinds = {one["type"].removeprefix("expect_").replace("_", " ") for one in asked}
        columns = dict.fromkeys(
            str(value) for one in asked for name, value in one["kwargs"].items() if name.startswith("column")
        )
        return f"{', '.join(sorted(kinds))}: {', '.join(columns)}"
    return ", ".join(f"{name} {value}" for name, value in rule.params.items())


def coverage_rows(coverage: Iterable[CoverageLine]) -> list[dict[str, str]]:
    """Coverage as rows of named cells."""
    return [
        {
            "series": str(one.key), "candles": str(one.candles), "first": _moment(one.first_ts), "last": _moment(one.last_ts),
            "revised": str(one.revisions), "no trades": str(one.no_trades), "outage": str(one.venue_outage),
            "not fetched": str(one.not_fetched), "rejected": str(one.rejected),
        }
        for one in coverage
    ]  # fmt: skip


def coverage_table(coverage: Iterable[CoverageLine]) -> str:
    """Coverage as a Markdown table."""
    rows = coverage_rows(coverage)
    return _table(list(rows[0]), [list(row.values()) for row in rows]) if rows else "The lake is empty."


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else iso(moment)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

"""Findings and coverage as Markdown tables, for artifacts and terminals.

In: findings; coverage lines (anything with the fields named in ``CoverageLine``).  Out: text.  Never: reading the lake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import Finding

__all__ = ["CoverageLine", "coverage_rows", "coverage_table", "findings_table"]


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
    def not_fetched(self) -> int: ...
    @property
    def rejected(self) -> int: ...


def findings_table(findings: Iterable[Finding]) -> str:
    """A Markdown table, worst first; a sentence when there is nothing to tell."""
    worst = {"reject_batch": 0, "reject_rows": 1, "warn": 2}
    ordered = sorted(findings, key=lambda one: (worst.get(one.action, 3), one.key, one.rule))
    if not ordered:
        return "The contract holds: nothing found."
    rows = [[str(one.key), one.rule, one.action, str(one.rows), _moment(one.first_ts), one.detail] for one in ordered]
    return _table(["series", "rule", "action", "rows", "first", "detail"], rows)


def coverage_rows(coverage: Iterable[CoverageLine]) -> list[dict[str, str]]:
    """Coverage as rows of named cells."""
    return [
        {
            "series": str(one.key), "candles": str(one.candles), "first": _moment(one.first_ts), "last": _moment(one.last_ts),
            "revised": str(one.revisions), "no trades": str(one.no_trades), "not fetched": str(one.not_fetched),
            "rejected": str(one.rejected),
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

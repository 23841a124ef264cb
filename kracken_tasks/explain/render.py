"""A day's report as a file, as rows to show, and as an alert.

In: ``DayReport``.  Out: bytes, rows, a draft.  Never: a moment of writing: the same day gives the same bytes.
"""

from __future__ import annotations

import json
from decimal import Decimal

from kracken_tasks.domain.clock import iso
from kracken_tasks.explain.day import DayReport
from kracken_tasks.explain.parity import Column
from kracken_tasks.ledger.entries import AlertDraft, AlertKind, AlertLevel, EquityEntry

__all__ = ["alert_over", "day_bytes", "day_file", "shown_rows"]


def day_file(report: DayReport) -> str:
    """The file's name, by the day it begins with."""
    return f"parity-{report.start:%Y-%m-%d}.json"


def day_bytes(report: DayReport) -> bytes:
    """The report as JSON; amounts are text, in quote currency, to the cent."""
    told = {
        "start": iso(report.start),
        "end": iso(report.end),
        "decisions": {"replayed": report.replayed, "identical": report.identical},
        "totals": {
            currency: {"difference": str(report.difference(currency))}
            | {column.value: str(amount) for column, amount in report.totals(currency).items()}
            for currency in report.currencies
        },
        "orders": [
            {
                "tick_id": row.tick_id, "at": iso(row.ts), "symbol": row.symbol, "side": row.side.value, "purpose": row.purpose,
                "currency": row.currency, "actual": str(row.actual), "replayed": str(row.replayed),
                "difference": str(row.difference), **{column.value: str(row.columns[column]) for column in Column}, "note": row.note,
            }
            for row in report.rows
        ],
        "not_replayed": list(report.problems),
    }  # fmt: skip
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


def shown_rows(report: DayReport) -> list[dict[str, str]]:
    """One row an order, and one for the sum of each currency."""
    rows = [
        {"at": iso(row.ts), "order": f"{row.side.value} {row.symbol} ({row.purpose})", "actual": str(row.actual)}
        | {"replayed": str(row.replayed), "difference": str(row.difference)}
        | {column.value: str(row.columns[column]) for column in Column}
        for row in report.rows
    ]
    for currency in report.currencies:
        total = {column.value: str(amount) for column, amount in report.totals(currency).items()}
        rows.append({"order": f"all in {currency}", "difference": str(report.difference(currency))} | total)
    return rows


def alert_over(report: DayReport, mark: EquityEntry | None, fraction: Decimal) -> AlertDraft | None:
    """Word of a day whose orders differ from their replay by more than ``fraction`` of the marked equity; None within it.

    Orders in the mark's own currency count; without a mark there is nothing to measure by.
    """
    if mark is None:
        return None
    currency, bound = mark.currency, mark.equity * fraction
    difference = report.difference(currency)
    if abs(difference) <= bound:
        return None
    payload = {
        "summary": f"orders of {report.start:%Y-%m-%d} differ from their replay by {difference} {currency}, bound {bound:.2f}",
        "detail": report.sentence,
        "context": day_file(report),
        "what_to_do": "look at the largest column; kracken replay TICK names what a decision would be now",
    }
    return AlertDraft(AlertKind.ERROR, f"parity:{report.start:%Y-%m-%d}:{difference}", payload, AlertLevel.WARNING)

"""A recording run in words: lines for a log, a table for an artifact.

In: a ``RecorderReport``.  Out: text and rows.  Never: a call.
"""

from __future__ import annotations

from typing import Any

from kracken_tasks.domain.clock import iso
from kracken_tasks.feeds.report import FeedReport, RecorderReport

__all__ = ["feed_rows", "report_line", "report_text"]


def report_line(report: RecorderReport) -> str:
    """One line of progress."""
    gave_way = f", {report.gave_way} rows given up for want of room" if report.gave_way else ""
    return (
        f"{report.messages} messages, {report.rows} rows in {report.commits} commits, {report.reconnects} reconnects, "
        f"{report.filled} holes filled, {report.gaps} left, {report.rejected} rows in quarantine{gave_way}"
    )


def feed_rows(report: RecorderReport) -> list[dict[str, Any]]:
    """A row a feed."""
    return [_row(feed) for feed in report.feeds]


def _row(feed: FeedReport) -> dict[str, Any]:
    status = feed.status
    return {
        "feed": str(status.key),
        "source": status.source.value,
        "messages": status.messages,
        "rows": feed.rows,
        "polls": status.polls,
        "reconnects": status.reconnects,
        "holes filled": status.filled,
        "holes left": status.lost,
        "lag (s)": "" if status.lag_seconds is None else f"{status.lag_seconds:.2f}",
        "whole until": iso(status.confirmed_at) if status.confirmed_at else "",
        "trouble": status.trouble,
    }


def report_text(report: RecorderReport) -> str:
    """Markdown: what the run did, feed by feed."""
    commits = "no commit" if report.first_seq is None else f"commits {report.first_seq} to {report.last_seq}"
    spent = f"{report.seconds:.0f} s, of which {report.seconds_judging:.1f} s checking and committing"
    head = f"{report_line(report)}; {commits}.\n\n{spent}.\n"
    rows = feed_rows(report)
    if not rows:
        return head
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(str(row[name]).replace('|', ' ') for name in names)} |" for row in rows]
    return head + "\n" + "\n".join(lines) + "\n"

"""The journal: a period of trading in words and figures, from the ledger alone.

In: a ledger, a period, a few words about the run.  Out: a mapping of one JSON Schema, a file of it, and a report to read.
Never: wall time in the file (running it again gives the same bytes), a figure made up where it is undefined.

    until = cut_off(ledger)                                       # just after the newest fact
    journal = build_journal(ledger, period_end=until, mode="paper", version="0.1.0", exports_sha256=report.sha256)
    write_journal(journal, folder, run_facts={...})               # journal.json, and journal.run.json which may differ
    render_journal_markdown(journal)

Where to look: ``facts`` what the ledger says of the period · ``marks`` the marks that tell · ``trips`` rows and events ·
``agents`` whose they were ·
``equity`` where it went and why · ``summary`` the figures · ``build`` puts it together · ``writing`` checks and writes ·
``markdown`` tells it · ``journal.v1.schema.json``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.journal.build import build_journal
    from kracken_tasks.journal.facts import cut_off
    from kracken_tasks.journal.markdown import render_journal_markdown
    from kracken_tasks.journal.writing import digests_by_name, write_journal

__all__ = ["build_journal", "cut_off", "digests_by_name", "render_journal_markdown", "write_journal"]

_HOMES = {
    "build_journal": "build", "cut_off": "facts", "digests_by_name": "writing",
    "render_journal_markdown": "markdown", "write_journal": "writing",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

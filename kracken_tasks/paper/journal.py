"""The paper account's journal file: the journal room's, on the account's own ledger.

In: a ledger, settings, a folder.  Out: the path of ``journal.json``.  Never: another form of journal.
"""

from __future__ import annotations

from pathlib import Path

from kracken_tasks import wiring
from kracken_tasks.errors import BadData
from kracken_tasks.journal import build_journal, cut_off, write_journal
from kracken_tasks.ledger import Ledger
from kracken_tasks.settings import Settings

__all__ = ["export_journal"]


def export_journal(ledger: Ledger, settings: Settings, folder: Path, *, mode: str) -> Path:
    """Everything up to the newest entry.  Raises: BadData for an empty ledger."""
    end = cut_off(ledger)
    if end is None:
        raise BadData("the account has no entries yet: there is nothing to tell")
    journal = build_journal(
        ledger,
        period_end=end,
        mode="paper" if mode != "sandbox" else "sandbox",
        version=wiring.code_version(),
        tax_timezone=settings.tax.tax_timezone,
        base_currency=settings.tax.base_currency,
        method=settings.tax.method,
        scope=settings.tax.scope,
    )
    return write_journal(journal, folder)[0]

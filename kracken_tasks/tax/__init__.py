"""Tax: the year in gains.  Every file is a view of the same trades; nothing is computed from floats.

In: trades (from the ledger, from a neutral ``trades.csv``, or as plain mappings), values of what is not money.
Out: lots and gains, and the CSV files that people and other programs read.  Never: floats in money, wall time in a file, a guessed value.

    TaxReporter(output_dir="exports").export_all_formats(trades)     # notebooks
    compute_lots_files(trades_csv, out, fmv_csv=...)                 # ``kracken tax lots``
    export_ledger(ledger, out, until=..., ...)                       # the nightly flow
    compute_lots(trades_from_ledger(ledger), values=...)             # values, no files

Where to look: ``trade`` a trade and how it is recognised · ``term`` long or short · ``lots`` matching · ``legs`` what a trade does to
lots · ``values`` what is money, what the rest was worth · ``tables`` CSV out and in · ``trades_csv``, ``koinly``, ``lots_csv`` the
formats · ``receipts`` coins that came without a trade · ``from_ledger`` and ``exports`` the whole way · ``reporter`` the promised class.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.tax.exports import ExportReport, TaxChoices, compute_lots_files, export_ledger
    from kracken_tasks.tax.from_ledger import movements_from_ledger, trades_from_ledger
    from kracken_tasks.tax.legs import LotsResult, compute_lots
    from kracken_tasks.tax.reporter import TaxReporter
    from kracken_tasks.tax.trade import Trade
    from kracken_tasks.tax.values import FairValues

__all__ = [
    "ExportReport",
    "FairValues",
    "LotsResult",
    "TaxChoices",
    "TaxReporter",
    "Trade",
    "compute_lots",
    "compute_lots_files",
    "export_ledger",
    "movements_from_ledger",
    "trades_from_ledger",
]

_HOMES = {
    "ExportReport": "exports", "FairValues": "values", "LotsResult": "legs", "TaxChoices": "exports", "TaxReporter": "reporter",
    "Trade": "trade",
    "compute_lots": "legs", "compute_lots_files": "exports", "export_ledger": "exports",
    "movements_from_ledger": "from_ledger", "trades_from_ledger": "from_ledger",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""Contracts: what stored data promises, checked before it is stored and again, cheaply, before it is traded on.

``check_batch`` is the gate for ingest (Great Expectations plus named checks, one validation a batch); ``row_findings`` are the
tick's cheap rules.  The promises themselves are data: ``data_contracts/*.json``.  Nothing heavy loads until a name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.contracts.contract import Contract, load_contract
    from kracken_tasks.contracts.gate import batch_hash, check_batch
    from kracken_tasks.contracts.render import coverage_rows, coverage_table, findings_table
    from kracken_tasks.contracts.rows import row_findings

__all__ = [
    "Contract",
    "batch_hash",
    "check_batch",
    "coverage_rows",
    "coverage_table",
    "findings_table",
    "load_contract",
    "row_findings",
]

_HOMES = {
    "Contract": "contract", "batch_hash": "gate", "check_batch": "gate", "coverage_rows": "render", "coverage_table": "render",
    "findings_table": "render", "load_contract": "contract", "row_findings": "rows",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

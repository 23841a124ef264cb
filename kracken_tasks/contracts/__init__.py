"""Contracts: what stored data promises, checked before it is stored and again, cheaply, before it is traded on.

``check_batch`` is the gate (Great Expectations plus named checks, one validation a dataset of a batch); ``row_findings`` are the
tick's cheap rules; ``inspect_frame`` and ``inspect_lake`` hold rows against a contract without storing anything.  The promises
themselves are data: ``data_contracts/*.json``.  Nothing heavy loads until a name is used.

- ``contract``   a contract file, read and frozen · ``checks`` the named checks by dataset
- ``gate``       one batch, once, about exact bytes · ``context`` rows stored before, ``neighbours`` what other venues said
- ``judging``    all rules on rows in memory · ``subject`` what a rule is given · ``telling`` which rows an expectation has to see
- ``validation`` Great Expectations, one validation in memory · ``settled`` its expectations, which say what they are once
- ``row_checks`` ``time_checks`` ``price_checks``   the rules in Python
- ``rows``       the tick's cheap rules · ``inspection`` rows held against a contract, nothing stored · ``render`` findings in words
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.contracts.contract import Contract, load_contract, load_contracts, newest_contracts
    from kracken_tasks.contracts.gate import batch_hash, check_batch
    from kracken_tasks.contracts.inspection import dataset_in, inspect_frame, inspect_lake
    from kracken_tasks.contracts.render import (
        coverage_rows,
        coverage_table,
        findings_table,
        outcome_rows,
        rule_rows,
        verdict_text,
    )
    from kracken_tasks.contracts.rows import row_findings
    from kracken_tasks.contracts.subject import dataset_of

__all__ = [
    "Contract",
    "batch_hash",
    "check_batch",
    "coverage_rows",
    "coverage_table",
    "dataset_in",
    "dataset_of",
    "findings_table",
    "inspect_frame",
    "inspect_lake",
    "load_contract",
    "load_contracts",
    "newest_contracts",
    "outcome_rows",
    "row_findings",
    "rule_rows",
    "verdict_text",
]

_HOMES = {
    name: home
    for home, names in {
        "contract": ("Contract", "load_contract", "load_contracts", "newest_contracts"),
        "gate": ("batch_hash", "check_batch"),
        "inspection": ("dataset_in", "inspect_frame", "inspect_lake"),
        "render": ("coverage_rows", "coverage_table", "findings_table", "outcome_rows", "rule_rows", "verdict_text"),
        "rows": ("row_findings",),
        "subject": ("dataset_of",),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

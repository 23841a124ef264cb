"""Money is Decimal from sizing on: where a float may still be made of it, and why."""

from __future__ import annotations

import ast

import pytest

from tests.support.source_tree import Module, modules

ROOMS = ("ledger", "tax", "journal", "execution")
CODE = modules(*(f"kracken_tasks/{room}" for room in ROOMS))

_FIGURE = "figures of a day or a period: what the journal promises as numbers; its rows stay exact"
_RULE = "a rule's fraction, not an amount: what it gives is floored to whole ticks"
_SIZING = "what sizing and guards look at, before an amount is decided"
ALLOWED = {
    "kracken_tasks/journal/build.py": _FIGURE,
    "kracken_tasks/journal/equity.py": _FIGURE,
    "kracken_tasks/journal/summary.py": _FIGURE,
    "kracken_tasks/journal/trips.py": _FIGURE,
    "kracken_tasks/execution/account.py": _SIZING,
    "kracken_tasks/execution/costs.py": "a rate in the estimate of costs that sizing looks at; what is paid comes from fills",
    "kracken_tasks/execution/entries.py": _SIZING,
    "kracken_tasks/execution/exits.py": _RULE,
    "kracken_tasks/execution/judging.py": _SIZING,
    "kracken_tasks/execution/marks.py": "mark to market: an estimate that limits look at, never booked as cash",
    "kracken_tasks/execution/orders.py": "a price is compared with a quote, which is float; the price sent is not made of it",
    "kracken_tasks/execution/paper_matching.py": "a level is compared with quotes, which are float",
    "kracken_tasks/execution/paper_replay.py": "quotes and volumes of a recorded tape, which are float",
    "kracken_tasks/execution/protect.py": _RULE,
    "kracken_tasks/execution/team.py": _SIZING,
    "kracken_tasks/execution/tick.py": _SIZING,
    "kracken_tasks/execution/trip_results.py": "what Kelly and the losing streak look at; the trip itself stays exact",
}


def _floats(module: Module) -> list[str]:
    return [
        f"{module.name}:{node.lineno}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
    ]


def test_no_float_is_made_where_money_is_kept() -> None:
    assert [where for module in CODE if module.name not in ALLOWED for where in _floats(module)] == []


@pytest.mark.parametrize("name", ALLOWED)
def test_whoever_may_make_a_float_still_does(name: str) -> None:
    assert [where for module in CODE if module.name == name for where in _floats(module)], "take it off the list"


def test_no_decimal_is_born_from_a_float() -> None:
    born = [
        f"{module.name}:{node.lineno}"
        for module in modules("kracken_tasks", "flows")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Decimal") and node.args
        if _is_float(node.args[0])
    ]  # fmt: skip
    assert born == []


def _is_float(node: ast.expr) -> bool:
    literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
    return literal or (isinstance(node, ast.Call) and ast.unparse(node.func) == "float")


def test_the_ledger_lets_no_database_add_up_money() -> None:
    # SQLite would add as float; totals are folds over entries.
    added = [
        f"{module.name}:{node.lineno}"
        for module in modules("kracken_tasks/ledger")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"func.sum", "func.avg", "func.total"}
    ]
    assert added == []

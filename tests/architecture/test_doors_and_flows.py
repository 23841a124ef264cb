"""Doors are thin and name how they may be repeated; flows open doors in order and do nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from kracken_tasks import task_policy
from tests.support.source_tree import Module, modules

DOORS = [module for module in modules("kracken_tasks") if module.name.endswith("/tasks.py")]
FLOWS = [module for module in modules("flows") if not module.name.endswith("/__init__.py")]

# Room -> tasks that may move money; every other task must not be one, and these must be nothing else.
MONEY = {"execution": {"execute_tick"}}

_ARITHMETIC = ast.Sub | ast.Mult | ast.FloorDiv | ast.Mod | ast.Pow | ast.MatMult


def _ids(found: list[Module]) -> list[str]:
    return [module.name for module in found]


def _tasks(module: Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.expr]]:
    for function in module.functions():
        for decorator in function.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if ast.unparse(called) == "task":
                yield function, decorator


def _policy(decorator: ast.expr) -> str | None:
    spread = [] if not isinstance(decorator, ast.Call) else [one for one in decorator.keywords if one.arg is None]
    return ast.unparse(spread[0].value) if len(spread) == 1 else None


@pytest.mark.parametrize("door", DOORS, ids=_ids(DOORS))
def test_every_task_names_the_policy_it_is_repeated_under(door: Module) -> None:
    policies = {function.name: _policy(decorator) for function, decorator in _tasks(door)}
    assert policies, "a door without a task is no door"
    assert {name: policy for name, policy in policies.items() if policy not in task_policy.__all__} == {}


@pytest.mark.parametrize("door", DOORS, ids=_ids(DOORS))
def test_no_task_sets_retries_or_caching_of_its_own(door: Module) -> None:
    own = {
        f"{function.name}: {keyword.arg}"
        for function, decorator in _tasks(door)
        for keyword in (decorator.keywords if isinstance(decorator, ast.Call) else [])
        if keyword.arg and keyword.arg.startswith(("retr", "cache", "timeout", "persist"))
    }
    assert own == set()


def test_exactly_the_tasks_that_move_money_are_never_retried_as_such() -> None:
    money: dict[str, set[str]] = {}
    for door in DOORS:
        for function, decorator in _tasks(door):
            if _policy(decorator) == "MONEY":
                money.setdefault(door.name.split("/")[1], set()).add(function.name)
    assert money == MONEY


@pytest.mark.parametrize("door", DOORS, ids=_ids(DOORS))
def test_a_door_does_not_calculate(door: Module) -> None:
    found = [
        ast.unparse(node)
        for node in ast.walk(door.tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, _ARITHMETIC)
    ]
    assert found == []


@pytest.mark.parametrize("door", DOORS, ids=_ids(DOORS))
def test_a_door_reads_and_writes_no_file_itself(door: Module) -> None:
    touching = {
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "unlink",
        "mkdir",
        "rename",
        "replace_file",
        "execute",
    }
    found = [
        ast.unparse(node.func)
        for node in ast.walk(door.tree)
        if isinstance(node, ast.Call)
        and (ast.unparse(node.func) == "open" or (isinstance(node.func, ast.Attribute) and node.func.attr in touching))
    ]
    assert found == []


@pytest.mark.parametrize("flow", FLOWS, ids=_ids(FLOWS))
def test_a_flow_only_opens_doors(flow: Module) -> None:
    sums = [
        ast.unparse(node)
        for function in flow.functions()
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.BinOp | ast.AugAssign)
    ]
    files = [
        ast.unparse(node)
        for node in ast.walk(flow.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "open"
    ]
    assert sums + files == []


@pytest.mark.parametrize("flow", FLOWS, ids=_ids(FLOWS))
def test_a_flow_goes_one_way_whatever_its_doors_find(flow: Module) -> None:
    # A turn taken here is not taken by `kracken` and the tests, which call the rooms without the flow.
    turns = [
        ast.unparse(node)
        for function in flow.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.If | ast.IfExp | ast.BoolOp | ast.While | ast.Try | ast.Match)
    ]
    assert turns == []


@pytest.mark.parametrize("flow", FLOWS, ids=_ids(FLOWS))
def test_a_flow_is_found_under_the_name_of_its_file_and_told_when_it_fails(flow: Module) -> None:
    (function,) = [
        one for one in flow.functions() if any(ast.unparse(d).startswith("flow(") for d in one.decorator_list)
    ]
    name = flow.name.removeprefix("flows/").removesuffix(".py")
    decorator = next(d for d in function.decorator_list if ast.unparse(d).startswith("flow("))
    assert isinstance(decorator, ast.Call)
    told = {keyword.arg: ast.unparse(keyword.value) for keyword in decorator.keywords}
    assert (function.name, told["name"]) == (name, repr(name))
    assert told["on_failure"] == told["on_crashed"] == "[hooks.alert_failure]"
    assert "retries" not in told, "what may be repeated is decided task by task"

"""Habits of the whole tree that no linter holds: what never stands in a file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support.source_tree import Module, modules, text_files, uses

CODE = modules("kracken_tasks", "flows", "deployments")
TESTS = modules("tests")
HERE = "tests/architecture/test_habits.py"

_BROAD = {"Exception", "BaseException"}


def test_nothing_prints() -> None:
    assert [use.where for module in CODE for use in uses(module) if use.name == "print"] == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|HACK|XXX)\b")
    assert [name for name, text in text_files() if name != HERE and later.search(text)] == []


def test_no_error_is_swallowed_whole() -> None:
    silent = [
        where
        for module in CODE
        for where, handler in _handlers(module)
        if _is_broad(handler) and _says_nothing(handler)
    ]
    suppressed = [
        f"{module.name}:{node.lineno}"
        for module in CODE
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")
        and _BROAD & {ast.unparse(argument) for argument in node.args}
    ]  # fmt: skip
    assert silent + suppressed == []


def test_what_catches_everything_raises_it_again() -> None:
    # KeyboardInterrupt and SystemExit end a process; whoever holds them back turns a kill into a hang.
    held = [
        where
        for module in CODE
        for where, handler in _handlers(module)
        if handler.type is None or "BaseException" in ast.unparse(handler.type)
        if not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    ]
    assert held == []


def test_no_test_replaces_our_own_code() -> None:
    mocks = [use.where for module in TESTS for use in uses(module) if use.name.startswith(("unittest.mock", "mock."))]
    patched = [
        f"{module.name}:{node.lineno}"
        for module in TESTS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "monkeypatch.setattr"
    ]
    assert mocks + patched == []


def test_no_file_names_a_machine_or_a_package_index() -> None:
    words = [
        r"(?<![\w.])/(work|farm|root)/",
        r"/home/[a-z]",
        r"\bpypi\.org",
        r"pythonhosted",
        r"\bissue #\d",
        r"index-url",
    ]
    pattern = re.compile("|".join(words), re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in text_files()
        if name != HERE
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_no_file_is_called_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "base", "misc", "shared"}
    assert [
        module.name for module in (*CODE, *TESTS) if module.name.rsplit("/", 1)[-1].removesuffix(".py") in drawers
    ] == []


def _handlers(module: Module) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            yield f"{module.name}:{node.lineno}", node


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in _BROAD


def _says_nothing(handler: ast.ExceptHandler) -> bool:
    return all(isinstance(node, ast.Pass | ast.Continue | ast.Break) for node in handler.body)

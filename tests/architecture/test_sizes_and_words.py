"""Files a person can read: how long they are, and that each says what it is for."""

from __future__ import annotations

import ast
import re

import kracken_tasks
from tests.support.source_tree import ROOT, modules

CODE = modules("kracken_tasks", "flows", "deployments")

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
LONGEST_FLOW = 80


def test_no_module_is_too_long_to_hold_in_mind() -> None:
    assert {module.name: module.lines for module in CODE if module.lines > LONGEST_MODULE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{module.name}:{function.name}": length
        for module in (*CODE, *modules("tests"))
        for function in module.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_every_flow_can_be_read_aloud() -> None:
    assert {module.name: module.lines for module in modules("flows") if module.lines > LONGEST_FLOW} == {}


def test_every_module_begins_with_a_sentence() -> None:
    wordless = [
        module.name for module in (*CODE, *modules("tests")) if module.text.strip() and not _sentence(module.tree)
    ]
    assert wordless == []


def _sentence(tree: ast.Module) -> bool:
    first = (ast.get_docstring(tree) or "").strip().split("\n")[0].strip()
    return len(first.split()) > 1 and first[-1] in ".:!?"


def test_every_room_is_named_where_the_reader_begins() -> None:
    folders = {path.name for path in (ROOT / "kracken_tasks").iterdir() if (path / "__init__.py").is_file()}
    files = {path.stem for path in (ROOT / "kracken_tasks").glob("*.py")} - {"__init__"}
    unnamed = [room for room in sorted(folders | files) if f"``{room}``" not in (kracken_tasks.__doc__ or "")]
    assert unnamed == []


def _members(package: str) -> set[str]:
    folder = ROOT / package
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    return files | {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}


def test_a_map_of_a_package_names_every_module_that_lies_there() -> None:
    # A package's docstring that names some of its modules is read as naming all; only doors (``tasks``) are known without.
    unnamed: dict[str, list[str]] = {}
    maps = 0
    for module in CODE:
        if not module.name.endswith("/__init__.py"):
            continue
        package = module.name.removesuffix("/__init__.py")
        told = set(re.findall(r"``([a-z][a-z0-9_]*)``", ast.get_docstring(module.tree) or ""))
        members = _members(package)
        if not told & members:
            continue
        maps += 1
        if lacking := sorted(members - told - {"tasks"}):
            unnamed[package] = lacking
    assert maps > 20
    assert unnamed == {}


def test_every_public_name_is_there() -> None:
    # A name in __all__ that the module lacks breaks ``from room import *`` and misleads the reader.
    for module in CODE:
        declared = _declared(module.tree)
        if declared is None or module.name.endswith("__init__.py"):
            continue
        bound = _bound(module.tree)
        assert sorted(set(declared) - bound) == [], module.name


def _declared(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def _bound(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names.update(
                name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            )
    return names

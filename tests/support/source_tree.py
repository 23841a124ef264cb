"""The project's own files as text and as syntax trees, for tests that judge the tree itself.

In: nothing.  Out: modules with their trees, and every dotted name a module uses, spelled as imported.  Never: an import of what
it reads.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "Module", "Use", "modules", "text_files", "uses"]

ROOT = Path(__file__).resolve().parents[2]

# Folders that a checkout does not hold: what tools and runs leave behind.
_LEFT_BEHIND = {"__pycache__", "build", "dist", "exports", "logs", "node_modules"}
_TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".txt",
    ".sh",
    ".js",
    ".sql",
    ".cfg",
    ".ini",
    ".mako",
    ".example",
    "",
}


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file: its path from the project's root, with ``/``, its text and its tree."""

    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@dataclass(frozen=True, slots=True)
class Use:
    """A dotted name as the imports resolve it (``datetime.datetime.now``), and where it stands."""

    name: str
    where: str


def modules(*folders: str) -> list[Module]:
    """Every Python file below the folders, in order of path."""
    return [_module(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


@cache
def text_files() -> tuple[tuple[str, str], ...]:
    """Path and text of every file that a person wrote."""
    return tuple(
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and path.suffix in _TEXT and not _ignored(path.relative_to(ROOT))
    )


def _ignored(path: Path) -> bool:
    hidden = path.parts[0].startswith(".") and path.parts[0] not in {".ci", ".github", ".gitignore"}
    return hidden or any(part in _LEFT_BEHIND or part.endswith(".egg-info") for part in path.parts)


def uses(module: Module, *, on_import: bool = False) -> Iterator[Use]:
    """Names and attribute chains that begin at an import or a builtin; ``self.clock.now`` is not among them.

    ``on_import`` keeps to what runs when the module is imported: no function's body.
    """
    imported = _imported(module.tree)
    for node in _outside_functions(module.tree) if on_import else ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                yield Use(f"{node.module}.{alias.name}", f"{module.name}:{node.lineno}")
        elif isinstance(node, ast.Attribute | ast.Name):
            chain = _chain(node)
            if chain is not None:
                name = ".".join([imported.get(chain[0], chain[0]), *chain[1:]])
                yield Use(name, f"{module.name}:{node.lineno}")


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _outside_functions(child)


def _imported(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _chain(node: ast.expr) -> list[str] | None:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _chain(node.value)
        return None if before is None else [*before, node.attr]
    return None

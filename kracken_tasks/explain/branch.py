"""The tree a story is told as.

In: a kind, a name, facts, branches.  Out: lines for a terminal, plain values for JSON.  Never: anything but text in a fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Branch"]


@dataclass(frozen=True, slots=True)
class Branch:
    """One thing: its ``kind`` in a word, its ``name`` (mostly an id), facts in the order they are read, and what lies behind it."""

    kind: str
    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    branches: tuple[Branch, ...] = ()

    def lines(self) -> list[str]:
        """The tree as lines, drawn with box characters; facts left empty are left out."""
        return [self._headline(), *self._below("")]

    def to_plain(self) -> dict[str, Any]:
        """The same as JSON's own types; every key is always there."""
        return {
            "kind": self.kind,
            "name": self.name,
            "facts": dict(self.facts),
            "branches": [branch.to_plain() for branch in self.branches],
        }

    def walk(self) -> Iterator[Branch]:
        """This branch and all below it, in the order they are printed."""
        yield self
        for branch in self.branches:
            yield from branch.walk()

    def _headline(self) -> str:
        told = "  ".join(f"{name} {value}" for name, value in self.facts.items() if value)
        return f"{self.kind} {self.name}" + (f": {told}" if told else "")

    def _below(self, margin: str) -> list[str]:
        drawn = []
        for branch in self.branches:
            last = branch is self.branches[-1]
            drawn.append(f"{margin}{'└── ' if last else '├── '}{branch._headline()}")
            drawn += branch._below(margin + ("    " if last else "│   "))
        return drawn

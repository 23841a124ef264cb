"""``kracken ...`` without a process of its own: the same entry, with its output and exit code.

In: words.  Out: what was said and how it ended.  Never: the user's settings; the home is a test's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from kracken_tasks.cli.commands import run

__all__ = ["Kracken", "Said", "kracken_with"]


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """What was said, however the terminal's width broke it into lines."""
        return " ".join(self.out.replace("│", " ").split())

    @property
    def sentence(self) -> str:
        """The one line of a refusal."""
        (line,) = self.err.strip().splitlines()
        return line


Kracken = Callable[..., Said]


def kracken_with(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Kracken:
    """A ``kracken`` to call with its words."""

    def kracken(*words: object) -> Said:
        capfd.readouterr()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["kracken", *map(str, words)])
            code = run()
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return kracken

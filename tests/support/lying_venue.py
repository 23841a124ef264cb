"""A venue between a tick and the scripted one that answers one question badly.

In: the honest venue and replacements for some of its answers.  Out: the same protocol.  Never: a state of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.venue import ScriptedVenue

__all__ = ["LyingVenue"]


class LyingVenue:
    """``answers`` maps a method's name to a callable that is given the honest method and the arguments."""

    def __init__(self, honest: ScriptedVenue, **answers: Callable[..., Any]) -> None:
        self._honest = honest
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self._honest, name)
        lie = self._answers.get(name)
        return honest if lie is None else lambda *args, **more: lie(honest, *args, **more)

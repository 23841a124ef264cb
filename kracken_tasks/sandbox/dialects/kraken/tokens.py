"""Tokens that open the private socket: given out over REST, good for 15 minutes, forgotten by a restart.

In: an account's key.  Out: a token; later, whose it is.  Never: market time, which may stand still or leap while a token is good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kracken_tasks.sandbox.clock import NS_PER_SECOND, wall_ns

__all__ = ["TOKEN_SECONDS", "Tokens"]

TOKEN_SECONDS: Final = 900


@dataclass(slots=True)
class Tokens:
    """A token must be used within its time; a subscription made with it lives on after that."""

    wall: Callable[[], int] = wall_ns
    _given: dict[str, tuple[str, int]] = field(default_factory=dict)

    def give(self, token: str, account: str) -> None:
        now_ns = self.wall()
        self._given = {one: given for one, given in self._given.items() if given[1] > now_ns}
        self._given[token] = (account, now_ns + TOKEN_SECONDS * NS_PER_SECOND)

    def account(self, token: str) -> str | None:
        """Whose token this is; None if it is unknown or too old."""
        account, until_ns = self._given.get(token, ("", 0))
        return account if self.wall() < until_ns else None

    def expire(self) -> None:
        """Every token given out so far is too old from now on."""
        self._given.clear()

"""The open sockets of all dialects, for the back door: who is connected, and a way to cut them off.

In: sockets as they open and close.  Out: what each is and hears.  Never: a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Socket", "Sockets"]


class Socket(Protocol):
    """One connection as the back door sees it."""

    def described(self) -> dict[str, Any]: ...

    def hears(self, channel: str) -> bool:
        """Whether it subscribed to the channel."""
        ...

    def cut(self) -> None:
        """Break the connection at once, without a word."""
        ...


@dataclass(slots=True)
class Sockets:
    """Numbered in order of opening; a number is never used again."""

    _open: dict[int, Socket] = field(default_factory=dict)
    _opened: int = 0

    def add(self, socket: Socket) -> int:
        self._opened += 1
        self._open[self._opened] = socket
        return self._opened

    def remove(self, number: int) -> None:
        self._open.pop(number, None)

    def listed(self) -> list[dict[str, Any]]:
        return [{"id": number, **socket.described()} for number, socket in self._open.items()]

    def cut(self, number: int | None = None, channel: str | None = None) -> int:
        """Cut one, those that hear a channel, or all; returns how many."""
        chosen = [
            socket
            for at, socket in self._open.items()
            if number in (None, at) and (channel is None or socket.hears(channel))
        ]
        for socket in chosen:
            socket.cut()
        return len(chosen)

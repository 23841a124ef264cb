"""A hand on the sandbox's back door: its clock, its state, its end.

In: the server's address.  Out: what it answers.  Never: the venue's dialect; orders and candles go through ccxt.
"""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.errors import RetryLater

__all__ = ["SandboxControl", "free_ports"]


@dataclass(frozen=True, slots=True)
class SandboxControl:
    """``base_url`` without a path, for example ``http://127.0.0.1:8765``."""

    base_url: str

    def now(self) -> datetime:
        return parse_utc(str(self._call("GET", "health")["now"]))

    def advance(self, by: timedelta) -> datetime:
        """Move a manual clock.  Raises: RetryLater if the server is away or refuses."""
        return parse_utc(str(self._call("POST", "clock", {"advance_seconds": str(by.total_seconds())})["now"]))

    def follow_wall(self) -> datetime:
        """Let a manual clock go: it jumps to the wall's time and follows it from there."""
        return parse_utc(str(self._call("POST", "clock", {"follow_wall": True})["now"]))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.base_url}/control/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise RetryLater(
                f"the sandbox refused {path}: {error.read().decode(errors='replace')}", path=path
            ) from None
        except OSError as error:
            raise RetryLater(f"the sandbox does not answer at {self.base_url}: {error}", path=path) from None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()

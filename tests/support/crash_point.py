"""Where a process may be struck: before and after every commit of the ledger and every request to the venue, counted as they come.

In: a venue and a ledger of this process.  Out: the points as they are passed, written to a pipe; the strike at one of them.
Never: a list of points made by hand; reads of the database, which change nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from sqlalchemy import event

from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.ledger import Ledger

__all__ = ["Recorder"]

_WRITES = re.compile(r"\s*(?:INSERT INTO|UPDATE) \"?(\w+)")


class Recorder:
    """Counts points from 1; at number ``at`` it strikes (0: never).  Each is written to ``pipe`` before anything happens."""

    def __init__(self, pipe: int, at: int, strike: Callable[[], None]) -> None:
        self._pipe, self._at, self._strike = pipe, at, strike
        self._count = 0

    def point(self, name: str) -> None:
        self._count += 1
        os.write(self._pipe, f"{name}\n".encode())
        if self._count == self._at:
            self._strike()

    def watch_venue(self, venue: CcxtVenue) -> None:
        """Every HTTP request of this venue: once before it leaves, once when its answer is here and nobody has looked at it."""
        venue._client.api.session.mount("http://", _Adapter(self))

    def watch_ledger(self, ledger: Ledger) -> None:
        """Every commit that writes: once before the database is told, once when it has said yes."""
        engine = ledger._store.engine
        written: list[str] = []
        told: list[str] = []

        @event.listens_for(engine, "before_cursor_execute")
        def statement(connection: Any, cursor: Any, text: str, *rest: Any) -> None:
            found = _WRITES.match(text)
            if found and found.group(1) != "entry":
                written.append(found.group(1))

        @event.listens_for(engine, "commit")
        def commit(connection: Any) -> None:
            if written:
                told[:] = ["+".join(dict.fromkeys(written))]
                written.clear()
                self.point(f"before commit of {told[0]}")

        @event.listens_for(engine, "rollback")
        def rollback(connection: Any) -> None:
            written.clear()

        @event.listens_for(engine.pool, "checkin")
        def checkin(connection: Any, record: Any) -> None:
            if told:
                self.point(f"after commit of {told.pop()}")


class _Adapter(HTTPAdapter):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        name = request.path_url.partition("?")[0].rsplit("/", 1)[-1]
        self._recorder.point(f"before request {name}")
        answer = super().send(request, *args, **options)
        self._recorder.point(f"after request {name}")
        return answer

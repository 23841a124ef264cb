"""Kraken's WebSocket v2 over HTTP: who may connect, and who is connected.

In: upgrade requests under the venue's prefix.  Out: sessions, each until either side hangs up.  Never: a frame of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiohttp import web

from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.dialects.kraken.streams.desks import PrivateDesk, PublicDesk
from kracken_tasks.sandbox.dialects.kraken.streams.session import Desk, Session
from kracken_tasks.sandbox.dialects.kraken.tokens import Tokens
from kracken_tasks.sandbox.faults import Faults, Moment
from kracken_tasks.sandbox.sockets import Sockets
from kracken_tasks.sandbox.state import Happening
from kracken_tasks.sandbox.venue import Venue

__all__ = ["KrakenStreams"]

_log = logging.getLogger(__name__)
_MOST_IN = 1024 * 1024


class KrakenStreams:
    """The endpoints ``/ws/v2`` and ``/ws-auth/v2`` of one venue, under a prefix.

    ``slow_seconds``: how long a client may take to make room for a frame before it is cut off.
    """

    prefix = "/kraken"
    slow_seconds = 10.0

    def __init__(self, venue: Venue, faults: Faults, sockets: Sockets, tokens: Tokens) -> None:
        self._venue = venue
        self._tokens = tokens
        self._faults = faults
        self._sockets = sockets
        self._sessions: dict[int, Session] = {}
        venue.listeners.append(self._heard)

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{self.prefix}/ws/v2", self._public), web.get(f"{self.prefix}/ws-auth/v2", self._private)]

    async def close(self, app: web.Application) -> None:
        """Hang up on everybody: the server goes."""
        for session in list(self._sessions.values()):
            await session.ws.close(code=1001, message=b"going away")

    def _heard(self, happened: Sequence[Happening]) -> None:
        """Tell everybody, unless nothing happened and the clock follows the wall: then they look often enough by themselves."""
        if happened or self._venue.state.clock.mode is ClockMode.MANUAL:
            for session in self._sessions.values():
                session.hear(happened)

    async def _public(self, request: web.Request) -> web.StreamResponse:
        return await self._connect(request, PublicDesk(self._venue))

    async def _private(self, request: web.Request) -> web.StreamResponse:
        return await self._connect(request, PrivateDesk(self._venue, self._tokens, self._faults))

    async def _connect(self, request: web.Request, desk: Desk) -> web.StreamResponse:
        rule = self._faults.strike(f"{desk.name}/connect", Moment.BEFORE)
        if rule is not None:
            await asyncio.sleep(rule.delay_ms / 1000)
            if rule.drop and request.transport is not None:
                request.transport.abort()
            if rule.drop or rule.status is not None:
                return web.Response(status=rule.status or 503, text=rule.body)
        ws = web.WebSocketResponse(max_msg_size=_MOST_IN, timeout=1.0)
        await ws.prepare(request)
        session = Session(ws, request, desk, self._venue, self._faults, 0, self.slow_seconds)
        session.number = self._sockets.add(session)
        self._sessions[session.number] = session
        try:
            await session.run()
        except ConnectionError:
            pass  # gone while it was greeted
        except Exception:
            _log.exception("sandbox socket failed", extra={"socket": session.number})
        finally:
            self._sessions.pop(session.number)
            self._sockets.remove(session.number)
        return ws

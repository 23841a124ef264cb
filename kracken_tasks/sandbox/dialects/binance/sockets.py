"""Binance's public WebSocket: who is connected and what they hear.

In: upgrade requests under ``/binance/stream/ws``.  Out: acknowledgements and events, as market time goes on.  Never: an account.
Sockets look at the clock every tenth of a second; a manual clock that is moved is told of in one go.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSMsgType, web

from kracken_tasks.sandbox.dialects.binance.streams import Event, EveryPair, Stream, stream_named
from kracken_tasks.sandbox.faults import Faults, Moment
from kracken_tasks.sandbox.sockets import Sockets
from kracken_tasks.sandbox.venue import Venue

__all__ = ["BinanceStreams"]

_log = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 0.1
_MOST_IN: Final = 64 * 1024
_PING_SECONDS: Final = 20.0


class _Session:
    """One connection; see ``sockets.Socket``."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse, venue: Venue, faults: Faults) -> None:
        self._request, self.ws, self._venue, self._faults = request, ws, venue, faults
        self._streams: dict[str, Stream | EveryPair] = {}
        self._told_ns = venue.now_ns()
        self._sent = 0

    def described(self) -> dict[str, Any]:
        return {"venue": "binance", "hears": sorted(self._streams), "sent": self._sent}

    def hears(self, channel: str) -> bool:
        return any(stream.channel == channel for stream in self._streams.values())

    def cut(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> None:
        telling = asyncio.create_task(self._tell())
        try:
            async for message in self.ws:
                if message.type is WSMsgType.TEXT:
                    await self._answer(message.data)
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling

    async def _answer(self, text: str) -> None:
        try:
            asked = json.loads(text)
            method, names, number = asked["method"], asked.get("params") or [], asked.get("id")
        except (ValueError, KeyError, TypeError, AttributeError):
            await self.ws.send_json({"error": {"code": 3, "msg": "Invalid JSON"}, "id": None})
            return
        result: Any = None
        if method == "SUBSCRIBE":
            await self._look()  # so that a new stream begins now
            self._subscribe(map(str, names))
        elif method == "UNSUBSCRIBE":
            for name in names:
                self._streams.pop(str(name), None)
        elif method == "LIST_SUBSCRIPTIONS":
            result = sorted(self._streams)
        else:
            await self.ws.send_json(
                {"error": {"code": 2, "msg": f"Invalid request: unknown method {method}"}, "id": number}
            )
            return
        await self.ws.send_json({"result": result, "id": number})

    def _subscribe(self, names: Any) -> None:
        """A pair or stream that there is not is acknowledged and never heard of, as on the real one."""
        for name in names:
            stream = stream_named(self._venue, name)
            if stream is not None and name not in self._streams:
                stream.begin(self._told_ns)
                self._streams[name] = stream

    async def _tell(self) -> None:
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                await self._look()
        except ConnectionError:
            return
        except Exception:  # a socket that says no more must not look alive
            _log.exception("sandbox socket failed", extra={"venue": "binance"})
            self.cut()

    async def _look(self) -> None:
        after_ns, now_ns = self._told_ns, self._venue.now_ns()
        self._told_ns = now_ns  # before the first await: an answer may look meanwhile
        if now_ns > after_ns:
            for stream in list(self._streams.values()):
                for event in stream.events(after_ns, now_ns):
                    await self._send(stream, event)

    async def _send(self, stream: Stream | EveryPair, event: Event | list[Event]) -> None:
        rule = self._faults.strike(f"ws/send/{stream.channel}", Moment.BEFORE, "binance")
        if rule is not None:
            await asyncio.sleep(rule.delay_ms / 1000)
            if rule.drop:
                self.cut()
            if rule.drop or rule.mute:
                return
        await self.ws.send_json(event)
        self._sent += 1


class BinanceStreams:
    """The endpoints ``/stream/ws/N`` of the venue; ``N`` is the client's own number of its connection."""

    prefix = "/binance"

    def __init__(self, venue: Venue, faults: Faults, sockets: Sockets) -> None:
        self._venue, self._faults, self._sockets = venue, faults, sockets
        self._open: set[_Session] = set()

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{self.prefix}/stream/ws{tail}", self._connect) for tail in ("", "/{number}")]

    async def close(self, app: web.Application) -> None:
        """Hang up on everybody: the server goes."""
        for session in list(self._open):
            await session.ws.close(code=1001, message=b"going away")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        rule = self._faults.strike("ws/connect", Moment.BEFORE, "binance")
        if rule is not None:
            await asyncio.sleep(rule.delay_ms / 1000)
            if rule.drop and request.transport is not None:
                request.transport.abort()
            if rule.drop or rule.status is not None:
                return web.Response(status=rule.status or 503, text=rule.body)
        ws = web.WebSocketResponse(max_msg_size=_MOST_IN, timeout=1.0, heartbeat=_PING_SECONDS)
        await ws.prepare(request)
        session = _Session(request, ws, self._venue, self._faults)
        number = self._sockets.add(session)
        self._open.add(session)
        try:
            await session.run()
        except ConnectionError:
            pass  # gone meanwhile
        except Exception:
            _log.exception("sandbox socket failed", extra={"venue": "binance", "socket": number})
        finally:
            self._open.discard(session)
            self._sockets.remove(number)
        return ws

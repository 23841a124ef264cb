"""A bare WebSocket v2 client for tests: frames as they came, every wait with an end.

In: a running sandbox.  Out: frames as dicts, numbers as text where a test looks at digits.  Never: a reconnect, a retry.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.async_support

from tests.support.sandbox import RunningSandbox

__all__ = ["Frame", "StreamSocket", "open_stream", "token_of"]

SECONDS = 10.0
Frame = dict[str, Any]


class StreamSocket:
    """One connection.  ``receive`` fails when nothing comes, ``frames`` returns all that is on its way."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.greeting: Frame = {}
        self._ids = itertools.count(1)

    async def send(self, method: str, params: dict[str, Any] | None = None, **more: Any) -> int:
        number = next(self._ids)
        message = {"method": method, "req_id": number, **({} if params is None else {"params": params}), **more}
        await self.ws.send_json(message)
        return number

    async def receive(self, seconds: float = SECONDS, exact: bool = False) -> Frame:
        """The next frame.  Raises: TimeoutError for silence, ConnectionError once the other side hung up."""
        async with asyncio.timeout(seconds):
            message = await self.ws.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"no frame but {message.type.name}")
        found: Frame = json.loads(message.data, parse_float=str if exact else None)
        return found

    async def until(self, wanted: Callable[[Frame], bool], exact: bool = False) -> list[Frame]:
        """All frames up to and with the first wanted one."""
        found: list[Frame] = []
        while not found or not wanted(found[-1]):
            found.append(await self.receive(exact=exact))
        return found

    async def frames(self, exact: bool = False) -> list[Frame]:
        """Everything that happened before this call: what comes before the answer to a ping, heartbeats left out."""
        number = await self.send("ping")
        found = await self.until(lambda frame: frame.get("method") == "pong" and frame.get("req_id") == number, exact)
        return [frame for frame in found[:-1] if frame.get("channel") != "heartbeat"]

    async def ask(self, method: str, params: dict[str, Any]) -> Frame:
        """A request's answer; what comes in between is dropped."""
        number = await self.send(method, params)
        return (await self.until(lambda frame: frame.get("req_id") == number))[-1]

    async def subscribe(self, channel: str, *symbols: str, **params: Any) -> Frame:
        named = {"symbol": list(symbols)} if symbols else {}
        return await self.ask("subscribe", {"channel": channel, **named, **params})


@asynccontextmanager
async def open_stream(running: RunningSandbox, path: str = "ws") -> AsyncIterator[StreamSocket]:
    """Connect to ``ws`` or ``ws-auth`` and take the greeting."""
    url = f"{running.base_url.replace('http', 'ws', 1)}/kraken/{path}/v2"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as ws:
        socket = StreamSocket(ws)
        socket.greeting = await socket.receive()
        yield socket


async def token_of(running: RunningSandbox, **options: Any) -> str:
    """A token for the private socket, asked for over REST."""
    client = ccxt.async_support.kraken(running.ccxt_options(**options))
    try:
        answer = await client.private_post_getwebsocketstoken()
    finally:
        await client.close()
    return str(answer["result"]["token"])

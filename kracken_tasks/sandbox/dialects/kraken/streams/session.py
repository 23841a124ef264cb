"""One socket: what is asked is answered, what happens is pushed, and silence is filled with heartbeats.

In: a client's messages, and a market that moves on.  Out: frames in order of market time.  Never: a frame twice, or one left out,
unless a fault was ordered.  A client too slow to take its frames is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiohttp import WSMsgType, web

from kracken_tasks.sandbox.clock import NS_PER_SECOND, ClockMode
from kracken_tasks.sandbox.dialects.kraken.streams.account import AccountFeed
from kracken_tasks.sandbox.dialects.kraken.streams.feeds import Feed, Frame
from kracken_tasks.sandbox.dialects.kraken.streams.spoiling import spoilt
from kracken_tasks.sandbox.dialects.kraken.streams.subscribing import Wish, symbols_of
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Digits, Json, encoded, stamp
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.faults import FaultRule, Faults, Moment
from kracken_tasks.sandbox.state import Happening
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Desk", "Session", "Subscription"]

_log = logging.getLogger(__name__)
_HEARTBEAT_S: Final = 1.0
_BEAT_S: Final = 0.1  # how often a market that follows the wall is looked at
_SLICE_NS: Final = (
    300 * NS_PER_SECOND
)  # frames are made for so much market time at once; in between others get their turn
_MOST_NS: Final = 86_400 * NS_PER_SECOND  # nobody is sent more than a day in one go


@dataclass(slots=True)
class Subscription:
    """A granted wish, and the market moment up to which it was served."""

    feed: Feed
    served_ns: int


class Desk(Protocol):
    """What one endpoint's sockets may ask for, besides ping and pong."""

    name: str  # the first part of its fault names: ws or ws-auth

    def wishes(self, params: dict[str, Any]) -> list[Wish | tuple[str, str]]:
        """Read a subscription.  Raises: Refused."""
        ...

    def answers(self, method: str, params: dict[str, Any]) -> list[Json]:
        """Serve another method: its answers, each with a ``result`` or an ``error``.  Raises: Refused, also for an unknown method."""
        ...

    def catch_up(self) -> None:
        """Before a look at the market: work through what happened to orders."""
        ...


@dataclass(slots=True)
class Session:
    """See the module docstring.  ``slow_seconds``: how long a client may take to make room for a frame."""

    ws: web.WebSocketResponse
    request: web.Request
    desk: Desk
    venue: Venue
    faults: Faults
    number: int
    slow_seconds: float = 10.0
    subscriptions: dict[tuple[str, str | None], Subscription] = field(default_factory=dict)
    sent: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _last_sent: float = 0.0
    _system: str = ""

    async def run(self) -> None:
        """Serve until either side hangs up."""
        self._last_sent = _seconds()
        await self._send_status()
        pump = asyncio.create_task(self._pump())
        try:
            async for message in self.ws:
                if message.type is WSMsgType.TEXT:
                    await self._catch_up()  # what happened before it was asked is told before it is answered
                    async with self._turn:
                        await self._handle(message.data)
        except ConnectionError:
            pass
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    def hear(self, happened: Sequence[Happening]) -> None:
        """Orders and money moved, or the clock did: look now, not at the next beat."""
        for one in self.subscriptions.values():
            if isinstance(one.feed, AccountFeed):
                one.feed.hear(happened)
        self._wake.set()

    def described(self) -> dict[str, Any]:
        heard = [{"channel": channel, "symbol": symbol} for channel, symbol in self.subscriptions]
        return {"endpoint": self.desk.name, "subscriptions": heard, "frames_sent": self.sent}

    def hears(self, channel: str) -> bool:
        return any(name == channel for name, _ in self.subscriptions)

    def cut(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()

    async def _handle(self, text: str) -> None:
        time_in = self._now()
        try:
            message = json.loads(text, parse_float=Digits)
            if not isinstance(message, dict) or not isinstance(message.get("params", {}), dict):
                raise ValueError("no request")
        except ValueError:
            await self._answer({"error": "Malformed request"}, None, None, time_in)
            return
        method, req_id = message.get("method"), message.get("req_id")
        try:
            await self._dispatch(method, message.get("params", {}), req_id, time_in)
        except ConnectionError:
            raise
        except Exception:
            _log.exception("sandbox request failed", extra={"socket": self.number})
            await self._answer({"error": "EGeneral:Internal error"}, str(method), req_id, time_in)

    async def _dispatch(self, method: Any, params: dict[str, Any], req_id: Any, time_in: int) -> None:
        if method == "ping":
            await self._send("pong", self._timed({"method": "pong"}, req_id, time_in))
        elif method == "subscribe":
            await self._subscribe(params, req_id, time_in)
        elif method == "unsubscribe":
            await self._unsubscribe(params, req_id, time_in)
        elif isinstance(method, str):
            await self._serve(method, params, req_id, time_in)
        else:
            await self._answer({"error": "Malformed request"}, None, req_id, time_in)

    async def _subscribe(self, params: dict[str, Any], req_id: Any, time_in: int) -> None:
        rule = self._strike(f"subscribe/{params.get('channel')}")
        if rule is not None and not await self._goes_on(rule):
            return
        try:
            if rule is not None and rule.error is not None:
                raise Refused(rule.error)
            wishes = self.desk.wishes(params)
        except Refused as refusal:
            await self._answer({"error": refusal.reason}, "subscribe", req_id, time_in)
            return
        for wish in wishes:
            if isinstance(wish, tuple):
                symbol, reason = wish
                await self._answer({"error": reason, "symbol": symbol}, "subscribe", req_id, time_in)
                continue
            key = (wish.channel, wish.symbol)
            if key in self.subscriptions:
                words = "Already subscribed"
                words += " to one ohlc interval on this symbol" if wish.channel == "ohlc" else ""
                told = {"error": words} | ({"symbol": wish.symbol} if wish.symbol else {})
                await self._answer(told, "subscribe", req_id, time_in)
                continue
            await self._answer({"result": wish.result}, "subscribe", req_id, time_in)
            await self._begin(key, wish)

    async def _begin(self, key: tuple[str, str | None], wish: Wish) -> None:
        self.desk.catch_up()
        now_ns, feed = self.venue.now_ns(), wish.feed()
        self.subscriptions[key] = Subscription(feed, now_ns)
        for frame in list(feed.snapshot(now_ns)):
            if wish.snapshot:
                await self._push(frame)

    async def _unsubscribe(self, params: dict[str, Any], req_id: Any, time_in: int) -> None:
        channel = str(params.get("channel"))
        symbols: list[str | None] = [None]
        if params.get("symbol") is not None:
            try:
                symbols = [*symbols_of(params)]
            except Refused as refusal:
                await self._answer({"error": refusal.reason}, "unsubscribe", req_id, time_in)
                return
        for symbol in symbols:
            found = self.subscriptions.pop((channel, symbol), None)
            named: Json = {"symbol": symbol} if symbol is not None else {}
            told: Json = (
                {"result": {"channel": channel, **named}} if found else {"error": "Subscription Not Found", **named}
            )
            await self._answer(told, "unsubscribe", req_id, time_in)

    async def _serve(self, method: str, params: dict[str, Any], req_id: Any, time_in: int) -> None:
        """Any other method; a fault may strike before its effects, or after them and before the answer."""
        before = self.faults.strike(f"{self.desk.name}/{method}", Moment.BEFORE)
        if before is not None and not await self._goes_on(before):
            return
        try:
            if before is not None and before.error is not None:
                raise Refused(before.error)
            told = self.desk.answers(method, params)
        except Refused as refusal:
            told = [{"error": refusal.reason}]
        after = self.faults.strike(f"{self.desk.name}/{method}", Moment.AFTER)
        if after is not None and not await self._goes_on(after):
            return
        for one in told:
            await self._answer(one, method, req_id, time_in)

    async def _pump(self) -> None:
        """Push what happens; never let a second pass in silence."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._catch_up()
                if self.subscriptions and _seconds() - self._last_sent >= _HEARTBEAT_S:
                    async with self._turn:
                        await self._send("heartbeat", {"channel": "heartbeat"})
            except ConnectionError:
                return
            except Exception:
                _log.exception("sandbox socket failed", extra={"socket": self.number})
                self.cut()
                return

    async def _catch_up(self) -> None:
        """All subscriptions up to now, slice by slice, each slice in order of market time."""
        if self.venue.state.settings.system_status != self._system:
            await self._send_status()
        if self.venue.state.clock.mode is ClockMode.WALL:
            self.desk.catch_up()
        until_ns = self.venue.now_ns()
        while True:
            async with self._turn:
                behind = [one for one in self.subscriptions.values() if one.served_ns < until_ns]
                first_ns = min((one.served_ns for one in behind), default=until_ns)
                if until_ns - first_ns > _MOST_NS:
                    _log.warning("sandbox socket cut: more than a day behind", extra={"socket": self.number})
                    self.cut()
                    return
                slice_ns = min(first_ns + _SLICE_NS, until_ns)
                frames: list[Frame] = []
                for one in self.subscriptions.values():
                    if one.served_ns < slice_ns or slice_ns == until_ns:
                        frames.extend(one.feed.updates(one.served_ns, slice_ns))
                        one.served_ns = max(one.served_ns, slice_ns)
                for frame in sorted(frames, key=lambda frame: frame.ts_ns):
                    await self._push(frame)
            if slice_ns >= until_ns:
                return

    async def _push(self, frame: Frame) -> None:
        await self._send(str(frame.message["channel"]), frame.message)

    async def _send_status(self) -> None:
        self._system = self.venue.state.settings.system_status
        row = {
            "version": "2.0.10",
            "system": self._system,
            "api_version": "v2",
            "connection_id": 2**63 + self.number,
            "upcoming_maintenance": [],
            "emergency": [],
        }
        await self._send("status", {"channel": "status", "type": "update", "data": [row]})

    async def _answer(self, told: Json, method: str | None, req_id: Any, time_in: int) -> None:
        """An acknowledgement; ``told`` holds a result or an error, and what else belongs to it."""
        named = {"method": method, "req_id": req_id}
        message = told | {name: value for name, value in named.items() if value is not None}
        message["success"] = "error" not in told
        message = dict(sorted(message.items()))  # Kraken's acknowledgements come in order of the alphabet
        await self._send("ack", self._timed(message, None, time_in))

    def _timed(self, message: Json, req_id: Any, time_in: int) -> Json:
        told = message | ({"req_id": req_id} if req_id is not None else {})
        return told | {"time_in": stamp(time_in), "time_out": stamp(self._now())}

    def _now(self) -> int:
        """The clock as clients see it."""
        return self.venue.now_ns() + self.venue.state.settings.clock_skew_ms * 1_000_000

    def _strike(self, what: str) -> FaultRule | None:
        return self.faults.strike(f"{self.desk.name}/{what}", Moment.BEFORE)

    async def _goes_on(self, rule: FaultRule) -> bool:
        """Suffer a fault's delay and cut; whether there is still something to answer."""
        if rule.delay_ms:
            await asyncio.sleep(rule.delay_ms / 1000)
        if rule.drop:
            self.cut()
        return not (rule.drop or rule.mute)

    async def _send(self, name: str, message: Json) -> None:
        self._last_sent = (
            _seconds()
        )  # also of a frame that a fault swallows: a muted socket has heartbeats to swallow, too
        rule = self._strike(f"send/{name}")
        if rule is not None and not await self._goes_on(rule):
            return
        for one in [message] if rule is None else spoilt(message, rule.spoil):
            await self._write(encoded(one))

    async def _write(self, text: str) -> None:
        if self.ws.closed:
            raise ConnectionResetError("the socket is closed")
        try:
            async with asyncio.timeout(self.slow_seconds):
                await self.ws.send_str(text)
        except TimeoutError:
            _log.warning("sandbox socket cut: the client is too slow", extra={"socket": self.number})
            self.cut()
            raise ConnectionResetError("the client is too slow") from None
        self.sent += 1


def _seconds() -> float:
    return asyncio.get_running_loop().time()

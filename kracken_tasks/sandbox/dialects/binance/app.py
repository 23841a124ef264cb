"""Binance's dialect over HTTP: keys, signatures, the receive window, and request weights.

In: requests under ``/binance``.  Out: Binance's JSON, with the weight used so far in a header.  Never: an unsigned order.
Requests are signed with the client's wall clock; ``timestamp`` must fit the venue's clock or the wall's within ``recvWindow``, so
that a sandbox whose market stands in another year can be traded on.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from aiohttp import web

from kracken_tasks.sandbox.clock import NS_PER_MS, NS_PER_SECOND, wall_ns
from kracken_tasks.sandbox.config import ApiKey
from kracken_tasks.sandbox.dialects.binance.account import ACCOUNT
from kracken_tasks.sandbox.dialects.binance.errors import malformed, missing, refused, translated
from kracken_tasks.sandbox.dialects.binance.public import PUBLIC
from kracken_tasks.sandbox.dialects.rest import Endpoint, Rejection, RestDialect
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.faults import Faults
from kracken_tasks.sandbox.venue import Venue

__all__ = ["BinanceDialect"]

_RECV_WINDOW, _MOST_RECV_WINDOW = 5_000, 60_000
_AHEAD_MS = 1_000
_MINUTE_NS: Final = 60 * NS_PER_SECOND
_BAN_NS: Final = 120 * NS_PER_SECOND
_PATIENCE = 10  # refusals in one minute after which the address is banned
_SIGNATURE = "&signature="


class BinanceDialect(RestDialect):
    """See the module docstring.  Weights count per address, in minutes of market time, and are forgotten on a restart."""

    prefix: ClassVar[str] = "/binance"
    endpoints: ClassVar[tuple[Endpoint, ...]] = (*PUBLIC, *ACCOUNT)

    def __init__(self, venue: Venue, keys: Mapping[str, ApiKey], faults: Faults) -> None:
        super().__init__(venue, keys, faults)
        self._used: dict[str, tuple[int, int, int]] = {}  # address -> minute, weight, refusals
        self._banned: dict[str, int] = {}

    def values_of(self, request: web.Request, body: bytes) -> dict[str, Any]:
        sent = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return {**request.query, **sent}

    def account_of(self, request: web.Request, body: bytes) -> str:
        key = self.keys.get(request.headers.get("X-MBX-APIKEY", ""))
        if key is None:
            raise refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        values = self.values_of(request, body)
        signed = f"{request.rel_url.raw_query_string}{body.decode('utf-8', 'replace')}"
        if "signature" not in values:
            raise missing("signature")
        payload, _, tail = signed.rpartition(_SIGNATURE) if _SIGNATURE in signed else ("", "", "")
        expected = hmac.new(key.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, tail.lower()):
            raise refused(-1022, "Signature for this request is not valid.")
        self._check_time(values)
        return key.account

    def _check_time(self, values: Mapping[str, Any]) -> None:
        stamp = _whole(values, "timestamp")
        if stamp is None:
            raise missing("timestamp")
        window = _whole(values, "recvWindow") or _RECV_WINDOW
        if window > _MOST_RECV_WINDOW:
            raise refused(-1131, "recvWindow must be less than 60000.")
        skew_ms = self.venue.state.settings.clock_skew_ms
        clocks = (self.venue.now_ns() // NS_PER_MS + skew_ms, wall_ns() // NS_PER_MS + skew_ms)
        late = [now - stamp for now in clocks]
        if any(-_AHEAD_MS < behind <= window for behind in late):
            return
        if all(behind <= -_AHEAD_MS for behind in late):
            raise refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        raise refused(-1021, "Timestamp for this request is outside of the recvWindow.")

    def admit(self, request: web.Request, endpoint: Endpoint, now_ns: int) -> dict[str, str]:
        """At most 60 times ``public_calls_per_second`` of weight a minute (0: no limit), then 429, then, unheeded, 418."""
        address, minute = request.remote or "", now_ns // _MINUTE_NS
        since, used, refusals = self._used.get(address, (minute, 0, 0))
        if since != minute:
            used, refusals = 0, 0
        banned_ns = self._banned.get(address, 0)
        if now_ns < banned_ns:
            raise _banned(banned_ns, now_ns)
        most = 60 * self.venue.state.settings.public_calls_per_second
        used += endpoint.weight
        if most and used > most:
            self._used[address] = (minute, used, refusals + 1)
            if refusals + 1 > _PATIENCE:
                self._banned[address] = now_ns + _BAN_NS
                raise _banned(now_ns + _BAN_NS, now_ns)
            wait_s = -(-((minute + 1) * _MINUTE_NS - now_ns) // NS_PER_SECOND)
            text = f"Too much request weight used; current limit is {most} request weight per 1 MINUTE."
            raise refused(-1003, text, 429, {"Retry-After": str(wait_s)})
        self._used[address] = (minute, used, refusals)
        return {"X-MBX-USED-WEIGHT": str(used), "X-MBX-USED-WEIGHT-1M": str(used)}

    def rejection_of(self, refused: Refused, values: Mapping[str, Any]) -> Rejection:
        return translated(refused.reason)

    def ordered_error(self, text: str) -> Rejection:
        """``-1003: Too many requests.``: a code and a sentence; -1003 comes with HTTP 429."""
        code, _, message = text.partition(":")
        number = int(code) if code.strip().lstrip("-").isdigit() else -1000
        return refused(number, message.strip() or text, 429 if number == -1003 else 400)


def _banned(until_ns: int, now_ns: int) -> Rejection:
    text = f"Way too much request weight used; IP banned until {until_ns // NS_PER_MS}."
    return refused(-1003, text, 418, {"Retry-After": str(-(-(until_ns - now_ns) // NS_PER_SECOND))})


def _whole(values: Mapping[str, Any], name: str) -> int | None:
    text = values.get(name)
    if text is None or text == "":
        return None
    if not str(text).isdigit():
        raise malformed(name)
    return int(text)

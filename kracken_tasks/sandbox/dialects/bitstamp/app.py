"""Bitstamp's dialect over HTTP: keys, signatures, nonces.

In: requests under ``/bitstamp``.  Out: Bitstamp's JSON.  Never: an unsigned order.
The signature covers the key, method, address, content type, nonce, time, version and body.  Requests are signed with the client's
wall clock, so their time is judged by the wall's, or by the venue's where that stands elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from aiohttp import web

from kracken_tasks.sandbox.clock import NS_PER_MS, wall_ns
from kracken_tasks.sandbox.config import ApiKey
from kracken_tasks.sandbox.dialects.bitstamp.account import ACCOUNT
from kracken_tasks.sandbox.dialects.bitstamp.errors import bad_key, bad_order, translated
from kracken_tasks.sandbox.dialects.bitstamp.public import PUBLIC
from kracken_tasks.sandbox.dialects.rest import Endpoint, Rejection, RestDialect
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.faults import Faults
from kracken_tasks.sandbox.venue import Venue

__all__ = ["BitstampDialect"]

_SCHEME: Final = "BITSTAMP "
_WITHIN_MS: Final = 150_000
_NONCES_KEPT: Final = 100_000


class BitstampDialect(RestDialect):
    """See the module docstring.  Calls are counted per address and second of market time; nonces are forgotten on a restart."""

    prefix: ClassVar[str] = "/bitstamp"
    endpoints: ClassVar[tuple[Endpoint, ...]] = (*PUBLIC, *ACCOUNT)

    def __init__(self, venue: Venue, keys: Mapping[str, ApiKey], faults: Faults) -> None:
        super().__init__(venue, keys, faults)
        self._nonces: OrderedDict[tuple[str, str], None] = OrderedDict()

    def values_of(self, request: web.Request, body: bytes) -> dict[str, Any]:
        return {**request.query, **dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))}

    def account_of(self, request: web.Request, body: bytes) -> str:
        headers = request.headers
        auth, nonce, stamp = (
            headers.get("X-Auth", ""),
            headers.get("X-Auth-Nonce", ""),
            headers.get("X-Auth-Timestamp", ""),
        )
        if not auth or not nonce or "X-Auth-Signature" not in headers:
            raise bad_key("API0000", "Missing key, signature and nonce parameters")
        key = self.keys.get(auth.removeprefix(_SCHEME)) if auth.startswith(_SCHEME) else None
        if key is None:
            raise bad_key("API0001", "API key not found")
        if not self._is_timely(stamp):
            raise bad_key("API0017", "Timestamp is not valid")
        version, kind = headers.get("X-Auth-Version", ""), headers.get("Content-Type", "")
        address = f"{request.host}{request.rel_url.raw_path_qs}"
        # Clients cut https:// off the address; over plain http they leave the scheme where it is.
        signed = [
            f"{auth}{request.method}{place}{kind}{nonce}{stamp}{version}".encode() + body
            for place in (address, f"http://{address}")
        ]
        found = headers["X-Auth-Signature"].lower()
        expected = [hmac.new(key.secret.encode(), text, hashlib.sha256).hexdigest() for text in signed]
        if not any(hmac.compare_digest(found, one) for one in expected):
            raise bad_key("API0005", "Invalid signature")
        self._use(auth, nonce)
        return key.account

    def _is_timely(self, stamp: str) -> bool:
        if not stamp.isascii() or not stamp.isdigit():
            return False
        clocks = (self.venue.now_ns() // NS_PER_MS, wall_ns() // NS_PER_MS)
        return any(abs(now - int(stamp)) <= _WITHIN_MS for now in clocks)

    def _use(self, auth: str, nonce: str) -> None:
        if (auth, nonce) in self._nonces:
            raise bad_key("API0004", "Invalid nonce")
        self._nonces[auth, nonce] = None
        if len(self._nonces) > _NONCES_KEPT:
            self._nonces.popitem(last=False)

    def admit(self, request: web.Request, endpoint: Endpoint, now_ns: int) -> dict[str, str]:
        """Over ``public_calls_per_second`` (0: no limit) the edge answers 429, without JSON (an assumption)."""
        if self.too_many_this_second(request, now_ns):
            raise Rejection(429, "Too Many Requests", {"Retry-After": "1"})
        return {}

    def rejection_of(self, refused: Refused, values: Mapping[str, Any]) -> Rejection:
        return translated(refused.reason)

    def ordered_error(self, text: str) -> Rejection:
        return bad_order(text)

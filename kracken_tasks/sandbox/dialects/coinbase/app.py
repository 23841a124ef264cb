"""Coinbase's dialect over HTTP: tokens, JSON bodies, repeated query arguments.

In: requests under ``/coinbase``.  Out: Coinbase's JSON.  Never: an order without a token.
Tokens carry the client's wall clock and are judged by the wall's, or by the venue's where that stands elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web

from kracken_tasks.sandbox.client_config import coinbase_key_name
from kracken_tasks.sandbox.clock import NS_PER_SECOND, wall_ns
from kracken_tasks.sandbox.config import ApiKey
from kracken_tasks.sandbox.dialects.coinbase.account import ACCOUNT
from kracken_tasks.sandbox.dialects.coinbase.errors import argument, failure_of
from kracken_tasks.sandbox.dialects.coinbase.orders import ORDERS
from kracken_tasks.sandbox.dialects.coinbase.public import PUBLIC
from kracken_tasks.sandbox.dialects.coinbase.sign import public_key_of, verified_claims
from kracken_tasks.sandbox.dialects.rest import Endpoint, Rejection, RestDialect
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.faults import Faults
from kracken_tasks.sandbox.venue import Venue

__all__ = ["CoinbaseDialect"]

_BEARER = "Bearer "
_LISTS = ("product_ids", "order_status", "order_ids")


class CoinbaseDialect(RestDialect):
    """See the module docstring.  Calls are counted per address and second of market time."""

    prefix: ClassVar[str] = "/coinbase"
    endpoints: ClassVar[tuple[Endpoint, ...]] = (*PUBLIC, *ACCOUNT, *ORDERS)

    def __init__(self, venue: Venue, keys: Mapping[str, ApiKey], faults: Faults) -> None:
        super().__init__(venue, keys, faults)
        self._by_name = {coinbase_key_name(key.key): key for key in keys.values()}
        self._public: dict[str, Any] = {}

    def values_of(self, request: web.Request, body: bytes) -> dict[str, Any]:
        values: dict[str, Any] = dict(request.query)
        values |= {name: request.query.getall(name) for name in _LISTS if name in request.query}
        if not body:
            return values
        try:
            sent = json.loads(body, parse_float=str, parse_int=str)
        except ValueError:
            raise argument("the body is no JSON") from None
        if not isinstance(sent, dict):
            raise argument("the body is no object")
        return {**values, **sent}

    def account_of(self, request: web.Request, body: bytes) -> str:
        header = request.headers.get("Authorization", "")
        if not header.startswith(_BEARER):
            raise Rejection(401, "Unauthorized")
        if not self._public:  # made when the first signed request comes: most servers never see one
            self._public = {name: public_key_of(key.secret) for name, key in self._by_name.items()}
        address = f"{request.host}{request.rel_url.raw_path}"
        clocks = (self.venue.now_ns() // NS_PER_SECOND, wall_ns() // NS_PER_SECOND)
        # Clients cut https:// off the address; over plain http they leave the scheme where it is.
        spellings = (address, f"http://{address}")
        claims = verified_claims(header.removeprefix(_BEARER), self._public, request.method, spellings, clocks)
        return self._by_name[claims["sub"]].account

    def admit(self, request: web.Request, endpoint: Endpoint, now_ns: int) -> dict[str, str]:
        if self.too_many_this_second(request, now_ns):
            raise Rejection(
                429, {"error": "rate_limit_exceeded", "error_details": "", "message": "Rate limit exceeded"}
            )
        return {}

    def rejection_of(self, refused: Refused, values: Mapping[str, Any]) -> Rejection:
        return argument(failure_of(refused.reason)[2])

    def ordered_error(self, text: str) -> Rejection:
        return Rejection(400, {"error": text, "error_details": "", "message": text})

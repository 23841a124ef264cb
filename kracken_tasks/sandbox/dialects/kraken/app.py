"""Kraken's dialect over HTTP: route, check, answer in the envelope.

In: requests under the venue's prefix.  Out: ``{"error": [...], "result": ...}`` with HTTP 200, or the fault that was ordered.
Never: an answer before its effects are on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from kracken_tasks.sandbox.config import ApiKey
from kracken_tasks.sandbox.dialects.kraken.account import ACCOUNT
from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments
from kracken_tasks.sandbox.dialects.kraken.context import Call
from kracken_tasks.sandbox.dialects.kraken.public import PUBLIC
from kracken_tasks.sandbox.dialects.kraken.sign import checked_key, read_nonce
from kracken_tasks.sandbox.dialects.kraken.tokens import Tokens
from kracken_tasks.sandbox.dialects.kraken.trading import TRADING
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.faults import FaultRule, Faults, Moment
from kracken_tasks.sandbox.limits import ONE, Level
from kracken_tasks.sandbox.venue import Venue

__all__ = ["KrakenDialect"]

_log = logging.getLogger(__name__)
_PRIVATE: Final = {**ACCOUNT, **TRADING}
# Calls to the matching engine have a counter of their own.  Source: Kraken "Spot REST rate limits".
_REST_COST: Final = {
    **dict.fromkeys(ACCOUNT, 1),
    **dict.fromkeys(("Ledgers", "QueryLedgers", "TradesHistory", "QueryTrades", "ClosedOrders"), 2),
    **dict.fromkeys(TRADING, 0),
    **dict.fromkeys(("CancelAll", "CancelAllOrdersAfter"), 1),
}
# Any of these opens an endpoint; one that is not named is open to every key.  Source: Kraken, API key permissions.
_OPENED_BY: Final = {
    **dict.fromkeys(("Balance", "BalanceEx", "TradeVolume"), ("query-funds",)),
    **dict.fromkeys(("Ledgers", "QueryLedgers"), ("query-ledger-entries",)),
    "OpenOrders": ("query-open-trades",),
    "ClosedOrders": ("query-closed-trades",),
    **dict.fromkeys(("QueryOrders", "TradesHistory", "QueryTrades"), ("query-open-trades", "query-closed-trades")),
    **dict.fromkeys(TRADING, ("modify-trades",)),
    **{name: ("modify-trades", "close-trades") for name in TRADING if name.startswith("Cancel")},
    "GetWebSocketsToken": ("access-websockets",),
}
_WORKING = ("online", "cancel_only", "post_only")


def _allowed(endpoint: str, rights: tuple[str, ...]) -> bool:
    wanted = _OPENED_BY.get(endpoint)
    return wanted is None or any(right in rights for right in wanted)


class KrakenDialect:
    """The endpoints ``/0/public/X`` and ``/0/private/X`` of one venue, under a prefix."""

    prefix = "/kraken"

    def __init__(self, venue: Venue, keys: dict[str, ApiKey], faults: Faults, tokens: Tokens) -> None:
        self._venue = venue
        self._tokens = tokens
        self._keys = keys
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        # Also without the prefix: some clients (python-kraken-sdk) keep of an address only its host.
        paths = [prefix + "/0/{scope:public|private}/{endpoint}" for prefix in (self.prefix, "")]
        return [make(path, self._handle) for path in paths for make in (web.get, web.post)]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        endpoint, scope = request.match_info["endpoint"], request.match_info["scope"]
        body = await request.read()
        struck = await self._struck(request, endpoint, Moment.BEFORE)
        if struck is not None:
            return struck
        answer = self._answer(self._public if scope == "public" else self._private, request, endpoint, body)
        struck = await self._struck(request, endpoint, Moment.AFTER)
        return struck if struck is not None else web.json_response(answer)

    def _answer(
        self, handle: Callable[[web.Request, str, bytes], Any], request: web.Request, endpoint: str, body: bytes
    ) -> dict[str, Any]:
        try:
            return {"error": [], "result": handle(request, endpoint, body)}
        except Refused as refusal:
            return {"error": [refusal.reason]}
        except Exception:
            _log.exception("sandbox request failed", extra={"endpoint": endpoint})
            return {"error": ["EGeneral:Internal error"]}

    def _public(self, request: web.Request, endpoint: str, body: bytes) -> Any:
        answer = PUBLIC.get(endpoint)
        if answer is None:
            raise Refused("EGeneral:Unknown method")
        sent = Arguments.from_body(body, request.content_type) if body else Arguments({})
        with self._venue.request() as now_ns:
            self._count_public(request.remote or "", now_ns)
            return answer(Call(self._venue, now_ns, Arguments({**request.query, **sent.values})))

    def _count_public(self, remote: str, now_ns: int) -> None:
        most = self._venue.state.settings.public_calls_per_second
        if not most:
            return
        scope = f"public:{remote}"
        level = self._venue.state.counters.get(scope, Level()).decayed(most * ONE, now_ns)
        if not level.allows(1, most):
            raise Refused("EGeneral:Too many requests")
        self._venue.state.set_counter(scope, level.raised(1, most))

    def _private(self, request: web.Request, endpoint: str, body: bytes) -> Any:
        answer = _PRIVATE.get(endpoint)
        if answer is None or request.method != "POST":
            raise Refused("EGeneral:Unknown method")
        arguments = Arguments.from_body(body, request.content_type)
        nonce = arguments.text("nonce")
        key = checked_key(self._keys, request.headers, f"/0/private/{endpoint}", nonce, body)
        with self._venue.request() as now_ns:
            state = self._venue.state
            state.set_nonce(key.key, read_nonce(nonce or "", state.nonces.get(key.key, -1)))
            self._count_private(key, _REST_COST[endpoint], now_ns)
            if endpoint in TRADING and state.settings.system_status not in _WORKING:
                raise Refused("EService:Unavailable")
            if not _allowed(endpoint, key.rights):
                raise Refused("EGeneral:Permission denied")
            result = answer(Call(self._venue, now_ns, arguments, key.account, key.rights))
        if endpoint == "GetWebSocketsToken":
            self._tokens.give(result["token"], key.account)
        return result

    def _count_private(self, key: ApiKey, cost: int, now_ns: int) -> None:
        """The REST counter; it rises for refused calls too, so that hammering keeps the door shut."""
        if not cost:
            return
        state, tier, scope = self._venue.state, self._venue.tier, f"rest:{key.key}"
        level = state.counters.get(scope, Level()).decayed(tier.rest_decay, now_ns)
        state.set_counter(scope, level.raised(cost, tier.rest_max))
        if not level.allows(cost, tier.rest_max):
            raise Refused("EAPI:Rate limit exceeded")

    async def _struck(self, request: web.Request, endpoint: str, when: Moment) -> web.StreamResponse | None:
        rule = self._faults.strike(endpoint, when)
        if rule is None:
            return None
        if rule.delay_ms:
            await asyncio.sleep(rule.delay_ms / 1000)
        return _fault_response(request, rule)


def _fault_response(request: web.Request, rule: FaultRule) -> web.StreamResponse | None:
    if rule.drop:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # goes nowhere: the connection is gone
    if rule.error is not None:
        return web.json_response({"error": [rule.error]})
    if rule.status is not None or rule.body:
        kind = "text/html" if rule.body.lstrip().startswith("<") else "application/json"
        return web.Response(status=rule.status or 200, text=rule.body, content_type=kind)
    return None

"""What the REST dialects share: a table of endpoints, faults on command, one request after another on the venue.

In: requests under the dialect's prefix.  Out: JSON in the venue's own shape, or the fault that was ordered.
Never: an answer before its effects are on disk; the wording of a refusal, which every dialect has of its own.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from aiohttp import web

from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.config import ApiKey
from kracken_tasks.sandbox.engine.orders import Order, Refused
from kracken_tasks.sandbox.faults import FaultRule, Faults, Moment
from kracken_tasks.sandbox.listing import Listing
from kracken_tasks.sandbox.market.pairs import code_of
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Call", "Endpoint", "Rejection", "RestDialect", "asset_codes"]

_log = logging.getLogger(__name__)


class Rejection(Refused):
    """A refusal in the venue's own shape: HTTP status, body (JSON unless text) and headers."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Call:
    """One request at the venue's ``now_ns``: ``values`` are its arguments, path parts included; ``account`` is empty for public ones."""

    venue: Venue
    now_ns: int
    values: Mapping[str, Any]
    account: str = ""

    def text(self, name: str) -> str | None:
        """The argument as text; None when it was not sent or is empty."""
        value = self.values.get(name)
        return None if value is None or value == "" else str(value)

    @property
    def shown_now_ns(self) -> int:
        """The clock as clients see it: off by the skew that control may have set."""
        return self.now_ns + self.venue.state.settings.clock_skew_ms * 1_000_000

    def flushed(self) -> None:
        """Put what this request did so far into its transaction, so that the store's queries see it."""
        self.venue.store.flush(self.venue.state)

    def order_numbered(self, no: int) -> Order | None:
        """The account's order with this number, as it stands now."""
        self.flushed()
        found = self.venue.store.order_numbered(no)
        if found is None or found.account != self.account:
            return None
        return self.venue.state.orders.get(found.txid, found)

    def orders(self) -> list[Order]:
        """All orders of the account, oldest first, as they stand now."""
        self.flushed()
        live = self.venue.state.orders
        return [live.get(order.txid, order) for order in self.venue.store.orders_of(self.account)]

    def balances(self) -> dict[str, tuple[int, int, int]]:
        """Code -> (total, held, decimals) of everything the account ever had and of every listed asset."""
        state, booking = self.venue.state, self.venue.engine.booking
        assets = {asset.key: asset for asset in self.venue.listings.assets()}
        answer = {}
        for key, asset in assets.items():
            total = state.balances.get((self.account, key), 0)
            answer[code_of(key)] = (total, booking.held(self.account, key), asset.decimals)
        return answer


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``name`` is what fault rules call it; ``weight`` counts where a venue weighs its calls."""

    method: str
    path: str
    name: str
    answer: Callable[[Call], Any]
    private: bool = False
    weight: int = 1


class RestDialect(ABC):
    """The endpoints of one venue, under a prefix."""

    prefix: ClassVar[str]
    endpoints: ClassVar[Sequence[Endpoint]]

    def __init__(self, venue: Venue, keys: Mapping[str, ApiKey], faults: Faults) -> None:
        self.venue = venue
        self.keys = keys
        self._faults = faults
        self._called: dict[str, tuple[int, int]] = {}  # address -> second of market time, calls in it

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route(endpoint.method, self.prefix + endpoint.path, partial(self._handle, endpoint))
            for endpoint in self.endpoints
        ]

    @abstractmethod
    def values_of(self, request: web.Request, body: bytes) -> dict[str, Any]:
        """The arguments of a request.  Raises: Rejection for a body that cannot be read."""

    @abstractmethod
    def account_of(self, request: web.Request, body: bytes) -> str:
        """Whose account a private request opens.  Raises: Rejection for a wrong key or signature."""

    @abstractmethod
    def rejection_of(self, refused: Refused, values: Mapping[str, Any]) -> Rejection:
        """The engine's refusal in the venue's words and shape."""

    @abstractmethod
    def ordered_error(self, text: str) -> Rejection:
        """An error that a fault rule asks for."""

    def admit(self, request: web.Request, endpoint: Endpoint, now_ns: int) -> dict[str, str]:
        """Count the call; returns headers for the answer.  Raises: Rejection when there were too many."""
        return {}

    def too_many_this_second(self, request: web.Request, now_ns: int) -> bool:
        """Count a call of an address; whether that makes more in this second of market time than ``public_calls_per_second`` (0: no
        limit)."""
        most, address, second = (
            self.venue.state.settings.public_calls_per_second,
            request.remote or "",
            now_ns // NS_PER_SECOND,
        )
        since, calls = self._called.get(address, (second, 0))
        calls = calls + 1 if since == second else 1
        self._called[address] = (second, calls)
        return bool(most) and calls > most

    async def _handle(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        struck = await self._struck(request, endpoint, Moment.BEFORE)
        if struck is not None:
            return struck
        answer = self._answer(endpoint, request, body)
        struck = await self._struck(request, endpoint, Moment.AFTER)
        return struck if struck is not None else answer

    def _answer(self, endpoint: Endpoint, request: web.Request, body: bytes) -> web.Response:
        values: dict[str, Any] = {}
        try:
            headers = self.admit(request, endpoint, self.venue.now_ns())
            account = self.account_of(request, body) if endpoint.private else ""
            values = {**self.values_of(request, body), **request.match_info}
            with self.venue.request() as now_ns:
                answer = endpoint.answer(Call(self.venue, now_ns, values, account))
            return web.json_response(answer, headers=headers)
        except Refused as refused:
            return _response(refused if isinstance(refused, Rejection) else self.rejection_of(refused, values))
        except Exception:
            _log.exception(
                "sandbox request failed", extra={"venue": self.venue.profile.name, "endpoint": endpoint.name}
            )
            return web.Response(status=500, text="internal error")

    async def _struck(self, request: web.Request, endpoint: Endpoint, when: Moment) -> web.StreamResponse | None:
        rule = self._faults.strike(endpoint.name, when, self.venue.profile.name)
        if rule is None:
            return None
        if rule.delay_ms:
            await asyncio.sleep(rule.delay_ms / 1000)
        return self._fault_response(request, rule)

    def _fault_response(self, request: web.Request, rule: FaultRule) -> web.StreamResponse | None:
        if rule.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # goes nowhere: the connection is gone
        if rule.error is not None:
            return _response(self.ordered_error(rule.error))
        if rule.status is not None or rule.body:
            kind = "text/html" if rule.body.lstrip().startswith("<") else "application/json"
            return web.Response(status=rule.status or 200, text=rule.body, content_type=kind)
        return None


def _response(rejection: Rejection) -> web.Response:
    if isinstance(rejection.body, str):
        return web.Response(status=rejection.status, text=rejection.body, headers=rejection.headers)
    return web.json_response(rejection.body, status=rejection.status, headers=rejection.headers)


def asset_codes(listing: Listing) -> tuple[str, str]:
    """Base and quote as the venue writes them: ``BTC``, ``USDT``."""
    base, _, quote = listing.symbol.partition("/")
    return base, quote

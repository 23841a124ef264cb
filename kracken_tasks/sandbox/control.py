"""The back door: move the clock, order faults, halt a pair, look at everything.  Outside every dialect, for this machine only.

In: JSON under ``/control``.  Out: JSON.  Never: an answer to another machine, or to a wrong token.

GET  /control/health                      is it up, and what time is it
GET  /control/clock                       mode and now
POST /control/clock                       {"advance_seconds": 60} | {"advance_ms": 250} | {"set": "2025-01-06T12:00:00Z"}
                                            | {"follow_wall": true}: jump to the wall's time and follow it from there
GET  /control/faults                      rules in force
POST /control/faults                      a ``FaultRule`` as JSON, answered with its id
DELETE /control/faults[/ID]               all of them, or one
GET  /control/settings, POST              any of ``Settings``; {"pair_status": {"BTC/USD": "cancel_only"}} halts a pair
GET  /control/sockets                     open sockets: whose, what they hear, how much they were sent
DELETE /control/sockets[/ID]              cut all, one, or with ?channel=ticker those that hear it
DELETE /control/tokens                    every token for the private socket given out so far is too old
POST /control/deposit                     {"asset": "USD", "amount": "100"}, negative to withdraw; optional "account"
GET  /control/state                       accounts, live and past orders, fills, ledger
                                            settings, deposit and state mean Kraken, or with ?venue=binance that venue
POST /control/shutdown                    stop cleanly
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from kracken_tasks.domain.clock import from_ms, iso, parse_utc, to_ns
from kracken_tasks.sandbox.amounts import scaled, text_of
from kracken_tasks.sandbox.assets import asset_from_code, asset_from_key
from kracken_tasks.sandbox.clock import NS_PER_MS, NS_PER_SECOND, ClockMode
from kracken_tasks.sandbox.dialects.kraken.shapes import ledger_json, order_json, trade_json
from kracken_tasks.sandbox.dialects.kraken.tokens import Tokens
from kracken_tasks.sandbox.faults import FaultRule, Faults
from kracken_tasks.sandbox.limits import TIERS
from kracken_tasks.sandbox.sockets import Sockets
from kracken_tasks.sandbox.state import Settings
from kracken_tasks.sandbox.store import Window
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Control"]

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_EVERYTHING = 1_000_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The control endpoints of one server."""

    def __init__(
        self,
        venues: Mapping[str, Venue],
        faults: Faults,
        sockets: Sockets,
        tokens: Tokens,
        token: str | None,
        stop: asyncio.Event,
        follow: Callable[[], None],
    ) -> None:
        self._venues = venues
        self._venue = next(iter(venues.values()))  # the one that leads the clock
        self._sockets = sockets
        self._tokens = tokens
        self._follow = follow
        self._faults = faults
        self._token = token
        self._stop = stop

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/health", self._guarded(self._clock)),
            web.get("/control/clock", self._guarded(self._clock)),
            web.post("/control/clock", self._guarded(self._move_clock)),
            web.get("/control/faults", self._guarded(self._list_faults)),
            web.post("/control/faults", self._guarded(self._add_fault)),
            web.delete("/control/faults", self._guarded(self._clear_faults)),
            web.delete("/control/faults/{id}", self._guarded(self._clear_faults)),
            web.get("/control/settings", self._guarded(self._show_settings)),
            web.post("/control/settings", self._guarded(self._change_settings)),
            web.get("/control/sockets", self._guarded(self._list_sockets)),
            web.delete("/control/sockets", self._guarded(self._cut_sockets)),
            web.delete("/control/sockets/{id}", self._guarded(self._cut_sockets)),
            web.delete("/control/tokens", self._guarded(self._expire_tokens)),
            web.post("/control/deposit", self._guarded(self._deposit)),
            web.get("/control/state", self._guarded(self._show_state)),
            web.post("/control/shutdown", self._guarded(self._shutdown)),
        ]

    def _guarded(self, answer: Callable[[web.Request, dict[str, Any]], Any]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.remote not in _LOOPBACK:
                raise web.HTTPForbidden(text="control is for this machine only")
            if self._token is not None and request.headers.get("X-Control-Token") != self._token:
                raise web.HTTPUnauthorized(text="wrong or missing X-Control-Token")
            text = await request.text()
            try:
                body = json.loads(text) if text else {}
                return web.json_response(answer(request, body))
            except (ValueError, TypeError, KeyError) as error:
                return web.json_response({"error": str(error)}, status=400)

        return handle

    def _clock(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        venue = self._venue
        now_ns = venue.now_ns()
        return {
            "status": "ok",
            "mode": venue.state.clock.mode.value,
            "now": iso(from_ms(now_ns // NS_PER_MS)),
            "now_ns": now_ns,
            "processed_ns": venue.state.processed_ns,
        }

    def _move_clock(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("follow_wall") is True:
            self._follow()
            return self._clock(request, body)
        if self._venue.state.clock.mode is not ClockMode.MANUAL:
            raise ValueError("the clock follows the wall; start the server with a manual clock to move it")
        self._venue.move_to(_target_ns(body, self._venue.now_ns()))
        return self._clock(request, body)

    def _list_faults(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return {"faults": self._faults.listed()}

    def _add_fault(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return {"id": self._faults.add(FaultRule.from_json(body))}

    def _clear_faults(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        if "id" not in request.match_info:
            self._faults.clear()
        elif not self._faults.remove(int(request.match_info["id"])):
            raise ValueError(f"no fault {request.match_info['id']}")
        return self._list_faults(request, body)

    def _list_sockets(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return {"sockets": self._sockets.listed()}

    def _cut_sockets(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        number = request.match_info.get("id")
        return {"cut": self._sockets.cut(None if number is None else int(number), request.query.get("channel"))}

    def _expire_tokens(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        self._tokens.expire()
        return {"status": "ok"}

    def _meant(self, request: web.Request, body: dict[str, Any]) -> Venue:
        """The venue of ``?venue=NAME`` (or of the body's, which is taken out of it); Kraken where none is named."""
        name = body.pop("venue", None) or request.query.get("venue")
        if name is None:
            return self._venue
        if name not in self._venues:
            raise ValueError(f"venue {name!r}: one of {', '.join(self._venues)}")
        return self._venues[name]

    def _show_settings(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return self._meant(request, body).state.settings.to_json()

    def _change_settings(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        venue = self._meant(request, body)
        unknown = set(body) - set(Settings.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        if body.get("tier", "pro") not in TIERS:
            raise ValueError(f"tier {body['tier']!r}: one of {', '.join(TIERS)}")
        for symbol in body.get("pair_status", {}):
            if symbol not in venue.listings.by_symbol:
                raise ValueError(f"unknown symbol {symbol!r}")
        with venue.request():
            venue.state.change_settings(**body)
        return venue.state.settings.to_json()

    def _deposit(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        venue = self._meant(request, body)
        asset = asset_from_code(body["asset"])
        account = body.get("account", venue.accounts[0])
        amount = scaled(str(body["amount"]), asset.decimals)
        with venue.request() as now_ns:
            if venue.engine.booking.free(account, asset.key) + amount < 0:
                raise ValueError("more than is free")
            venue.engine.booking.deposit(account, asset.key, amount, now_ns)
        return {"account": account, "asset": asset.key, "balance": _balances(venue, account)[asset.key]["balance"]}

    def _show_state(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        venue = self._meant(request, body)
        with venue.request():
            accounts = {account: self._account(venue, account) for account in venue.accounts}
        return {**self._clock(request, body), "seed": venue.state.seed, "accounts": accounts}

    def _account(self, venue: Venue, account: str) -> dict[str, Any]:
        """Everything about one account, oldest first, in Kraken's shapes whatever the venue."""
        by_symbol = venue.listings.by_symbol
        closed = venue.store.closed_orders(account, Window(), _EVERYTHING, listed_by_ns=2**62).rows
        fills, rows = (
            venue.store.fills(account, Window(), _EVERYTHING),
            venue.store.ledger(account, Window(), _EVERYTHING),
        )
        return {
            "balances": _balances(venue, account),
            "open": {o.txid: order_json(o, by_symbol[o.symbol], True) for o in venue.state.orders_of(account)},
            "closed": {o.txid: order_json(o, by_symbol[o.symbol], True) for o in reversed(closed)},
            "trades": {fill.id: trade_json(fill, by_symbol[fill.symbol]) for fill in reversed(fills.rows)},
            "ledger": {row.id: ledger_json(row, asset_from_key(row.asset)) for row in reversed(rows.rows)},
        }

    def _shutdown(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        self._stop.set()
        return {"status": "stopping"}


def _balances(venue: Venue, account: str) -> dict[str, dict[str, str]]:
    state, booking = venue.state, venue.engine.booking
    answer = {}
    for (owner, key), amount in sorted(state.balances.items()):
        if owner == account:
            decimals = asset_from_key(key).decimals
            held = text_of(booking.held(account, key), decimals)
            answer[key] = {"balance": text_of(amount, decimals), "hold_trade": held}
    return answer


def _target_ns(body: dict[str, Any], now_ns: int) -> int:
    if "set" in body:
        return to_ns(parse_utc(body["set"]))
    if "set_ns" in body:
        return int(body["set_ns"])
    if "advance_ms" in body:
        return now_ns + int(body["advance_ms"]) * NS_PER_MS
    if "advance_seconds" in body:
        return now_ns + scaled(str(body["advance_seconds"]), 9)
    raise ValueError(f"one of set, set_ns, advance_ms, advance_seconds ({NS_PER_SECOND} ns a second)")

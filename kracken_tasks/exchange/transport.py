"""ccxt's own class with our hands on its one way out: every request is paid for first, and signed requests of one key go one by one.

In: a ccxt exchange class, a key's gate, a budget and what the venue counts.  Out: the same class, to be used as ccxt documents it.
Never: ccxt's own spacing of calls, a wait while the lane of the key is held.

``fetch2`` is where every method of ccxt ends up, once for each HTTP request, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import ccxt  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.exchange.failures import tells_rate_limit, venue_words
from kracken_tasks.exchange.nonce import KeyGate, key_mark
from kracken_tasks.exchange.rates import Priority, RateBudget
from kracken_tasks.exchange.rates.counters import current_priority
from kracken_tasks.exchange.rates.kraken import TIERS, KrakenRates
from kracken_tasks.exchange.rates.weights import VenueRates, WeightedRates

__all__ = ["Toll", "Trace", "rates_of", "traced", "vendor_class"]

_KRAKENS_PACE_MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Toll:
    """What a request costs and where it is paid."""

    exchange: str
    budget: RateBudget
    rates: VenueRates


@dataclass(slots=True)
class Trace:
    """What one method of ccxt has done so far: how many requests that may change something were answered well."""

    done: int = 0


_TRACE: ContextVar[Trace | None] = ContextVar("the trace of the method running here", default=None)


@contextmanager
def traced() -> Iterator[Trace]:
    """Watch the requests made inside: a method that fails after one of them was answered well has not failed as a whole."""
    trace = Trace()
    token = _TRACE.set(trace)
    try:
        yield trace
    finally:
        _TRACE.reset(token)


def rates_of(exchange: str, api: Any, tier: str | None) -> VenueRates:
    """What this venue counts for this client: per key and per address, so that a local exchange is not taken for the real one."""
    host = _host(api)
    address, key = f"{exchange} at {host}", api.apiKey
    mark = key_mark(exchange, key)[:16] if key else "no key"
    unit_ms = float(api.rateLimit)
    if exchange == "kraken":
        # A client told to be faster than Kraken allows talks to a server that counts at that pace.
        own_pace = tier is None and unit_ms < _KRAKENS_PACE_MS
        return KrakenRates(
            f"{address} key {mark}", f"{address} public", None if own_pace else TIERS[tier or "starter"], unit_ms
        )
    return WeightedRates(address, unit_ms)


def _host(api: Any) -> str:
    urls = api.urls.get("api")
    while isinstance(urls, Mapping) and urls:
        urls = next(iter(urls.values()))
    return urlsplit(str(urls or "")).netloc or "its own address"


def vendor_class(exchange: str, gate: KeyGate, toll: list[Toll]) -> type[Any]:
    """ccxt's class of ``exchange``.  ``toll`` holds one value once the client is made (what it counts depends on its options)."""
    vendor: type[Any] = getattr(ccxt, exchange)

    def incrementing_nonce(self: Any) -> int:
        [here] = toll
        return gate.next_nonce(int(self.nonce()), lambda least: here.budget.next_number(_nonce_name(self), least))

    def fetch2(
        self: Any, path: Any, api: Any = ("public",), method: str = "GET", params: Any = None, config: Any = None
    ) -> Any:
        params, config = {} if params is None else params, {} if config is None else config
        private = bool(self.apiKey) and not _is_public(api)
        told = params if isinstance(params, Mapping) else {}
        weight = float(self.calculate_rate_limiter_cost(api, method, path, params, config) or 0.0)
        [here] = toll
        charges = here.rates.charges(str(path), private, told, weight)
        doing = f"{exchange} {path}"
        here.budget.spend(charges, current_priority(Priority.READ), doing)
        try:
            with gate.turn(here.budget, _nonce_name(self)) if private else nullcontext():
                answer = vendor.fetch2(self, path, api, method, params, config)
            _must_be_an_answer(answer, doing)
        except ccxt.BaseError as error:
            words = venue_words(error)
            if tells_rate_limit(error, words):
                seconds = max(here.rates.shut_seconds(words), _retry_after(self))
                here.budget.drain(here.rates.used_up(str(path), private, told, words), seconds)
            raise
        trace = _TRACE.get()
        if trace is not None and method != "GET":
            trace.done += 1
        return answer

    return type(vendor.__name__, (vendor,), {"incrementing_nonce": incrementing_nonce, "fetch2": fetch2})


def _nonce_name(api: Any) -> str:
    return f"{api.id} nonce {key_mark(api.id, str(api.apiKey))[:16]}"


def _must_be_an_answer(answer: Any, doing: str) -> None:
    # Status 200 with a web page, nothing, or half an answer is no error for ccxt: it hands on the text, and its parsers find nothing in it.
    if isinstance(answer, str) and answer.lstrip()[:1] in ("", "<", "{", "["):
        raise ccxt.BadResponse(f"{doing}: something else than JSON")


def _is_public(api: Any) -> bool:
    sections = [api] if isinstance(api, str) else list(api)
    return any("public" in str(section).lower() for section in sections)


def _retry_after(api: Any) -> float:
    headers = getattr(api, "last_response_headers", None) or {}
    told = next((value for name, value in dict(headers).items() if str(name).lower() == "retry-after"), None)
    return float(told) if told is not None and str(told).isdigit() else 0.0

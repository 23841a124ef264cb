"""Kraken's counters: REST calls per key, public calls per address, and its matching engine per pair.

In: an endpoint, its parameters, a tier.  Out: charges.  Never: a guess in Kraken's favour: an order of unknown age counts as new, a
history call as the dearest kind.

Source: Kraken, "Spot REST rate limits" and "Spot trading limits", 2026.  Public calls are said to be limited by address only, without
a figure; one a second with a burst of five has been seen to hold, and ccxt's weights (OHLC, Depth and Trades 1.2) are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kracken_tasks.exchange.rates.ages import OrderAges
from kracken_tasks.exchange.rates.counters import Charge, Limit

__all__ = ["TIERS", "KrakenRates", "KrakenTier", "amend_cost", "cancel_cost", "edit_cost"]


@dataclass(frozen=True, slots=True)
class KrakenTier:
    """What an account's verification allows: maximum and decay a second of the REST counter and of the engine's."""

    rest_maximum: float
    rest_decay: float
    engine_maximum: float
    engine_decay: float


TIERS: Final[Mapping[str, KrakenTier]] = {
    "starter": KrakenTier(15, 0.33, 60, 1.0),
    "intermediate": KrakenTier(20, 0.5, 125, 2.34),
    "pro": KrakenTier(20, 1.0, 180, 3.75),
}

# One count is never used: two calls may reach the venue a little closer together than they left.  Above the ceiling of exports there is
# room for a whole tick, from its reconciling look to its exit, also at the slowest tier.
_REST_KEPT: Final = (1.0, 3.0, 5.0, 12.0)
# Twice the dearest way out: cancel an order younger than five seconds, amend one, send the sale.
_ENGINE_KEPT: Final = (1.0, 27.0, 27.0, 27.0)
_PUBLIC_BURST: Final = 5.0
_PUBLIC_KEPT: Final = (0.0, 0.0, 1.0, 2.5)

_HISTORY: Final = frozenset({"Ledgers", "QueryLedgers", "TradesHistory", "QueryTrades", "ClosedOrders"})
_CANCELS: Final = frozenset({"CancelOrder", "CancelOrderBatch"})
_TRADING: Final = frozenset({"AddOrder", "AddOrderBatch", "AmendOrder", "EditOrder"}) | _CANCELS
_AMEND: Final = ((5, 3), (10, 2), (15, 1))
_EDIT: Final = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
_CANCEL: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
_ENGINE_WORDS: Final = re.compile(r"^EOrder:.*[Rr]ate limit")
_UNKNOWN_PAIR: Final = "unknown"
_LOCKOUT_SECONDS: Final = 60.0
_THROTTLED: Final = re.compile(r"Throttled|Temporary lockout", re.IGNORECASE)


def amend_cost(age: float) -> float:
    """Counts of an amend of an order that has rested ``age`` seconds."""
    return 1 + _by_age(_AMEND, age)


def edit_cost(age: float) -> float:
    return 1 + _by_age(_EDIT, age)


def cancel_cost(age: float) -> float:
    return _by_age(_CANCEL, age)


class KrakenRates:
    """The charges of one key (or of none) at one address."""

    def __init__(self, key_scope: str, address_scope: str, tier: KrakenTier | None, unit_ms: float) -> None:
        """``tier`` None: a server that counts by ``unit_ms`` milliseconds (a local sandbox), where Kraken itself counts by 1000."""
        speed = 1000.0 / unit_ms
        told = tier or TIERS["starter"]
        faster = 1.0 if tier is not None else speed
        self.ages = OrderAges()
        self._key, self._address = key_scope, address_scope
        self._public = Limit(_PUBLIC_BURST, speed, _PUBLIC_KEPT)
        self._rest = Limit(told.rest_maximum, told.rest_decay * faster, _REST_KEPT)
        self._engine = Limit(told.engine_maximum, told.engine_decay * faster, _ENGINE_KEPT)

    def charges(self, path: str, private: bool, params: Mapping[str, Any], weight: float) -> tuple[Charge, ...]:
        """``path`` is the endpoint's name (``AddOrder``), ``weight`` what ccxt gives a public call."""
        if not private:
            return (Charge(self._address, weight, self._public),)
        if path not in _TRADING:
            return (Charge(self._key, 2.0 if path in _HISTORY else 1.0, self._rest),)
        costs: dict[str, float] = {}
        for pair, cost in self._engine_costs(path, params):
            costs[pair] = costs.get(pair, 0.0) + cost
        waits = path not in _CANCELS  # never turned away for its rate: its price is that the next order may be
        return tuple(Charge(f"{self._key} engine {pair}", cost, self._engine, waits) for pair, cost in costs.items())

    def used_up(self, path: str, private: bool, params: Mapping[str, Any], words: Sequence[str]) -> tuple[Charge, ...]:
        """Which counters a refusal with these ``words`` tells to be full."""
        if not private:
            return (Charge(self._address, 1.0, self._public),)
        if path in _TRADING and all(_ENGINE_WORDS.search(word) for word in words):
            return self.charges(path, private, params, 0.0)
        return (Charge(self._key, 1.0, self._rest),)

    def shut_seconds(self, words: Sequence[str]) -> float:
        """How much longer than a full counter's fall the venue stays shut, as far as its words tell."""
        return _LOCKOUT_SECONDS if any(_THROTTLED.search(word) for word in words) else 0.0

    def _engine_costs(self, path: str, params: Mapping[str, Any]) -> list[tuple[str, float]]:
        if path == "AddOrder":
            return [(str(params.get("pair", _UNKNOWN_PAIR)), 1.0)]
        if path == "AddOrderBatch":
            return [(str(params.get("pair", _UNKNOWN_PAIR)), float(len(params.get("orders", ()))))]
        named = (
            params.get("orders", ()) if path == "CancelOrderBatch" else (params.get("txid") or params.get("cl_ord_id"),)
        )
        price = {"AmendOrder": amend_cost, "EditOrder": edit_cost}.get(path, cancel_cost)
        found = []
        for order_id in named:
            resting = self.ages.of(str(order_id))
            # Whose pair is not known either counts on a counter of its own, as dear as can be.
            found.append((_UNKNOWN_PAIR, price(0.0)) if resting is None else (resting.pair, price(resting.age)))
        return found


def _by_age(steps: tuple[tuple[int, int], ...], age: float) -> float:
    return float(next((cost for seconds, cost in steps if age < seconds), 0))

"""Every venue without counters of its own here: ccxt's weight of a call against ccxt's rate of the venue.

In: a call's weight.  Out: its charge.  Never: the endpoint's meaning.

ccxt spaces calls evenly, ``rateLimit`` milliseconds a unit of weight.  Here the same rate may be used in bursts of a second's worth,
shared by all processes; limits count per address, whatever the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from kracken_tasks.exchange.rates.ages import OrderAges
from kracken_tasks.exchange.rates.counters import Charge, Limit

__all__ = ["VenueRates", "WeightedRates"]

_BURST_SECONDS: Final = 1.0
_LEAST_BURST: Final = 4.0  # units; slow venues are called one by one anyway
_KEPT: Final = (0.0, 0.0, 0.2, 0.5)  # shares of the burst


class VenueRates(Protocol):
    """What a venue counts, for the client of one key."""

    ages: OrderAges

    def charges(self, path: str, private: bool, params: Mapping[str, Any], weight: float) -> tuple[Charge, ...]: ...

    def used_up(self, path: str, private: bool, params: Mapping[str, Any], words: Sequence[str]) -> tuple[Charge, ...]:
        """Which counters a refusal tells to be full."""
        ...

    def shut_seconds(self, words: Sequence[str]) -> float:
        """How much longer than a full counter's fall the venue stays shut, as far as its words tell."""
        ...


class WeightedRates:
    """See the module docstring."""

    def __init__(self, address_scope: str, unit_ms: float) -> None:
        """``unit_ms``: milliseconds a unit of weight takes (ccxt's ``rateLimit``)."""
        self.ages = OrderAges()
        self._address = address_scope
        units_a_second = 1000.0 / unit_ms
        burst = max(_LEAST_BURST, units_a_second * _BURST_SECONDS)
        first, second, third, fourth = (share * burst for share in _KEPT)
        self._limit = Limit(burst, units_a_second, (first, second, third, fourth))

    def charges(self, path: str, private: bool, params: Mapping[str, Any], weight: float) -> tuple[Charge, ...]:
        return (Charge(self._address, weight, self._limit),) if weight > 0 else ()

    def used_up(self, path: str, private: bool, params: Mapping[str, Any], words: Sequence[str]) -> tuple[Charge, ...]:
        return (Charge(self._address, 1.0, self._limit),)

    def shut_seconds(self, words: Sequence[str]) -> float:
        return 0.0

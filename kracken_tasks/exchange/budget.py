"""How fast a venue may be called: a purse that fills steadily, so that a short burst passes at once and a long export slows down.

In: a call's price in the venue's own units, a steady clock.  Out: a wait.  Never: a wait for an order or a cancel (their price is 0),
a history export that empties the purse another call needs.

ccxt's own throttle spaces every call by its price: eight private Kraken calls take 24 seconds, although the venue counts up to 15
and lets the count fall.  Prices are ccxt's: 1 unit is Kraken's count of one third, private 3, histories and ledgers 6, public 1 to 1.2;
one unit comes back every ``rateLimit`` milliseconds, which at ccxt's default of 1000 is Kraken's slowest tier (0.33 counts a second).

Source: Kraken, Spot REST rate limits, 2026: Starter holds 15 counts.  Two thirds of them are used here: the venue's clock is not ours,
and a person may look at the same account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kracken_tasks.domain.clock import monotonic_seconds, sleep

__all__ = ["CallBudget", "Purse"]

_PRIVATE_UNITS: Final = 30.0
_PUBLIC_UNITS: Final = 5.0  # per address; Kraken publishes no burst, only about a call a second
_PRIVATE_PRICE: Final = 3.0
_HISTORY_PRICE: Final = 6.0
_KEPT_FROM_HISTORY: Final = 9.0  # three ordinary private calls: open orders, balances, one more


@dataclass(slots=True)
class Purse:
    """Units at hand: at most ``holds``, one more every ``seconds_a_unit``."""

    holds: float
    seconds_a_unit: float
    _units: float = field(init=False)
    _at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._units = self.holds

    def wait_for(self, price: float, kept: float, now: float) -> float:
        """Seconds until ``price`` can be paid with ``kept`` left over, and pay it: 0 when it can be paid at once."""
        if self._at is not None:
            self._units = min(self.holds, self._units + (now - self._at) / self.seconds_a_unit)
        self._at = now
        short = min(price + kept, self.holds) - self._units
        self._units -= price
        return max(0.0, short * self.seconds_a_unit) if price else 0.0


class CallBudget:
    """The purses of one key: private calls and public ones do not count together."""

    def __init__(self, clock: Callable[[], float] = monotonic_seconds, pause: Callable[[float], None] = sleep) -> None:
        self._clock, self._pause = clock, pause
        self._private: Purse | None = None
        self._public: Purse | None = None

    def spend(self, price: float, seconds_a_unit: float) -> float:
        """Wait until a call of this price may go; returns the seconds waited."""
        if price <= 0:
            return 0.0
        wait = self._purse(price, seconds_a_unit).wait_for(
            price, _KEPT_FROM_HISTORY if price >= _HISTORY_PRICE else 0.0, self._clock()
        )
        if wait > 0:
            self._pause(wait)
        return wait

    def _purse(self, price: float, seconds_a_unit: float) -> Purse:
        if price >= _PRIVATE_PRICE:
            self._private = self._private or Purse(_PRIVATE_UNITS, seconds_a_unit)
            return self._private
        self._public = self._public or Purse(_PUBLIC_UNITS, seconds_a_unit)
        return self._public

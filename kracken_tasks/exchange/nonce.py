"""One nonce and one lane per API key: numbers that only rise, calls that arrive in the order they were signed.

Kraken refuses a nonce that is not above the key's last one, and repeated refusals lock the key out.  Clients on one key in one process
share a gate; processes that share a rate store share its counter of nonces and its lane, too, so that pods may sign with one key.
Milliseconds, as ccxt counts them: a key once used with a finer unit would be dead for a coarser one.

A lane is waited for three seconds and then passed all the same: whoever holds it longer hangs in a time-out or is frozen, and the call it
made has arrived or never will.  Its nonce is behind by then, and should it still be sent it is refused at the door.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final
from weakref import WeakValueDictionary

from kracken_tasks.exchange.rates import RateBudget

__all__ = ["LANE_SECONDS", "KeyGate", "gate_for", "key_mark"]

LANE_SECONDS: Final = 3.0


class KeyGate:
    """The lane of one key: hold ``turn`` from signing to answer; ``next_nonce`` inside it.  ``budget`` serves who brings none."""

    def __init__(self, lane_seconds: float = LANE_SECONDS) -> None:
        self.budget = RateBudget()
        self._lane_seconds = lane_seconds
        self._lane = threading.RLock()
        self._counting = threading.Lock()
        self._last = 0
        self._taken = 0
        self._numbered = (
            True  # until a call was signed without a nonce (Binance, Coinbase): then nobody else need be waited for
        )

    @contextmanager
    def turn(self, budget: RateBudget, name: str) -> Iterator[None]:
        """Alone with this key, in this process and among all who share the budget's store."""
        held = self._lane.acquire(timeout=self._lane_seconds)
        taken = self._taken
        try:
            with budget.lane(name, self._lane_seconds) if self._numbered else nullcontext():
                yield
            self._numbered = self._taken > taken
        finally:
            if held:
                self._lane.release()

    def next_nonce(self, clock_ms: int, shared: Callable[[int], int] = lambda least: least) -> int:
        """A number above every one before it, as near the clock as that allows.

        ``shared`` gives one that is above everybody else's, too, and at least its argument.
        """
        with self._counting:
            self._taken += 1
            self._last = max(shared(max(clock_ms, self._last + 1)), self._last + 1)
            return self._last


# Process-wide on purpose: two venues opened with one key must not race each other.  Holds hashes, never keys.
_GATES: WeakValueDictionary[str, KeyGate] = WeakValueDictionary()
_GATES_LOCK = threading.Lock()


def key_mark(exchange: str, api_key: str) -> str:
    """A name for a key that does not tell it: the same in every process."""
    return hashlib.sha256(f"{exchange}\0{api_key}".encode()).hexdigest()


def gate_for(exchange: str, api_key: str | None) -> KeyGate:
    """The gate shared by every client of this key in this process; a client without a key gets its own."""
    if not api_key:
        return KeyGate()
    name = key_mark(exchange, api_key)
    with _GATES_LOCK:
        gate = _GATES.get(name)
        if gate is None:
            gate = _GATES[name] = KeyGate()
        return gate

"""One nonce and one lane per API key: numbers that only rise, calls that arrive in the order they were signed.

Kraken refuses a nonce that is not above the key's last one, and repeated refusals lock the key out; two clients on one key in one
process therefore share a gate.  Milliseconds, as ccxt counts them: a key once used with a finer unit would be dead for a coarser one.
Two processes must not share a key.
"""

from __future__ import annotations

import hashlib
import threading
from weakref import WeakValueDictionary

from kracken_tasks.exchange.rates import RateBudget

__all__ = ["KeyGate", "gate_for", "key_mark"]


class KeyGate:
    """The lane of one key: hold ``lane`` from signing to answer; ``next_nonce`` inside it.  ``budget`` serves who brings none."""

    def __init__(self) -> None:
        self.lane = threading.RLock()
        self.budget = RateBudget()
        self._last = 0

    def next_nonce(self, clock_ms: int) -> int:
        """A number above every one before it, as near the clock as that allows."""
        with self.lane:
            self._last = max(clock_ms, self._last + 1)
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

"""ccxt behind a lock, a shared nonce and the error table: the thin, retry-free client under every dialect.

In: an exchange id and ccxt's own options.  Out: raw answers.  Never: a retry (the door decides), a secret in a message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import ccxt  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.errors import Misconfigured, RetryLater, StateUnknown
from kracken_tasks.exchange.failures import answer_of, reading_failure, sending_failure
from kracken_tasks.exchange.nonce import KeyGate, gate_for

__all__ = ["VenueClient"]

# What ccxt's own parsing raises over an answer it did not expect: by then the request is long sent.
_STUMBLES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
# ccxt logs every request's headers at debug level, the key and the signature among them.
_SILENT = logging.Logger("ccxt, silenced", logging.CRITICAL + 1)
_COUNTED = ("kraken",)  # venues whose prices and purse ``budget`` knows
_SECRET_OPTIONS = ("apiKey", "secret", "password", "privateKey", "token", "twofa")


class VenueClient:
    """One ccxt exchange object.  ``read`` for questions, ``send`` for what changes the world."""

    def __init__(self, exchange: str, options: Mapping[str, Any], timeout_seconds: float) -> None:
        if exchange not in ccxt.exchanges:
            raise Misconfigured(f"ccxt knows no exchange {exchange!r}", key="exchange", value=exchange)
        self.exchange = exchange
        self._secrets = tuple(str(options[name]) for name in _SECRET_OPTIONS if options.get(name))
        self._gate = gate_for(exchange, options.get("apiKey"))
        self.api: Any = _vendor_class(exchange, self._gate)(
            {**options, "timeout": int(timeout_seconds * 1000), "enableRateLimit": True, "logger": _SILENT}
        )
        # Numbers stay the text they arrived as: unified structures then carry strings, and no money passes through float.
        self.api.number = str

    @property
    def has_key(self) -> bool:
        return bool(self.api.apiKey)

    def read(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Ask.  Raises: RetryLater, Misconfigured, BadData as the failures table says."""
        with self._gate.lane:
            try:
                return getattr(self.api, method)(*args, **kwargs)
            except ccxt.BaseError as error:
                failure = reading_failure(error, venue=self.exchange, doing=method, secrets=self._secrets)
                raise failure from None
            except _STUMBLES as error:
                told = f"{self.exchange} answered {method} in a way ccxt cannot read ({type(error).__name__})"
                raise RetryLater(told, venue=self.exchange, doing=method) from None

    def read_result(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask a raw Kraken-shaped endpoint (``{"error": [], "result": ...}``) for its result."""
        answer = self.read(method, dict(params or {}))
        if not isinstance(answer, dict) or "result" not in answer:
            raise RetryLater(
                f"{self.exchange} answered {method} with something else than JSON", venue=self.exchange, doing=method
            )
        return answer["result"]

    def send(self, method: str, *args: Any, doing: str = "", **kwargs: Any) -> Any:
        """Do something that cannot be undone by not knowing.  Raises: RetryLater, TradeRefused, StateUnknown, Misconfigured."""
        if not self.has_key:
            raise Misconfigured(f"no API key for {self.exchange}: orders need one", key="apiKey", venue=self.exchange)
        with self._gate.lane:
            try:
                return getattr(self.api, method)(*args, **kwargs)
            except ccxt.BaseError as error:
                done = _done_with_warnings(error)
                if done is not None:
                    return done
                failure = sending_failure(error, venue=self.exchange, doing=doing or method, secrets=self._secrets)
                # Without the vendor's error as cause: its text may hold a signed URL.
                raise failure from None
            except _STUMBLES as error:
                told = f"{self.exchange} answered {doing or method} in a way ccxt cannot read ({type(error).__name__})"
                raise StateUnknown(told, venue=self.exchange, doing=doing or method) from None

    def send_result(self, method: str, params: Mapping[str, Any], doing: str = "") -> Any:
        """Send to a raw Kraken-shaped endpoint; an answer that is not JSON leaves the outcome unknown."""
        answer = self.send(method, dict(params), doing=doing)
        if not isinstance(answer, dict) or "result" not in answer:
            raise StateUnknown(
                f"{self.exchange} answered {doing or method} with something else than JSON",
                venue=self.exchange,
                doing=doing or method,
            )
        return answer["result"]


def _done_with_warnings(error: Exception) -> dict[str, Any] | None:
    # ccxt raises for a warning (``W...``) too, although the venue has done what was asked and says so in the result.
    body = answer_of(error)
    if not body or not body.get("result"):
        return None
    listed = body.get("error")
    warned = isinstance(listed, list) and all(str(word).startswith("W") for word in listed)
    return body if warned else None


def _vendor_class(exchange: str, gate: KeyGate) -> type[Any]:
    """ccxt's class with the key's shared nonce and, where the venue's counting is known, its budget instead of even spacing."""

    def incrementing_nonce(self: Any) -> int:
        return gate.next_nonce(int(self.nonce()))

    def throttle(self: Any, cost: float | None = None) -> None:
        gate.budget.spend(1.0 if cost is None else float(cost), self.rateLimit / 1000)

    own: dict[str, Any] = {"incrementing_nonce": incrementing_nonce}
    if exchange in _COUNTED:
        own["throttle"] = throttle
    vendor: type[Any] = getattr(ccxt, exchange)
    return type(vendor.__name__, (vendor,), own)

"""ccxt behind a lane, a shared nonce, a rate budget and the error table: the thin, retry-free client under every dialect.

In: an exchange id and ccxt's own options.  Out: raw answers.  Never: a retry (the door decides), a secret in a message.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import ccxt  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.errors import KrackenError, Misconfigured, RetryLater, StateUnknown
from kracken_tasks.exchange.failures import answer_of, reading_failure, sending_failure
from kracken_tasks.exchange.nonce import gate_for
from kracken_tasks.exchange.rates import Priority, RateBudget, calls_at
from kracken_tasks.exchange.rates.ages import OrderAges
from kracken_tasks.exchange.rates.kraken import TIERS
from kracken_tasks.exchange.transport import Toll, rates_of, traced, vendor_class

__all__ = ["VenueClient"]

# What ccxt's own parsing raises over an answer it did not expect: by then the request is long sent.
_STUMBLES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
# ccxt logs every request's headers at debug level, the key and the signature among them.
_SILENT = logging.Logger("ccxt, silenced", logging.CRITICAL + 1)
_SECRET_OPTIONS = ("apiKey", "secret", "password", "privateKey", "token", "twofa", "uid")

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class VenueClient:
    """One ccxt exchange object.  ``read`` for questions, ``send`` for what changes the world.  Safe for threads."""

    def __init__(
        self,
        exchange: str,
        options: Mapping[str, Any],
        timeout_seconds: float,
        budget: RateBudget | None = None,
        tier: str | None = None,
    ) -> None:
        """``budget`` None: shared with the other clients of this key in this process.  ``tier``: Kraken's, of the account."""
        if exchange not in ccxt.exchanges:
            raise Misconfigured(f"ccxt knows no exchange {exchange!r}", key="exchange", value=exchange)
        if tier is not None and tier not in TIERS:
            raise Misconfigured(f"no tier {tier!r}; allowed: {', '.join(TIERS)}", key="tier", value=tier)
        self.exchange = exchange
        self._secrets = tuple(str(options[name]) for name in _SECRET_OPTIONS if options.get(name))
        gate = gate_for(exchange, options.get("apiKey"))
        toll: list[Toll] = []
        self.api: Any = vendor_class(exchange, gate, toll)(
            {**options, "timeout": int(timeout_seconds * 1000), "enableRateLimit": False, "logger": _SILENT}
        )
        self._toll = Toll(exchange, budget or gate.budget, rates_of(exchange, self.api, tier))
        toll.append(self._toll)
        # ccxt warns by an exception where a listing without a symbol is dear; what it costs is counted here.
        self.api.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
        # Numbers stay the text they arrived as: unified structures then carry strings, and no money passes through float.
        self.api.number = str

    @property
    def has_key(self) -> bool:
        return bool(self.api.apiKey)

    @property
    def is_local(self) -> bool:
        """Whether orders of this client stay on this machine."""
        urls = self.api.urls.get("api")
        if isinstance(urls, Mapping):
            urls = urls.get("private") or urls.get("rest") or urls
        return all(urlsplit(url).hostname in _THIS_MACHINE for url in _addresses(urls))

    @property
    def ages(self) -> OrderAges:
        """What this client has been told of resting orders: the venue counts a cancel by the order's age."""
        return self._toll.rates.ages

    def read(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Ask.  Raises: RetryLater, Misconfigured, BadData as the failures table says; RetryLater too when its turn is too far off."""
        try:
            return getattr(self.api, method)(*args, **kwargs)
        except ccxt.BaseError as error:
            done = _done_with_warnings(error)
            if done is not None:
                return done
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

    def send(
        self,
        method: str,
        *args: Any,
        doing: str = "",
        priority: Priority = Priority.PROTECT,
        repeatable: bool = False,
    ) -> Any:
        """Do something that cannot be undone by not knowing.  Raises: RetryLater, TradeRefused, StateUnknown, Misconfigured.

        ``repeatable``: doing it twice is no worse than once (a cancel), so that a refusal after a good answer is a refusal.
        """
        if not self.has_key:
            raise Misconfigured(f"no API key for {self.exchange}: orders need one", key="apiKey", venue=self.exchange)
        what = doing or method
        with calls_at(priority), traced() as trace:
            try:
                return getattr(self.api, method)(*args)
            except ccxt.BaseError as error:
                done = _done_with_warnings(error)
                if done is not None:
                    return done
                # Without the vendor's error as cause: its text may hold a signed URL.
                failure: KrackenError = sending_failure(error, venue=self.exchange, doing=what, secrets=self._secrets)
            except _STUMBLES as error:
                told = f"{self.exchange} answered {what} in a way ccxt cannot read ({type(error).__name__})"
                raise StateUnknown(told, venue=self.exchange, doing=what) from None
            except RetryLater as error:  # its turn did not come
                failure = error
            if trace.done and not repeatable and not isinstance(failure, StateUnknown):
                raise StateUnknown(
                    f"{self.exchange} has done a part of {what}: {failure.message}", venue=self.exchange, doing=what
                ) from None
            raise failure from None

    def send_result(
        self, method: str, params: Mapping[str, Any], doing: str = "", priority: Priority = Priority.PROTECT
    ) -> Any:
        """Send to a raw Kraken-shaped endpoint; an answer that is not JSON leaves the outcome unknown."""
        answer = self.send(method, dict(params), doing=doing, priority=priority)
        if not isinstance(answer, dict) or "result" not in answer:
            raise StateUnknown(
                f"{self.exchange} answered {doing or method} with something else than JSON",
                venue=self.exchange,
                doing=doing or method,
            )
        return answer["result"]

    def close(self) -> None:
        """Let go of the connections; the next call opens new ones."""
        self.api.close()


def _addresses(urls: Any) -> Iterator[str]:
    if isinstance(urls, Mapping):
        for nested in urls.values():
            yield from _addresses(nested)
    elif urls:
        yield str(urls)


def _done_with_warnings(error: Exception) -> dict[str, Any] | None:
    # ccxt raises for a warning (``W...``) too, although the venue has done what was asked and says so in the result.
    body = answer_of(error)
    if not body or not body.get("result"):
        return None
    listed = body.get("error")
    warned = isinstance(listed, list) and all(str(word).startswith("W") for word in listed)
    return body if warned else None

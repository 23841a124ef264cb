"""The bell of an account through ccxt.pro: something happened to its orders, fills or balances.

In: an exchange id, ccxt's options with a key, where a token comes from.  Out: rings.  Never: what happened (see ``account_feed``), a
private call beside the key's lane: Kraken's token is asked for by the venue's own client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from ccxt.base.errors import BaseError  # type: ignore[import-untyped]  # it ships no type information

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.errors import KrackenError, Misconfigured, RetryLater
from kracken_tasks.exchange.failures import reading_failure
from kracken_tasks.exchange.streams.ccxt_source import CcxtLine, secrets_of
from kracken_tasks.exchange.streams.source import StreamTrouble
from kracken_tasks.exchange.streams.words import StreamTiming

__all__ = ["CcxtAccountBell"]

# Fills first: on Kraken both come over one subscription, which is made by whoever comes first, and the other would get no snapshot.
_METHODS: Final = {"watchMyTrades": "watch_my_trades", "watchOrders": "watch_orders", "watchBalance": "watch_balance"}
_LOOK_EVERY: Final = 0.5


class CcxtAccountBell:
    """Satisfies ``AccountBell``.  ``token``: gives a fresh one, called in a thread; None where ccxt signs by itself."""

    def __init__(
        self, exchange: str, options: Mapping[str, Any], timing: StreamTiming, token: Callable[[], str] | None
    ) -> None:
        self._exchange, self._options, self._timing, self._token = exchange, dict(options), timing, token
        self._secrets = secrets_of(options)
        self._line: CcxtLine | None = None
        self._waits: dict[str, asyncio.Task[Any]] = {}
        self._began = 0.0
        self._opened = False

    async def ring(self) -> None:
        """See ``AccountBell``.  Raises: Misconfigured where ccxt streams nothing of an account."""
        line = self._line = self._line or self._made()
        for name in (one for one in _METHODS if line.api.has.get(one)):
            if name not in self._waits:
                self._waits[name] = asyncio.create_task(
                    getattr(line.api, _METHODS[name])(), name=f"{self._exchange} {name}"
                )
        if not self._waits:
            raise Misconfigured(f"ccxt streams nothing of an account at {self._exchange}", venue=self._exchange)
        while True:
            done, _ = await asyncio.wait(self._waits.values(), timeout=_LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
            self._must_be_alive(line)
            if done:
                self._waits = {name: task for name, task in self._waits.items() if task not in done}
                for task in done:
                    self._must_be_good(task)
                self._opened = True
                return

    def _made(self) -> CcxtLine:
        line = CcxtLine(self._exchange, self._options)
        if self._token is not None:
            line.api.authenticate = self._authenticated
        self._began, self._opened = monotonic_seconds(), False
        return line

    async def _authenticated(self, params: Any = None) -> str:
        """In place of ccxt's: its private call would carry a nonce of its own."""
        assert self._token is not None
        return await asyncio.to_thread(self._token)

    def _must_be_alive(self, line: CcxtLine) -> None:
        trouble = next(iter(line.refused.values()), "") or line.broken
        if trouble:
            raise StreamTrouble(f"{self._exchange} refuses the account's stream: {trouble}", venue=self._exchange)
        # Kraken answers a subscription with what is, and sends a heartbeat every second; of others a silence says nothing.
        if self._exchange != "kraken":
            return
        if not self._opened and monotonic_seconds() - self._began > self._timing.subscribe:
            raise StreamTrouble(f"{self._exchange}: the account's stream brings nothing", venue=self._exchange)
        age = line.frame_age()
        if age is not None and age > self._timing.silence:
            raise StreamTrouble(f"{self._exchange}: no frame of the account for {age:.1f} s", venue=self._exchange)

    def _must_be_good(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            raise StreamTrouble("the connection was thrown away", venue=self._exchange)
        error = task.exception()
        if error is None:
            return
        if isinstance(error, KrackenError):
            raise error
        if not isinstance(error, BaseError):
            raise StreamTrouble(f"{self._exchange}: the account's stream broke ({type(error).__name__})") from error
        doing = "watch the account"
        failure = reading_failure(error, venue=self._exchange, doing=doing, secrets=self._secrets)
        if isinstance(failure, RetryLater):
            raise StreamTrouble(failure.message, **failure.fields) from None
        raise failure from None

    async def drop(self) -> None:
        waits, self._waits = list(self._waits.values()), {}
        for task in waits:
            task.cancel()
        line, self._line = self._line, None
        if line is not None:
            await line.close()
        if waits:
            await asyncio.wait(waits)
            for task in waits:
                if not task.cancelled():
                    task.exception()  # told already, or of no interest any more

"""The two halves of a real venue: its streams through ccxt.pro, questions through ``CcxtVenue``; and of an account the same.

In: venues, ccxt options.  Out: what ``WebSocketManager`` asks for to make a feed.  Never: a call.  Importing this loads ccxt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.streams.account_feed import AccountBell, WatchedAccount
from kracken_tasks.exchange.streams.ccxt_account import CcxtAccountBell
from kracken_tasks.exchange.streams.ccxt_source import CcxtStreams
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.questions import PublicVenue, ThreadedQuestions
from kracken_tasks.exchange.streams.words import StreamTiming
from kracken_tasks.exchange.venue import CcxtVenue

__all__ = ["public_venue", "venue_accounts", "venue_halves"]

# Of the polling interval: quotes of one round serve each other, and the next round asks anew.
_TOGETHER: Final = 0.5


def public_venue(exchange: str, options: Mapping[str, Any], timeout_seconds: float) -> CcxtVenue:
    """A venue to ask.  Its clock is asked every time; the streams carry it on themselves."""
    return CcxtVenue(exchange, options, timeout_seconds=timeout_seconds, clock_keeps_seconds=0)


def venue_halves(
    venue_of: Callable[[str], PublicVenue], options: Mapping[str, Mapping[str, Any]], timing: StreamTiming
) -> Callable[[str, StreamClock], tuple[CcxtStreams, ThreadedQuestions]]:
    """``options``: ccxt.pro's constructor options by exchange.  Raises: Misconfigured for an exchange that ccxt.pro does not stream."""

    def halves(exchange: str, clock: StreamClock) -> tuple[CcxtStreams, ThreadedQuestions]:
        source = CcxtStreams(exchange, options.get(exchange), clock=clock)
        together = timing.backup_polling_interval * _TOGETHER
        return source, ThreadedQuestions(venue_of(exchange), clock=clock, together_seconds=together)

    return halves


def venue_accounts(
    venue_of: Callable[[str], Any], options: Mapping[str, Mapping[str, Any]], timing: StreamTiming
) -> Callable[[str], tuple[WatchedAccount, AccountBell]]:
    """How to ask an account and to hear of it.  Raises (when called): Misconfigured where there is no key."""

    def account(exchange: str) -> tuple[WatchedAccount, AccountBell]:
        venue = venue_of(exchange)
        if not isinstance(venue, CcxtVenue) or not venue.has_key:
            raise Misconfigured(
                f"no API key for {exchange}: its account cannot be watched", key="api_key", venue=exchange
            )
        token = venue.stream_token if venue.has_stream_token else None
        return venue, CcxtAccountBell(exchange, options.get(exchange) or {}, timing, token)

    return account

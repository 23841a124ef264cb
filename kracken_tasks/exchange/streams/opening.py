"""From names and options, or from the settings, to the halves of a venue and of an account.  ccxt loads when the first is opened.

In: ccxt options by exchange, or nothing.  Out: what makes a venue's stream and questions around a clock.  Never: a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kracken_tasks.exchange.streams.account_feed import AccountBell, WatchedAccount
from kracken_tasks.exchange.streams.clock import StreamClock
from kracken_tasks.exchange.streams.source import StreamSource, VenueQuestions
from kracken_tasks.exchange.streams.words import StreamTiming

__all__ = ["Accounts", "Halves", "ccxt_accounts", "ccxt_halves", "configured"]

# Makes the two halves of a venue around a clock.
Halves = Callable[[str, StreamClock], tuple[StreamSource, VenueQuestions]]
# How to ask an account, and how to hear of it.
Accounts = Callable[[str], tuple[WatchedAccount, AccountBell]]


def configured(timing: StreamTiming, accounts: Accounts | None) -> tuple[list[str], Halves, Accounts]:
    """The venues of the settings."""
    from kracken_tasks.exchange.granted import configured_streams

    names, venue_of, options_of = configured_streams(None)

    def halves(exchange: str, clock: StreamClock) -> tuple[StreamSource, VenueQuestions]:
        from kracken_tasks.exchange.streams.halves import venue_halves  # ccxt loads here

        return venue_halves(venue_of, {exchange: options_of(exchange)}, timing)(exchange, clock)

    def account(exchange: str) -> tuple[WatchedAccount, AccountBell]:
        from kracken_tasks.exchange.streams.halves import venue_accounts  # ccxt loads here

        return venue_accounts(venue_of, {exchange: options_of(exchange)}, timing)(exchange)

    return names, halves, accounts or account


def ccxt_halves(options: Mapping[str, Mapping[str, Any]], timeout_seconds: float, timing: StreamTiming) -> Halves:
    def halves(exchange: str, clock: StreamClock) -> tuple[StreamSource, VenueQuestions]:
        from kracken_tasks.exchange.streams.halves import public_venue, venue_halves  # ccxt loads here

        def venue(name: str) -> Any:
            return public_venue(name, options.get(name) or {}, timeout_seconds)

        return venue_halves(venue, options, timing)(exchange, clock)

    return halves


def ccxt_accounts(options: Mapping[str, Mapping[str, Any]], timeout_seconds: float, timing: StreamTiming) -> Accounts:
    def account(exchange: str) -> tuple[WatchedAccount, AccountBell]:
        from kracken_tasks.exchange.streams.halves import public_venue, venue_accounts  # ccxt loads here

        def venue(name: str) -> Any:
            return public_venue(name, options.get(name) or {}, timeout_seconds)

        return venue_accounts(venue, options, timing)(exchange)

    return account

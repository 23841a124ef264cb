"""A second source for a price: what other venues say, so that one venue's nonsense is not bought.

In: other venues in order of preference, each asked once.  Out: per symbol another venue's mid price, or why there is none.  Never: an
exception for a venue that is silent or broken, a wait beyond its bound for the next one; another money than the symbol's own (USD is not
USDT).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.execution.entries import Elsewhere

__all__ = ["OtherVenue", "ask_elsewhere"]


class OtherVenue(Protocol):
    """The part of a venue that is asked."""

    def now(self) -> datetime: ...

    def instruments(self) -> Mapping[str, Instrument]: ...

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]: ...


def ask_elsewhere(
    venues: Mapping[str, Callable[[], OtherVenue]],
    symbols: Sequence[str],
    *,
    max_age: timedelta,
    seconds: float = 8.0,
    steady: Callable[[], float] = monotonic_seconds,
) -> dict[str, Elsewhere]:
    """Ask each venue once for what those before it could not tell.

    ``venues``: how to get at each.  A quote older than ``max_age`` by that venue's own clock, or one that is no quote, is none.  After
    ``seconds`` no further venue is begun with: whoever decides holds a lease.  Without venues the answer is empty.
    """
    found: dict[str, Elsewhere] = {}
    silent: dict[str, list[str]] = {symbol: [] for symbol in symbols}
    started = steady()
    for name, reach in venues.items():
        missing = [symbol for symbol in symbols if symbol not in found]
        if not missing:
            break
        late = steady() - started >= seconds
        told, why = ({}, "was not asked any more") if late else _told(reach, missing, max_age)
        for symbol in missing:
            if symbol in told:
                found[symbol] = Elsewhere(told[symbol], name)
            else:
                silent[symbol].append(f"{name} {why}")
    if venues:
        found |= {symbol: Elsewhere(None, ", ".join(silent[symbol])) for symbol in symbols if symbol not in found}
    return found


def _told(reach: Callable[[], OtherVenue], symbols: Sequence[str], max_age: timedelta) -> tuple[dict[str, float], str]:
    try:
        venue = reach()
        listed = [symbol for symbol in symbols if symbol in venue.instruments()]
        if not listed:
            return {}, "does not list it"
        now, quotes = venue.now(), venue.quotes(listed)
    except Exception as error:  # whatever another venue does must not keep this one's books from being closed
        return {}, f"did not answer ({type(error).__name__})"
    fresh = {symbol: quote for symbol, quote in quotes.items() if quote.usable and abs(now - quote.ts) <= max_age}
    # The middle: of a wide book either side alone would be off by the spread.
    return {symbol: quote.mid for symbol, quote in fresh.items()}, "has no usable quote of it"

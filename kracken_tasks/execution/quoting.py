"""Quotes of what is held, for whoever has to get out of it: one symbol without a price costs no other its exit.

In: a broker, symbols.  Out: quotes that are prices, and why there is none of the rest.  Never: a price made up.
"""

from __future__ import annotations

from collections.abc import Iterable

from kracken_tasks.domain.market import Quote
from kracken_tasks.errors import KrackenError, RetryLater
from kracken_tasks.execution.broker import Broker

__all__ = ["usable_quotes"]


def usable_quotes(broker: Broker, symbols: Iterable[str]) -> tuple[dict[str, Quote], dict[str, str]]:
    """Usable quotes by symbol, and for every other symbol why it has none.

    Raises: RetryLater if the venue gives none at all.
    """
    wanted = sorted(set(symbols))
    if not wanted:
        return {}, {}
    problems: dict[str, str] = {}
    try:
        found = dict(broker.quotes(wanted))
    except RetryLater:
        raise
    except KrackenError:  # a pair that is listed no more spoils the answer for all
        found = {}
        for symbol in wanted:
            try:
                found |= broker.quotes([symbol])
            except KrackenError as error:
                problems[symbol] = str(error)
    for symbol in wanted:
        quote = found.get(symbol)
        if quote is None:
            problems.setdefault(symbol, f"no quote of {symbol}")
        elif not quote.usable:
            problems[symbol] = f"no usable quote of {symbol}: bid {quote.bid}, ask {quote.ask}"
    return {symbol: quote for symbol, quote in found.items() if symbol in wanted and quote.usable}, problems

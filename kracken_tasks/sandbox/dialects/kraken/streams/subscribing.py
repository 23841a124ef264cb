"""A subscription, read: from Kraken's words to a feed.

In: the ``params`` of a subscribe or unsubscribe.  Out: one ``Wish`` a symbol.  Raises ``Refused`` in Kraken's words.  Never: state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kracken_tasks.sandbox.dialects.kraken.public import INTERVALS
from kracken_tasks.sandbox.dialects.kraken.streams.books import DEPTHS, BookFeed
from kracken_tasks.sandbox.dialects.kraken.streams.feeds import Feed, InstrumentFeed, OhlcFeed, TickerFeed, TradeFeed
from kracken_tasks.sandbox.dialects.kraken.streams.wire import Json
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.listing import Listing
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Wish", "boolean", "public_wishes", "symbols_of"]

_TRIGGERS: Final = ("trades", "bbo")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber asks for.  ``result`` is what the acknowledgement repeats; ``feed`` is made when it is granted."""

    channel: str
    symbol: str | None
    result: Json
    snapshot: bool
    feed: Callable[[], Feed]


def symbols_of(params: dict[str, Any]) -> list[str]:
    """Raises: Refused unless ``symbol`` is a list of names."""
    sent = params.get("symbol")
    if not isinstance(sent, list) or not sent or not all(isinstance(name, str) for name in sent):
        raise Refused("Symbol(s) not found")
    return list(dict.fromkeys(sent))


def public_wishes(venue: Venue, params: dict[str, Any]) -> list[Wish | tuple[str, str]]:
    """One wish a symbol; for a symbol that is not listed, its name and the refusal.

    Raises: Refused if the whole request makes no sense
    """
    channel = params.get("channel")
    snapshot = boolean(params, "snapshot", channel != "trade")  # past trades come to those who ask for them
    if channel == "instrument":
        return [
            Wish(channel, None, {"channel": channel, "snapshot": snapshot}, snapshot, lambda: InstrumentFeed(venue))
        ]
    make, extra, warnings = _maker(venue, params)
    answers: list[Wish | tuple[str, str]] = []
    for name in symbols_of(params):
        listing = venue.listings.by_symbol.get(name)  # v2 knows BTC/USD only, not XBT/USD
        if listing is None:
            answers.append((name, f"Currency pair not supported {name}"))
            continue
        result = {"channel": channel, **extra, "snapshot": snapshot, "symbol": name, **warnings}
        answers.append(Wish(str(channel), name, result, snapshot, _bound(make, listing)))
    return answers


def _bound(make: Callable[[Listing], Feed], listing: Listing) -> Callable[[], Feed]:
    return lambda: make(listing)


def _maker(venue: Venue, params: dict[str, Any]) -> tuple[Callable[[Listing], Feed], Json, Json]:
    """How to make the channel's feed, what its acknowledgement adds, and its warnings."""
    channel = params.get("channel")
    if channel == "trade":
        return lambda listing: TradeFeed(venue, listing), {}, {}
    if channel == "ticker":
        trigger = params.get("event_trigger", "trades")
        if trigger not in _TRIGGERS:
            raise Refused("Event trigger not supported")
        return lambda listing: TickerFeed(venue, listing, trigger == "bbo"), {"event_trigger": trigger}, {}
    if channel == "ohlc":
        interval = _whole(params, "interval", 1, INTERVALS, "Subscription ohlc interval")
        warning = {"warnings": ["timestamp is deprecated, use interval_begin"]}
        return lambda listing: OhlcFeed(venue, listing, interval), {"interval": interval}, warning
    if channel == "book":
        depth = _whole(params, "depth", 10, DEPTHS, "Subscription depth")
        return lambda listing: BookFeed(venue, listing, depth), {"depth": depth}, {}
    raise Refused("Unsupported event")


def _whole(params: dict[str, Any], name: str, usual: int, allowed: tuple[int, ...], words: str) -> int:
    value = params.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(f"{words} must be an integer")
    if value not in allowed:
        raise Refused(f"{words} not supported")
    return value


def boolean(params: dict[str, Any], name: str, usual: bool) -> bool:
    """Raises: Refused for anything but true and false."""
    value = params.get(name, usual)
    if not isinstance(value, bool):
        raise Refused(f"Malformed request: {name} must be a boolean")
    return value

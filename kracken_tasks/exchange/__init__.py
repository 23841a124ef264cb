"""The one door to venues: what they list, quote, remember, and do with an order.

In: an exchange id, ccxt options (keys, URLs), a time-out.  Out: domain words and candle frames.  Never: a retry, a float in money,
a secret in a message; ccxt's own exceptions end here.

- ``market_data``  the protocol the candles room reads through
- ``venue``        ``CcxtVenue``: one venue, one key, public and private · ``venue_clock`` its time, asked once in a while
- ``client``       ccxt behind a rate budget, a nonce and an error table
- ``transport``    where every request passes · ``nonce`` numbers that only rise, a lane for each key
- ``adapter``      ``CCXTAdapter``: venues for asyncio · ``manager`` ``UnifiedExchangeManager``: several as one
- ``access``       what a caller may do at a venue · ``granted`` by the settings, or by what the caller brings
- ``streams``      ``WebSocketManager``: quotes, trades, closed candles, books as they happen, polled where they do not stream
- ``candle_pages`` candles as the frame that users are promised · ``trade_pages`` trades from where they were asked
- ``rates``        how fast a venue may be called: one budget for all processes, with room kept for exits
- ``failures``     which error means what, apart for reading and for sending · ``venue_words`` the venue's own words for it
- ``admission``    whether a venue would take an order: its market's status, minimums, steps
- ``kraken``, ``kraken_listing``, ``kraken_wire``, ``kraken_orders``  Kraken's raw endpoints, names, rows, and an order as it wants it
- ``unified``      every other venue, through ccxt's unified methods · ``unified_rows`` its structures in domain words
- ``unified_history`` an account's history there, whole or refused · ``dialect`` what each way of speaking has to be able to say
- ``symbols``      every spelling of assets and pairs in ccxt's unified form

Importing the room does not load ccxt: its names load their modules when they are first used; ``CcxtVenue`` is imported from
``kracken_tasks.exchange.venue``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from kracken_tasks.exchange.market_data import MarketData

if TYPE_CHECKING:
    from kracken_tasks.exchange.adapter import CCXTAdapter
    from kracken_tasks.exchange.manager import UnifiedExchangeManager, VenueResults
    from kracken_tasks.exchange.streams import WebSocketManager

__all__ = ["CCXTAdapter", "MarketData", "UnifiedExchangeManager", "VenueResults", "WebSocketManager"]

# Where a name comes from that is loaded when it is first asked for.
_LATER: Final = {
    "CCXTAdapter": "adapter",
    "UnifiedExchangeManager": "manager",
    "VenueResults": "manager",
    "WebSocketManager": "streams",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)

"""The one door to venues: what they list, quote, remember, and do with an order.

In: an exchange id, ccxt options (keys, URLs), a time-out.  Out: domain words and candle frames.  Never: a retry, a float in money,
a secret in a message; ccxt's own exceptions end here.

- ``market_data``  the protocol the candles room reads through
- ``venue``        ``CcxtVenue``: one venue, one key, public and private · ``venue_clock`` its time, asked once in a while
- ``client``       ccxt behind a rate budget, a nonce and an error table · ``transport`` where every request passes
- ``rates``        how fast a venue may be called: one budget for all processes, with room kept for exits
- ``failures``     which error means what, apart for reading and for sending · ``venue_words`` the venue's own words for it
- ``admission``    whether a venue would take an order: its market's status, minimums, steps
- ``kraken``, ``kraken_listing``, ``kraken_wire``, ``kraken_orders``  Kraken's raw endpoints, names, rows, and an order as it wants it
- ``unified``      every other venue, through ccxt's unified methods
- ``symbols``      Kraken's spelling of assets and pairs

``CcxtVenue`` is imported from ``kracken_tasks.exchange.venue``: importing the room alone does not load ccxt.
"""

from kracken_tasks.exchange.market_data import MarketData

__all__ = ["MarketData"]

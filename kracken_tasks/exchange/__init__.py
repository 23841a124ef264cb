"""The one door to venues: what they list, quote, remember, and do with an order.

In: an exchange id, ccxt options (keys, URLs), a time-out.  Out: domain words and candle frames.  Never: a retry, a float in money,
a secret in a message; ccxt's own exceptions end here.

- ``market_data``  the protocol the candles room reads through
- ``venue``        ``CcxtVenue``: one venue, one key, public and private · ``venue_clock`` its time, asked once in a while
- ``client``       ccxt behind a lock, a nonce and an error table
- ``failures``     which error means what, apart for reading and for sending
- ``kraken``, ``kraken_wire``, ``kraken_orders``  Kraken's raw endpoints, their rows, an order as it wants it
- ``unified``      every other venue, through ccxt's unified methods
- ``symbols``      Kraken's spelling of assets and pairs

``CcxtVenue`` is imported from ``kracken_tasks.exchange.venue``: importing the room alone does not load ccxt.
"""

from kracken_tasks.exchange.market_data import MarketData

__all__ = ["MarketData"]
